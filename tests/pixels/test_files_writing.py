"""What is written comes back, whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from pixsearch.errors import DataError, MachineError, UsageError
from pixsearch.pixels.files import CONTAINERS, read_decoded, read_picture, write_picture


def colours(*shape, dtype=np.uint8):
    return np.random.default_rng(3).integers(0, int(np.iinfo(dtype).max), shape, dtype=dtype, endpoint=True)


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".bmp", ".ppm", ".webp", ".PNG"])
def test_lossless_formats_return_what_was_written(tmp_path, suffix):
    path = tmp_path / f"Blüte{suffix}"
    pixels = colours(9, 14, 3)
    write_picture(path, pixels, quality=100)
    np.testing.assert_array_equal(read_picture(path), pixels)
    assert listing(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [s for s, holds in CONTAINERS.items() if holds.deep])
def test_sixteen_bits_return(tmp_path, suffix):
    pixels = colours(9, 14, 3, dtype=np.uint16)
    write_picture(tmp_path / f"deep{suffix}", pixels)
    decoded = read_decoded(tmp_path / f"deep{suffix}")
    assert decoded.pixels.dtype == np.uint16
    np.testing.assert_array_equal(decoded.pixels, pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [s for s, holds in CONTAINERS.items() if holds.alpha])
def test_alpha_returns(tmp_path, suffix, dtype):
    if dtype == np.uint16 and not CONTAINERS[suffix].deep:
        dtype = np.uint8
    pixels, alpha = colours(9, 14, 3, dtype=dtype), colours(9, 14, dtype=dtype) | 1
    write_picture(tmp_path / f"cut{suffix}", pixels, alpha, quality=100)
    decoded = read_decoded(tmp_path / f"cut{suffix}")
    np.testing.assert_array_equal(decoded.alpha, alpha)
    np.testing.assert_array_equal(decoded.pixels, pixels)


def test_grey_stays_grey(tmp_path):
    plane = colours(9, 14)
    write_picture(tmp_path / "plane.png", plane)
    decoded = read_decoded(tmp_path / "plane.png")
    assert decoded.grey
    np.testing.assert_array_equal(decoded.pixels, np.dstack([plane] * 3))
    write_picture(tmp_path / "cut.png", plane, plane)
    assert read_decoded(tmp_path / "cut.png").grey


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_quality_is_obeyed(tmp_path, suffix):
    pixels = np.full((64, 64, 3), 90, np.uint8) + colours(64, 64, 3) // 8
    low, high = tmp_path / f"low{suffix}", tmp_path / f"high{suffix}"
    write_picture(low, pixels, quality=20)
    write_picture(high, pixels)
    assert low.stat().st_size < high.stat().st_size
    assert np.abs(read_picture(high).astype(int) - pixels).mean() < 8


@pytest.mark.parametrize("quality", [0, 101])
def test_quality_has_bounds(tmp_path, quality):
    with pytest.raises(UsageError, match=f"`quality` is {quality}"):
        write_picture(tmp_path / "a.jpg", colours(4, 4, 3), quality=quality)


@pytest.mark.parametrize(
    ("name", "pixels", "alpha", "reason"),
    [
        ("a.jpg", colours(4, 4, 3, dtype=np.uint16), None, "cannot hold 16 bit"),
        ("a.webp", colours(4, 4, 3, dtype=np.uint16), None, "cannot hold 16 bit"),
        ("a.jpg", colours(4, 4, 3), colours(4, 4), "cannot hold alpha"),
        ("a.webp", colours(1, 16384, 3), None, "cannot hold 16384×1 pixels"),
        ("a.heic", colours(4, 4, 3), None, "suffix that cannot be written. Use one of .png"),
        ("a", colours(4, 4, 3), None, "suffix"),
        ("a.png", colours(4, 4, 4), None, r"cannot hold \(4, 4, 4\)"),
        ("a.png", colours(4, 4, 3).astype(np.float32), None, "float32"),
        ("a.png", colours(0, 4, 3), None, r"\(0, 4, 3\)"),
        ("a.png", colours(4, 4, 3), colours(4, 5), "`alpha` is"),
        ("a.png", colours(4, 4, 3), colours(4, 4, dtype=np.uint16), "`alpha` is"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path, name, pixels, alpha, reason):
    with pytest.raises(DataError, match=f"`{name}`.*{reason}"):
        write_picture(tmp_path / name, pixels, alpha)
    assert listing(tmp_path) == []


def test_a_missing_folder_is_the_machines_fault(tmp_path):
    with pytest.raises(MachineError, match=r"`a\.png` could not be written: No such file"):
        write_picture(tmp_path / "none" / "a.png", colours(4, 4, 3))


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=["disk full", "Ctrl-C"])
def test_a_failed_write_leaves_the_old_file_and_nothing_beside(tmp_path, monkeypatch, stop):
    path = tmp_path / "a.png"
    write_picture(path, colours(4, 4, 3))
    before = path.read_bytes()

    def half(self, content):
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise stop

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(MachineError if isinstance(stop, OSError) else KeyboardInterrupt) as raised:
        write_picture(path, colours(5, 5, 3))
    assert "No space left" in str(raised.value) or not isinstance(stop, OSError)
    assert path.read_bytes() == before
    assert listing(tmp_path) == ["a.png"]


def test_a_written_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_picture(tmp_path / "a.png", colours(4, 4, 3))
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode
