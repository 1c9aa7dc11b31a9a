"""Pictures as their files hold them (16 bit, alpha, grey) through a model that was made for 8-bit RGB."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pixsearch.infer.session import OnnxModel
from pixsearch.infer.streams import Stream
from pixsearch.infer.tiles import MEMORY_BYTES, Decode, Encode, Samples, run_windows, window_of
from pixsearch.pixels.color import rgb_to_ycbcr, ycbcr_to_rgb
from pixsearch.pixels.files import Decoded
from pixsearch.pixels.resize import rescale, resize_window
from pixsearch.pixels.types import Deep, Plane
from pixsearch.signature import Signature
from pixsearch.tasks.base import Planes, Task

_LEVELS = 257  # 16-bit levels for each of 255
_BAND = 256  # output rows of alpha at a time


def apply_decoded(
    model: OnnxModel,
    task: Task,
    decoded: Decoded,
    *,
    sigma: float | None = None,
    memory_bytes: int = MEMORY_BYTES,
    stream: Stream | None = None,
    follows: bool = False,
) -> Decoded:
    """`decoded` through `model`, at its own depth and `scale` times its sides; `sigma` is its noise, for tasks that ask.

    8-bit colours go the task's way, which rounds to 8 bits; 16-bit ones are not rounded before and are decoded to 16
    bit. Alpha is enlarged by bicubic. A grey picture stays grey: `pixels` is then (H, W). Of a clip, `decoded` holds the frames around it
    as further channels; with a `stream` it goes through whole, and `follows` says whether the frame before went through just now.
    """
    signature = model.card.signature
    height, width = (side * signature.scale for side in decoded.pixels.shape[:2])
    pixels = np.empty((height, width) if decoded.grey else (height, width, 3), decoded.pixels.dtype)
    encode, decode = _conversions(task, signature, decoded)
    inputs = task.inputs_of(decoded.pixels, sigma)
    if stream is not None:
        planes = stream.run({name: encode(name, samples) for name, samples in inputs.items()}, follows=follows)
        parts = iter([(slice(None), slice(None), decode(planes, inputs))])
    else:
        parts = run_windows(model, inputs, encode, decode, window_of(model.card, memory_bytes))
    for rows, columns, part in parts:
        pixels[rows, columns] = _mean(part) if decoded.grey else part
    alpha = None if decoded.alpha is None else enlarge_alpha(decoded.alpha, signature.scale)
    return Decoded(pixels, alpha, decoded.grey)


def _conversions(task: Task, signature: Signature, decoded: Decoded) -> tuple[Encode, Decode]:
    if decoded.pixels.dtype == np.uint8:
        return task.encode, task.decode

    def encode(name: str, samples: Samples) -> Planes:
        return task.encode(name, _to_255(samples) if samples.dtype == np.uint16 else samples)

    def decode(output: Planes, inputs: dict[str, Samples]) -> Samples:
        return decode_16(output, next(iter(inputs.values()))[..., :3], signature)

    return encode, decode


def decode_16(output: Planes, picture: Samples, signature: Signature) -> npt.NDArray[np.uint16]:
    """Output planes (C, H·scale, W·scale) and their 16-bit input (H, W, 3) → 16-bit RGB (H·scale, W·scale, 3).

    On `y` the input's chroma is upscaled by bicubic, as the 8-bit way does.
    """
    if signature.color == "rgb":
        return _round_16(np.moveaxis(output, 0, -1) * np.float32(255))
    chroma = rescale(np.ascontiguousarray(rgb_to_ycbcr(_to_255(picture))[..., 1:]), float(signature.scale))
    return _round_16(ycbcr_to_rgb(np.dstack([output[0] * np.float32(255), chroma])))


def enlarge_alpha(alpha: Deep, scale: int) -> Deep:
    """`alpha` (H, W) upscaled by bicubic at its own depth, some rows at a time."""
    height, width = (side * scale for side in alpha.shape)
    result = np.empty((height, width), alpha.dtype)
    source = _to_255(alpha) if alpha.dtype == np.uint16 else alpha.astype(np.float32)
    for top in range(0, height, _BAND):
        rows = min(_BAND, height - top)
        part = resize_window(source, float(scale), top, 0, rows, width)
        result[top : top + rows] = _round_16(part) if alpha.dtype == np.uint16 else np.clip(np.floor(part + np.float32(0.5)), 0, 255)
    return result


def _to_255(samples: Samples) -> Plane:
    return samples.astype(np.float32) * np.float32(1 / _LEVELS)


def _round_16(samples: Plane) -> npt.NDArray[np.uint16]:
    levels: npt.NDArray[np.uint16] = np.clip(np.floor(samples * np.float32(_LEVELS) + np.float32(0.5)), 0, 65535).astype(np.uint16)
    return levels


def _mean(part: Samples) -> Samples:
    """The channels' mean, rounded; on `y` they are equal."""
    mean: Samples = ((part.sum(axis=-1, dtype=np.uint32) + 1) // 3).astype(part.dtype)
    return mean
