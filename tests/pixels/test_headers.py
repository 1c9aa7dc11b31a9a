"""Headers of every format, of files that are none, and of files made to hurt."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixsearch.errors import DataError
from pixsearch.pixels.files import probe
from pixsearch.pixels.headers import Header, HeaderError, ends_early, parse_header


def encoded(kind, **options):
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(stream, kind, **options)
    return stream.getvalue()


def turned():
    exif = Image.Exif()
    exif[274] = 6
    return exif.tobytes()


FILES = {
    "PNG": encoded("PNG"),
    "PNG turned": encoded("PNG", exif=turned()),
    "JPEG": encoded("JPEG"),
    "JPEG turned": encoded("JPEG", exif=turned()),
    "JPEG progressive": encoded("JPEG", progressive=True),
    "WebP": encoded("WEBP"),
    "WebP lossless": encoded("WEBP", lossless=True),
    "WebP turned": encoded("WEBP", exif=turned()),
    "TIFF": encoded("TIFF"),
    "TIFF turned": encoded("TIFF", exif=turned()),
    "TIFF big": encoded("TIFF", big_tiff=True),
    "BMP": encoded("BMP"),
    "GIF": encoded("GIF"),
    "PNM": encoded("PPM"),
}
ISO = b"\x00\x00\x00\x18ftyp"


@pytest.mark.parametrize("name", FILES)
def test_every_format_is_recognised(name):
    header = parse_header(FILES[name])
    assert header == Header(name.split()[0], 30, 20, 6 if "turned" in name else 1)
    assert header.shown_size == ((20, 30) if "turned" in name else (30, 20))
    assert not ends_early(FILES[name], header)


def test_rarer_headers():
    assert parse_header(b"P5 # a comment\n# another\n 7\t8\n255\n")[:3] == ("PNM", 7, 8)
    assert parse_header(b"BM" + bytes(12) + struct.pack("<IHH", 12, 7, 8))[:3] == ("BMP", 7, 8)
    assert parse_header(b"BM" + bytes(12) + struct.pack("<Iii", 40, 7, -8))[:3] == ("BMP", 7, 8)
    padded = FILES["JPEG"][:2] + b"\xff\xff\xff" + FILES["JPEG"][2:]
    assert parse_header(padded) == parse_header(FILES["JPEG"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"just some words, no picture", "is not a picture"),
        (b"\x00" * 64, "is not a picture"),
        (ISO + b"heic" + bytes(64), "is HEIC: not readable by OpenCV; convert to PNG or JPEG"),
        (ISO + b"mif1" + bytes(64), "is HEIC"),
        (ISO + b"avif" + bytes(64), "is AVIF: not readable by OpenCV; convert to PNG or JPEG"),
        (ISO + b"isom" + bytes(64), "is a video, not a picture"),
        (b"\x76\x2f\x31\x01" + bytes(64), "is OpenEXR"),
        (b"#?RADIANCE\n" + bytes(64), "is Radiance HDR"),
        (b"\x89PNG\r\n\x1a\n" + bytes(5), "is truncated within its header"),
        (FILES["JPEG"][:40], "is a JPEG without a frame header: truncated"),
        (FILES["WebP"][:25], "is truncated within its header"),
        (FILES["TIFF"][:6], "is truncated within its header"),
        (FILES["BMP"][:16], "is truncated within its header"),
        (FILES["GIF"][:8], "is truncated within its header"),
        (FILES["WebP"][:12] + b"ALPH" + bytes(32), "is a WebP without a picture"),
        (FILES["GIF"][:6] + bytes(32), "states a size of 0×0"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path, content, reason):
    path = tmp_path / "thing.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"^`thing.jpg` {reason}"):
        probe(path)


def test_raw_data_of_a_camera_is_not_taken_for_its_thumbnail():
    entries = [(256, 4, 160), (257, 4, 120), (50706, 1, 0x01040000)]
    content = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries)
    with pytest.raises(HeaderError, match="is DNG"):
        parse_header(content)


def test_a_jpeg_of_segments_of_length_zero_ends():
    with pytest.raises(HeaderError, match="without a frame header"):
        parse_header(b"\xff\xd8" + b"\xff\xe0\x00\x00" * 1000)


@settings(max_examples=400)
@given(
    name=st.sampled_from(sorted(FILES)),
    cut=st.floats(0, 1),
    changes=st.lists(st.tuples(st.integers(0, 150), st.one_of(st.sampled_from([0, 255]), st.integers(0, 255))), max_size=5),
)
def test_no_header_raises_anything_but_its_own_error(name, cut, changes):
    content = bytearray(FILES[name])
    for at, value in changes:
        content[min(at, len(content) - 1)] = value
    content = bytes(content[: int(len(content) * cut)])
    try:
        header = parse_header(content)
    except HeaderError:
        return
    assert header.width > 0
    assert header.height > 0
    assert 1 <= header.orientation <= 8
    ends_early(content, header)


def test_offsets_beyond_any_file_are_truncation():
    with pytest.raises(HeaderError, match="truncated"):
        parse_header(b"II+\0\x08\0\0\0" + b"\xff" * 8)
