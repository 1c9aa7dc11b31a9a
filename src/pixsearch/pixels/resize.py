"""MATLAB's `imresize`: bicubic (a = −0.5), antialiased when shrinking, symmetric border.

The sums are taken tap by tap in a fixed order, so a window of the result is bit for bit the same as that part of the whole.
As in MATLAB, the axis with the smaller scale goes first, and uint8 pictures are rounded (half up) and clipped after each axis.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Pixels = TypeVar("Pixels", npt.NDArray[np.uint8], npt.NDArray[np.float32])

BAND = 1 << 16  # float32 samples of one band of output rows: stays in the second-level cache


class Taps(NamedTuple):
    """Along one axis: output sample i is the sum over k of `weight[i, k]` × input sample `source[i, k]`."""

    source: npt.NDArray[np.intp]
    weight: npt.NDArray[np.float32]


def resize(picture: Pixels, height: int, width: int) -> Pixels:
    """`imresize(picture, [height width])`: each axis scaled by the quotient of its sizes.

    `picture` is (H, W) or (H, W, C), uint8 or float32; the result has its type. Float results are not clipped.
    """
    _check(picture)
    rows = _taps(picture.shape[0], height, height / picture.shape[0])
    columns = _taps(picture.shape[1], width, width / picture.shape[1])
    return _along_both(picture, rows, columns)


def rescale(picture: Pixels, scale: float) -> Pixels:
    """`imresize(picture, scale)`: the output is ceil(size × scale), sampled at exactly `scale`.

    `picture` is (H, W) or (H, W, C), uint8 or float32; the result has its type. Float results are not clipped.
    """
    height, width = rescaled_size(picture.shape[0], picture.shape[1], scale)
    return resize_window(picture, scale, 0, 0, height, width)


def rescaled_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Height and width of `rescale(picture, scale)` for a picture of `height` × `width`."""
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"`scale` is {scale}; it must be a number above 0.")
    return math.ceil(height * scale), math.ceil(width * scale)


def resize_window(picture: Pixels, scale: float, top: int, left: int, height: int, width: int) -> Pixels:
    """Exactly `rescale(picture, scale)[top : top + height, left : left + width]`, at the cost of the window alone.

    Only the input rows and columns under the window (and the kernel's border of them) are touched.
    """
    _check(picture)
    full_height, full_width = rescaled_size(picture.shape[0], picture.shape[1], scale)
    _check_window("top", top, height, full_height)
    _check_window("left", left, width, full_width)
    rows = _part(_taps(picture.shape[0], full_height, scale), top, height)
    columns = _part(_taps(picture.shape[1], full_width, scale), left, width)
    return _along_both(picture, rows, columns, rows_first=True)


def _check(picture: npt.NDArray[Any]) -> None:
    if picture.ndim not in (2, 3) or picture.size == 0:
        raise ValueError(f"`picture` has shape {picture.shape}; it must be (H, W) or (H, W, C), and not empty.")
    if picture.dtype not in (np.uint8, np.float32):
        raise ValueError(f"`picture` is {picture.dtype}; it must be uint8 or float32.")


def _check_window(name: str, start: int, length: int, full: int) -> None:
    if start < 0 or length < 1 or start + length > full:
        raise ValueError(f"The window from `{name}` = {start} over {length} samples leaves the resized picture, which has {full}.")


def _along_both(picture: Pixels, rows: Taps, columns: Taps, rows_first: bool | None = None) -> Pixels:
    """Both axes, the more strongly reduced first; an even pair starts with the rows."""
    if rows_first is None:
        rows_first = len(rows.source) / picture.shape[0] <= len(columns.source) / picture.shape[1]
    if rows_first:
        return _along_columns(_along_rows(picture, rows), columns)
    return _along_rows(_along_columns(picture, columns), rows)


def _along_columns(picture: Pixels, taps: Taps) -> Pixels:
    first, last = taps.source.min(), taps.source.max()
    needed = Taps(taps.source - first, taps.weight)
    return _transposed(_along_rows(_transposed(picture[:, first : last + 1]), needed))


def _along_rows(picture: Pixels, taps: Taps) -> Pixels:
    """Weighted sums of whole rows, one band of output rows at a time."""
    flat = picture.reshape(len(picture), -1)
    result = np.empty((len(taps.source), flat.shape[1]), picture.dtype)
    step = max(1, BAND // flat.shape[1])
    for start in range(0, len(result), step):
        result[start : start + step] = _band(flat, _part(taps, start, step))
    return result.reshape(-1, *picture.shape[1:])


def _band(flat: Pixels, taps: Taps) -> npt.NDArray[np.float32]:
    first, last = taps.source.min(), taps.source.max()
    rows = flat[first : last + 1].astype(np.float32, copy=False)
    total = np.zeros((len(taps.source), flat.shape[1]), np.float32)
    part = np.empty_like(total)
    for index, weight in zip(taps.source.T - first, taps.weight.T, strict=True):
        np.take(rows, index, axis=0, out=part, mode="clip")
        part *= weight[:, np.newaxis]
        total += part
    return _to_levels(total) if flat.dtype == np.uint8 else total


def _to_levels(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Prepare for truncation to uint8: half up, clipped; in place."""
    samples += 0.5
    return np.clip(samples, 0, 255, out=samples)


def _transposed(picture: Pixels) -> Pixels:
    """Rows and columns exchanged, contiguous; OpenCV does it block-wise where it knows the pixel size."""
    swapped = picture.swapaxes(0, 1)
    if picture.itemsize * math.prod(picture.shape[2:]) > 32:
        return np.ascontiguousarray(swapped)
    turned: Pixels = cv2.transpose(picture)
    return turned.reshape(swapped.shape)


def _part(taps: Taps, start: int, length: int) -> Taps:
    return Taps(taps.source[start : start + length], taps.weight[start : start + length])


@lru_cache(maxsize=32)
def _taps(size: int, resized: int, scale: float) -> Taps:
    """The kernel's taps from `size` to `resized` samples; zero columns are dropped, indices mirrored at the border."""
    if resized < 1:
        raise ValueError(f"The resized picture would have {resized} rows or columns; ask for at least 1.")
    shrink = min(scale, 1.0)
    center = np.arange(1, resized + 1) / scale + 0.5 * (1 - 1 / scale)
    leftmost = np.floor(center - 2 / shrink)
    position = leftmost[:, np.newaxis] + np.arange(math.ceil(4 / shrink) + 2)
    weight = _cubic(shrink * (center[:, np.newaxis] - position))
    weight /= weight.sum(axis=1, keepdims=True)
    mirrored = np.concatenate([np.arange(size), np.arange(size)[::-1]])
    index = mirrored[np.mod(position.astype(np.intp) - 1, 2 * size)]
    used = weight.any(axis=0)
    return Taps(np.ascontiguousarray(index[:, used]), weight[:, used].astype(np.float32))


def _cubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The cubic convolution kernel with a = −0.5 (Keys 1981)."""
    x = np.abs(x)
    inner = 1.5 * x**3 - 2.5 * x**2 + 1
    outer = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, inner, np.where(x <= 2, outer, 0.0))
