"""The EXIF orientation of a picture: found in its TIFF-structured block, and applied."""

from __future__ import annotations

import mmap
import struct

import numpy as np
import numpy.typing as npt

Data = bytes | mmap.mmap

ORIENTATION = 274
_INTEGERS = {3: "H", 4: "I", 16: "Q"}


def upright(samples: npt.NDArray[np.generic], orientation: int) -> npt.NDArray[np.generic]:
    """Apply an EXIF orientation, 1–8 (CIPA DC-008, tag 274)."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)


def exif_orientation(exif: bytes) -> int:
    """The orientation tag of an EXIF block, 1 (upright) where there is none or the block is damaged."""
    exif = exif.removeprefix(b"Exif\0\0")
    if exif[:2] not in (b"II", b"MM"):
        return 1
    try:
        return tiff_tags(exif).get(ORIENTATION, 1)
    except (struct.error, OverflowError):
        return 1


def tiff_tags(data: Data) -> dict[int, int]:
    """The first value of every integer tag (SHORT, LONG, LONG8) in the first directory of a TIFF or BigTIFF."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    at = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    count = struct.unpack_from(order + ("Q" if big else "H"), data, at)[0]
    first, step, value = (at + 8, 20, 12) if big else (at + 2, 12, 8)
    tags = {}
    for entry in range(first, first + step * min(count, 4096), step):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if kind in _INTEGERS:
            tags[tag] = struct.unpack_from(order + _INTEGERS[kind], data, entry + value)[0]
        else:
            tags[tag] = 0
    return tags
