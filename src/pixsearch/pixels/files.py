"""Picture files in and out: any format OpenCV reads becomes RGB, every fault names the file, and writing is atomic."""

from __future__ import annotations

import mmap
import os
import secrets
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from pixsearch.errors import DataError, MachineError, UsageError
from pixsearch.pixels.exif import Data, upright
from pixsearch.pixels.headers import Header, HeaderError, ends_early, jpeg_end, parse_header
from pixsearch.pixels.types import Deep, Picture

MAX_PIXELS = 256_000_000
"""Larger pictures are refused before they are decoded: 768 MB of RGB, and the mark of a decompression bomb."""

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # a damaged file is reported once, as our error


class Probe(NamedTuple):
    """A file's size as `read_picture` would return it, and its format: PNG, JPEG, WebP, BMP, TIFF, GIF or PNM."""

    width: int
    height: int
    format: str


class Decoded(NamedTuple):
    """A file at its own depth: RGB `pixels` (H, W, 3) uint8 or uint16, `alpha` (H, W) of the same type or None.

    `grey` tells that the file stores one channel, which `pixels` repeats three times.
    """

    pixels: Deep
    alpha: Deep | None
    grey: bool


class Container(NamedTuple):
    """What a format can hold: 16 bit samples, alpha, and how many pixels a side."""

    deep: bool
    alpha: bool
    longest: int


_JPEG, _TIFF = Container(False, False, 65500), Container(True, True, 1 << 20)
CONTAINERS = {
    ".png": Container(True, True, 1_000_000),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": Container(False, True, 16383),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": Container(False, False, 1 << 20),
    ".ppm": Container(True, False, 1 << 20),
}
"""The formats `write_picture` knows, by suffix."""


def probe(path: Path, max_pixels: int = MAX_PIXELS) -> Probe:
    """Size and format from the header alone, without decoding.

    Raises DataError, naming the file and the reason, when it cannot be opened, is no picture, is of a format OpenCV
    does not read, ends within its header, or has more than `max_pixels` pixels.
    """
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise DataError(f"`{path.name}` is empty. Copy it again or leave it out.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                header = _header(path, data, max_pixels)
    except OSError as error:
        raise _unopened(path, error) from error
    return Probe(*header.shown_size, header.format)


def read_picture(path: Path, max_pixels: int = MAX_PIXELS) -> Picture:
    """The picture as uint8 RGB, (H, W, 3), upright.

    16 bit samples are divided by 257 and rounded, grey is repeated three times, alpha is dropped, EXIF orientation
    is applied. Raises DataError as `probe` does, and for files that are truncated, damaged or hold float samples.
    """
    pixels = read_decoded(path, max_pixels).pixels
    if pixels.dtype == np.uint16:
        return np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / 257), np.uint8)
    return np.asarray(pixels, np.uint8)


def read_decoded(path: Path, max_pixels: int = MAX_PIXELS) -> Decoded:
    """The picture with the depth and alpha of its file, upright; the first frame or page. Raises as `read_picture`."""
    probe(path, max_pixels)  # before a file of any size comes into memory
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unopened(path, error) from error
    header = _header(path, data, max_pixels)
    samples = _decode(path, data, header)
    if samples.dtype not in (np.uint8, np.uint16):
        raise DataError(f"`{path.name}` holds {samples.dtype} samples. Convert it to 8 or 16 bit.")
    if header.format != "TIFF":  # which OpenCV turns by itself
        samples = upright(samples, header.orientation)
    return _channels(samples)


def write_picture(path: Path, pixels: Deep, alpha: Deep | None = None, quality: int = 95, *, spend: bool = False) -> None:
    """Write RGB (H, W, 3) or grey (H, W) `pixels` in the format of the suffix, beside `path` first and then renamed.

    `pixels` and `alpha` (H, W) are uint8 or uint16. `quality` is 1–100 for JPEG and WebP; at 100 WebP is lossless.
    With `spend` the samples of `pixels` are lost on the way, which saves a copy of a large picture. Raises DataError when
    the format cannot hold them, MachineError when the disk or folder does not let them in, UsageError for another `quality`.
    """
    _check_fit(path, pixels, alpha)
    if not 1 <= quality <= 100:
        raise UsageError(f"`quality` is {quality}. Give 1 to 100.")
    suffix = path.suffix.lower()
    done, encoded = cv2.imencode(suffix, _bgr(pixels, alpha, spend), _flags(suffix, quality))
    if not done:
        raise DataError(f"`{path.name}` could not be encoded from {pixels.shape} {pixels.dtype} samples. Choose another format.")
    _replace(path, encoded.data)


def _header(path: Path, data: Data, max_pixels: int) -> Header:
    try:
        header = parse_header(data)
    except HeaderError as error:
        raise DataError(f"`{path.name}` {error}") from error
    if header.width * header.height > max_pixels:
        raise DataError(
            f"`{path.name}` is {header.width}×{header.height}, more than the {max_pixels / 1e6:g} megapixels allowed. "
            f"Reduce it or cut it into parts."
        )
    return header


def _unopened(path: Path, error: OSError) -> DataError:
    return DataError(f"`{path.name}` could not be read: {error.strerror or error}. Check `{path}`.")


def _decode(path: Path, data: bytes, header: Header) -> npt.NDArray[np.generic]:
    """The samples as OpenCV gives them: unturned (but for TIFF), BGR, at their own depth."""
    if ends_early(data, header):
        raise DataError(f"`{path.name}` is truncated: its end is missing. Copy it again or leave it out.")
    samples = _imdecode(without_profile(data) if header.format == "PNG" else data)
    if samples is None:
        raise DataError(
            f"`{path.name}` is a {header.format} that OpenCV cannot decode: truncated, damaged or beyond the memory. Leave it out."
        )
    if header.format == "JPEG" and _hollow(data, samples):
        raise DataError(f"`{path.name}` is truncated: data is missing before its end marker. Copy it again or leave it out.")
    return samples


def without_profile(data: bytes) -> bytes:
    """A PNG without its colour profile, which OpenCV does not apply but libpng complains of on stderr when it is odd."""
    kind = data.find(b"iCCP", 8, data.find(b"IDAT", 8))
    if kind < 12:
        return data
    length = int.from_bytes(data[kind - 4 : kind], "big")
    return data[: kind - 4] + data[kind + 4 + length + 4 :]


def _imdecode(data: bytes) -> npt.NDArray[np.generic] | None:
    try:
        samples: npt.NDArray[np.generic] | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    return samples


def _hollow(data: bytes, samples: npt.NDArray[np.generic]) -> bool:
    """Whether a JPEG's scan stops short of its end marker.

    libjpeg paints what is missing mid-grey and only warns. Where the last pixel is mid-grey, decode again with some
    bytes put before the end marker: a complete scan ignores them, an incomplete one takes them for pixels.
    """
    if np.any(samples[-1, -1] != 128):
        return False
    end = jpeg_end(data)
    padded = _imdecode(data[:end] + b"\x5a\x96\x3c" * 64 + data[end:])
    return padded is None or not np.array_equal(samples, padded)


def _channels(samples: npt.NDArray[np.generic]) -> Decoded:
    if samples.ndim == 2 or samples.shape[2] == 1:
        return Decoded(cv2.cvtColor(samples, cv2.COLOR_GRAY2RGB), None, True)
    rgb = cv2.cvtColor(samples[..., :3], cv2.COLOR_BGR2RGB)
    if samples.shape[2] == 3:
        return Decoded(rgb, None, False)
    grey = np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 0], rgb[..., 2])
    return Decoded(rgb, cv2.extractChannel(samples, 3), grey)


def _check_fit(path: Path, pixels: Deep, alpha: Deep | None) -> None:
    holds = CONTAINERS.get(path.suffix.lower())
    if holds is None:
        raise DataError(f"`{path.name}` has a suffix that cannot be written. Use one of {', '.join(CONTAINERS)}.")
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.size == 0 or not (pixels.ndim == 2 or pixels.shape[2:] == (3,)):
        raise DataError(f"`{path.name}` cannot hold {pixels.shape} {pixels.dtype} samples. Give (H, W, 3) uint8 or uint16.")
    if alpha is not None and (alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype):
        raise DataError(f"`{path.name}`: `alpha` is {alpha.shape} {alpha.dtype}, but `pixels` {pixels.shape} {pixels.dtype}. Match them.")
    if pixels.dtype == np.uint16 and not holds.deep:
        raise DataError(f"`{path.name}` cannot hold 16 bit samples. Write PNG or TIFF, or reduce to 8 bit.")
    if alpha is not None and not holds.alpha:
        raise DataError(f"`{path.name}` cannot hold alpha. Write PNG, TIFF or WebP, or leave alpha out.")
    if max(pixels.shape[:2]) > holds.longest:
        raise DataError(f"`{path.name}` cannot hold {pixels.shape[1]}×{pixels.shape[0]} pixels: {holds.longest} a side at most. Write PNG.")


def _bgr(pixels: Deep, alpha: Deep | None, spend: bool) -> npt.NDArray[np.generic]:
    if pixels.ndim == 2 and alpha is None:
        return pixels
    if pixels.ndim == 2:
        bgr = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    else:
        bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR, dst=pixels if spend else None)
    return bgr if alpha is None else np.dstack([bgr, alpha])


def _flags(suffix: str, quality: int) -> list[int]:
    if suffix in (".jpg", ".jpeg"):
        return [cv2.IMWRITE_JPEG_QUALITY, quality]
    if suffix == ".webp":
        return [cv2.IMWRITE_WEBP_QUALITY, quality if quality < 100 else 101]  # 101 is OpenCV's word for lossless
    return []


def _replace(path: Path, content: memoryview) -> None:
    """Put `content` at `path` whole or not at all."""
    beside = path.with_name(f".{secrets.token_hex(6)}.part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise MachineError(
                f"`{path.name}` could not be written: {error.strerror or error}. Check the space and permissions of `{path.parent}`."
            ) from error
        raise
