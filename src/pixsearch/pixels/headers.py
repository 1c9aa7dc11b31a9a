"""What a picture file says of itself before it is decoded: format, size, orientation, and whether its end is there.

Everything here reads `bytes` or an `mmap` and touches only headers and chunk tables, so a hostile file costs nothing.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pixsearch.pixels.exif import ORIENTATION, Data, exif_orientation, tiff_tags

_WIDTH, _HEIGHT, _DNG_VERSION = 256, 257, 50706  # TIFF tags
_PNM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")
_ISO_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}
_UNREADABLE = {
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"#?RGBE": "Radiance HDR",
    b"PF": "PFM",
    b"Pf": "PFM",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
}


class Header(NamedTuple):
    """A file's own words: `width` × `height` as stored, EXIF `orientation` 1–8 that turns it for display."""

    format: str
    width: int
    height: int
    orientation: int = 1

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height after turning by the orientation."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


class HeaderError(Exception):
    """Why a file's header cannot be used, as the end of a sentence that begins with the file's name."""


def parse_header(data: Data) -> Header:
    """Format and size of a PNG, JPEG, WebP, BMP, TIFF, GIF or PNM file. Raises HeaderError for anything else."""
    parse = _parser(data)
    try:
        header = parse(data)
    except (struct.error, IndexError, OverflowError) as error:
        raise HeaderError("is truncated within its header. Copy it again or leave it out.") from error
    if header.width < 1 or header.height < 1:
        raise HeaderError(f"states a size of {header.width}×{header.height}. Leave it out.")
    return header if 1 <= header.orientation <= 8 else header._replace(orientation=1)


def ends_early(data: Data, header: Header) -> bool:
    """Whether the file stops before the end its format promises (PNG, JPEG, WebP; the others only tell when decoded)."""
    if header.format == "PNG":
        return all(kind != b"IEND" for kind, _, _ in _png_chunks(data))
    if header.format == "JPEG":
        return jpeg_end(data) < 0
    if header.format == "WebP":
        return len(data) < 8 + int(struct.unpack_from("<I", data, 4)[0])
    return False


def jpeg_end(data: Data) -> int:
    """Where the end marker of a JPEG's main picture stands, −1 without one; that of an embedded thumbnail does not count."""
    for marker, start, _ in _jpeg_segments(data):
        if marker == 0xDA:
            return data.find(b"\xff\xd9", start)
    return -1


def _parser(data: Data) -> Callable[[Data], Header]:
    """The parser for the file's first bytes, which decide the format whatever the suffix says."""
    start = data[:16]
    for signature, parse in _PARSERS.items():
        if start.startswith(signature):
            return parse
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return _webp
    if _PNM.match(data[:1024]):
        return _pnm
    raise HeaderError(_refusal(start))


def _refusal(start: bytes) -> str:
    if not start:
        return "is empty. Copy it again or leave it out."
    if start[4:8] == b"ftyp":
        kind = _ISO_BRANDS.get(start[8:12])
        return f"is {kind}: not readable by OpenCV; convert to PNG or JPEG." if kind else "is a video, not a picture. Leave it out."
    for signature, kind in _UNREADABLE.items():
        if start.startswith(signature):
            return f"is {kind}: not an 8 or 16 bit picture that can be read; convert to PNG or JPEG."
    return "is not a picture (PNG, JPEG, WebP, TIFF, BMP, GIF or PNM). Leave it out."


def _png(data: Data) -> Header:
    width, height = struct.unpack_from(">II", data, 16)
    exif = next((data[at : at + length] for kind, at, length in _png_chunks(data) if kind == b"eXIf"), b"")
    return Header("PNG", width, height, exif_orientation(exif))


def _png_chunks(data: Data) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, length) of every chunk that is there whole."""
    at = 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            return
        yield kind, at + 8, length
        at += 12 + length


def _jpeg(data: Data) -> Header:
    orientation = 1
    for marker, start, length in _jpeg_segments(data):
        if marker == 0xE1 and data[start : start + 6] == b"Exif\0\0":
            orientation = exif_orientation(data[start : start + length])
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, start + 1)
            return Header("JPEG", width, height, orientation)
    raise HeaderError("is a JPEG without a frame header: truncated. Copy it again or leave it out.")


def _jpeg_segments(data: Data) -> Iterator[tuple[int, int, int]]:
    """(marker, start, length) of every segment up to and including the first scan's header."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        length = struct.unpack_from(">H", data, at + 2)[0]
        yield marker, at + 4, length - 2
        if marker == 0xDA:
            return
        at += 2 + length


def _webp(data: Data) -> Header:
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    elif kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8X":
        low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", data, 24)
        width, height = low_w + (high_w << 16) + 1, low_h + (high_h << 16) + 1
        return Header("WebP", width, height, exif_orientation(_riff_chunk(data, b"EXIF")))
    else:
        raise HeaderError("is a WebP without a picture in it. Leave it out.")
    return Header("WebP", width, height)


def _riff_chunk(data: Data, wanted: bytes) -> bytes:
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == wanted:
            return data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    return b""


def _bmp(data: Data) -> Header:
    old = struct.unpack_from("<I", data, 14)[0] == 12
    width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    return Header("BMP", width, abs(height))  # a negative height: rows stored from the top


def _gif(data: Data) -> Header:
    return Header("GIF", *struct.unpack_from("<HH", data, 6))


def _pnm(data: Data) -> Header:
    match = _PNM.match(data[:1024])
    assert match is not None  # how this parser was chosen
    return Header("PNM", int(match[1]), int(match[2]))


def _tiff(data: Data) -> Header:
    tags = tiff_tags(data)
    if _DNG_VERSION in tags:
        raise HeaderError("is DNG: a camera's raw data; develop it to PNG or JPEG.")
    return Header("TIFF", tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0), tags.get(ORIENTATION, 1))


_PARSERS: dict[bytes, Callable[[Data], Header]] = {
    b"\x89PNG\r\n\x1a\n": _png,
    b"\xff\xd8\xff": _jpeg,
    b"BM": _bmp,
    b"GIF87a": _gif,
    b"GIF89a": _gif,
    b"II*\0": _tiff,
    b"MM\0*": _tiff,
    b"II+\0": _tiff,
    b"MM\0+": _tiff,
}
