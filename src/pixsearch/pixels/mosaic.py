"""Colour filter arrays: pictures behind a Bayer pattern, packed to half the size, and the classic ways back to three channels.

Here the pattern is RGGB: red at even rows and columns, blue at odd ones. Packed planes are red, green (of the red rows), blue,
green (of the blue rows), each of half the height and width, so that the first three are a small picture.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Planes = npt.NDArray[np.float32]

_PLACES = ((0, 0), (0, 1), (1, 1), (1, 0))  # row and column, within 2×2 pixels, of each packed plane
_CHANNELS = (0, 1, 2, 1)  # of red, green, blue


def pack(planes: Planes) -> Planes:
    """The mosaic of `planes` (…, 3, H, W), packed: (…, 4, H/2, W/2). H and W are even."""
    taken = [planes[..., channel, row::2, column::2] for channel, (row, column) in zip(_CHANNELS, _PLACES, strict=True)]
    return np.stack(taken, axis=-3)


def unpack(packed: Planes) -> Planes:
    """The mosaic (…, H, W) of packed planes (…, 4, H/2, W/2)."""
    height, width = packed.shape[-2:]
    mosaic = np.empty((*packed.shape[:-3], 2 * height, 2 * width), packed.dtype)
    for plane, (row, column) in enumerate(_PLACES):
        mosaic[..., row::2, column::2] = packed[..., plane, :, :]
    return mosaic


def bilinear(mosaic: Planes) -> Planes:
    """Each missing value as the mean of its nearest neighbours of that colour: (H, W) → (3, H, W)."""
    kernels = (_SQUARE, _CROSS, _SQUARE)
    return np.stack([_filtered(plane, kernel) for plane, kernel in zip(_sparse(mosaic), kernels, strict=True)])


def malvar(mosaic: Planes) -> Planes:
    """Linear interpolation in 5×5, bilinear corrected by the gradient of the colour at hand: (H, W) → (3, H, W).

    Malvar, He and Cutler 2004, "High-quality linear interpolation for demosaicing of Bayer-patterned color images".
    """
    at_green = _filtered(mosaic, _KERNELS["green"])
    in_row, in_column, across = (_filtered(mosaic, _KERNELS[name]) for name in ("row", "column", "across"))
    red, green, blue = (np.array(mosaic) for _ in range(3))
    green[0::2, 0::2], green[1::2, 1::2] = at_green[0::2, 0::2], at_green[1::2, 1::2]
    red[0::2, 1::2], red[1::2, 0::2], red[1::2, 1::2] = in_row[0::2, 1::2], in_column[1::2, 0::2], across[1::2, 1::2]
    blue[1::2, 0::2], blue[0::2, 1::2], blue[0::2, 0::2] = in_row[1::2, 0::2], in_column[0::2, 1::2], across[0::2, 0::2]
    return np.stack([red, green, blue])


def opencv(mosaic: Planes, method: str) -> Planes:
    """OpenCV's demosaicing of a mosaic (H, W) of 0…1, rounded to 8 bits as it asks for: `vng` or `ea`; (3, H, W)."""
    code = {"vng": cv2.COLOR_BayerRGGB2RGB_VNG, "ea": cv2.COLOR_BayerRGGB2RGB_EA}[method]
    levels = np.clip(np.floor(mosaic * 255 + np.float32(0.5)), 0, 255).astype(np.uint8)
    planes: Planes = np.moveaxis(cv2.demosaicing(levels, code), -1, 0).astype(np.float32) / np.float32(255)
    return planes


_CROSS = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32) * np.float32(1 / 4)
_SQUARE = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) * np.float32(1 / 4)
_KERNELS = {
    name: np.array(rows, np.float32) * np.float32(1 / 8)
    for name, rows in {
        "green": [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]],
        "row": [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]],
        "column": [[0, 0, -1, 0, 0], [0, -1, 4, -1, 0], [0.5, 0, 5, 0, 0.5], [0, -1, 4, -1, 0], [0, 0, -1, 0, 0]],
        "across": [[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]],
    }.items()
}
"""Green at red or blue; red at green in a red row (`row`), at green in a blue row (`column`), at blue (`across`); and for blue alike."""


def _sparse(mosaic: Planes) -> Planes:
    """Red, green and blue where the pattern has them, else 0."""
    planes = np.zeros((3, *mosaic.shape), np.float32)
    for channel, (row, column) in zip(_CHANNELS, _PLACES, strict=True):
        planes[channel, row::2, column::2] = mosaic[row::2, column::2]
    return planes


def _filtered(plane: Planes, kernel: npt.NDArray[Any]) -> Planes:
    """Beyond the border the picture is mirrored at its outermost pixel, which keeps the pattern."""
    result: Planes = cv2.filter2D(plane, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT_101)
    return result
