"""Between planes and the arrays that a file takes and gives: floats as they are, or camera buffers in 8 bits; one size, or any."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixsearch.card import IOS, ModelCard
from pixsearch.errors import DataError
from pixsearch.signature import Port
from pixsearch.tasks.base import Planes

FLOAT, UINT8_NHWC = IOS
LEVELS = 255
Samples = npt.NDArray[Any]
State = dict[str, Planes]
"""Arrays (1, S, h, w) by the names of the signature's state."""


def to_feed(card: ModelCard, port: Port, planes: Planes) -> Samples:
    """What the file takes for `planes` (N, C, H, W): the same, or uint8 (N, H, W, C), rounded half up."""
    if card.io == FLOAT:
        return planes
    levels = np.floor(planes * np.float32(LEVELS / port.high) + np.float32(0.5))
    return np.ascontiguousarray(np.moveaxis(np.clip(levels, 0, LEVELS).astype(np.uint8), 1, -1))


def from_output(card: ModelCard, output: Samples) -> Planes:
    """Planes (N, C, H, W), float32, out of what the file gives."""
    if card.io == FLOAT:
        return output
    per_level = np.float32(card.signature.output.high / LEVELS)
    return np.ascontiguousarray(np.moveaxis(output, -1, 1)) * per_level


def padded(card: ModelCard, planes: Planes) -> Planes:
    """`planes` (…, H, W) continued at the bottom and the right with edge pixels to a size that the file takes.

    `DataError` when they are larger than the one size that it takes.
    """
    height, width = planes.shape[-2:]
    if card.shape is None:
        return pad_to_multiple(planes, card.multiple)
    down, right = card.shape[0] - height, card.shape[1] - width
    if down < 0 or right < 0:
        whole = " Frames go whole through a model with a state: export it with a larger `--shape`." if card.signature.state else ""
        raise DataError(f"`{card.label}` takes {size_text(card.shape)} pixels and was given {size_text((height, width))}.{whole}")
    return _continued(planes, down, right)


def empty_state(card: ModelCard, height: int, width: int) -> State:
    """The state that a first frame of `height` × `width` is given with: zeros, none of a model without one."""
    whole = card.shape or tuple(side + -side % card.multiple for side in (height, width))
    sides = tuple(side // card.multiple for side in whole)
    return {port.name: np.zeros((1, port.channels, *sides), np.float32) for port in card.signature.state}


def pad_to_multiple(planes: Planes, multiple: int) -> Planes:
    """`planes` (…, H, W) continued at the bottom and the right with edge pixels to the next multiple of `multiple`."""
    return _continued(planes, *(-side % multiple for side in planes.shape[-2:]))


def _continued(planes: Planes, down: int, right: int) -> Planes:
    if not (down or right):
        return planes
    return np.pad(planes, [(0, 0)] * (planes.ndim - 2) + [(0, down), (0, right)], mode="edge")


def size_text(size: tuple[int, int]) -> str:
    """`640×360` of (360, 640)."""
    return f"{size[1]}×{size[0]}"
