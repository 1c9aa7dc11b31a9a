"""Photos in, photos out: every kind of file, folders mirrored, faults named, inputs untouched."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pixsearch.errors import DataError, UsageError
from pixsearch.infer.apply import apply_path
from pixsearch.pixels.files import read_decoded, write_picture

GIB = 2**30


@pytest.fixture
def model(models) -> Path:
    return models("plain").path


@pytest.fixture
def folder(tmp_path, photo) -> Path:
    """A folder of photos of all kinds, two of them unusable."""
    source = tmp_path / "in"
    (source / "trip" / "day 1").mkdir(parents=True)
    write_picture(source / "a.png", photo)
    write_picture(source / "trip" / "b.jpg", photo[:50])
    write_picture(source / "trip" / "day 1" / "deep.tiff", photo.astype(np.uint16) * 257, photo[..., 0].astype(np.uint16) * 257)
    write_picture(source / "trip" / "day 1" / "grey.png", photo[..., 0])
    return source


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_one_photo(model, tmp_path, photo):
    write_picture(tmp_path / "a.png", photo)
    result = apply_path(model, tmp_path / "a.png", tmp_path / "new" / "b.webp")
    [done] = result["photos"]
    assert (done["width"], done["height"]) == (240, 192)
    assert read_decoded(tmp_path / "new" / "b.webp").pixels.shape == (192, 240, 3)


def test_an_existing_folder_takes_one_photo_under_its_name(model, tmp_path, photo):
    write_picture(tmp_path / "a.png", photo)
    (tmp_path / "out").mkdir()
    apply_path(model, tmp_path / "a.png", tmp_path / "out")
    assert (tmp_path / "out" / "a.png").exists()


def test_16_bit_is_kept_where_the_format_can_and_reduced_where_not(model, tmp_path, photo):
    write_picture(tmp_path / "deep.png", photo.astype(np.uint16) * 257)
    for name, depth in (("out.png", np.uint16), ("out.tif", np.uint16), ("out.jpg", np.uint8)):
        apply_path(model, tmp_path / "deep.png", tmp_path / name)
        assert read_decoded(tmp_path / name).pixels.dtype == depth


def test_alpha_is_kept_and_never_dropped(model, tmp_path, photo):
    write_picture(tmp_path / "cut.png", photo, photo[..., 0])
    apply_path(model, tmp_path / "cut.png", tmp_path / "out.png")
    assert read_decoded(tmp_path / "out.png").alpha is not None
    with pytest.raises(DataError, match="alpha"):
        apply_path(model, tmp_path / "cut.png", tmp_path / "out.jpg")
    assert not (tmp_path / "out.jpg").exists()


def test_grey_stays_one_channel(model, tmp_path, photo):
    write_picture(tmp_path / "grey.png", photo[..., 0])
    apply_path(model, tmp_path / "grey.png", tmp_path / "out.png")
    assert cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED).ndim == 2


@pytest.mark.parametrize("name", ["out.gif", "out", "out.txt"])
def test_a_suffix_that_cannot_be_written(model, tmp_path, photo, name):
    write_picture(tmp_path / "a.png", photo)
    with pytest.raises(UsageError, match=r"Use one of \.png"):
        apply_path(model, tmp_path / "a.png", tmp_path / name)


def test_a_photo_is_not_overwritten_by_itself(model, tmp_path, photo):
    write_picture(tmp_path / "a.png", photo)
    before = digests(tmp_path)
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    for target in (tmp_path / "a.png", tmp_path / "sub" / ".." / "a.png", tmp_path / "link.png"):
        (tmp_path / "sub").mkdir(exist_ok=True)
        with pytest.raises(UsageError, match="not overwritten"):
            apply_path(model, tmp_path / "a.png", target)
    with pytest.raises(UsageError, match="not overwritten"):
        apply_path(model, tmp_path / "a.png", tmp_path)
    assert {name: digest for name, digest in digests(tmp_path).items() if name != "link.png"} == before


def test_no_photo(model, tmp_path):
    with pytest.raises(DataError, match="There is no"):
        apply_path(model, tmp_path / "absent.png", tmp_path / "out.png")


def test_a_folder_is_mirrored(model, folder, tmp_path):
    before = digests(folder)
    (folder / ".hidden.png").write_bytes(b"not looked at")
    result = apply_path(model, folder, tmp_path / "out")
    assert set(digests(tmp_path / "out")) == set(before)
    assert len(result["photos"]) == len(before)
    deep = read_decoded(tmp_path / "out" / "trip" / "day 1" / "deep.tiff")
    assert (deep.pixels.dtype, deep.alpha.dtype) == (np.uint16, np.uint16)
    (folder / ".hidden.png").unlink()
    assert digests(folder) == before


def test_a_format_that_cannot_be_written_becomes_png(model, folder, tmp_path):
    (folder / "old.jpe").write_bytes((folder / "trip" / "b.jpg").read_bytes())
    apply_path(model, folder, tmp_path / "out")
    assert read_decoded(tmp_path / "out" / "old.jpe.png").pixels.shape == (100, 240, 3)


def test_unreadable_files_are_named_and_the_others_written(model, folder, tmp_path):
    (folder / "notes.txt").write_text("no photo")
    whole = (folder / "trip" / "b.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    heard = []
    with pytest.raises(DataError) as caught:
        apply_path(model, folder, tmp_path / "out", note=lambda kind, **fields: heard.append(kind))
    message = str(caught.value)
    assert "2 of 6 files were left out, 4 are written" in message
    assert "`notes.txt`" in message
    assert "`cut.jpg`" in message
    assert caught.value.exit_code == 3
    assert sorted(heard) == ["applied"] * 4 + ["rejected"] * 2
    assert len(digests(tmp_path / "out")) == 4


def test_results_never_go_into_the_photos(model, folder):
    before = digests(folder)
    for out in (folder, folder / "out", folder / "trip" / ".." / "big"):
        with pytest.raises(UsageError, match="not touched"):
            apply_path(model, folder, out)
    assert digests(folder) == before


def test_an_output_folder_whose_links_lead_to_the_photos(model, folder, tmp_path):
    before = digests(folder)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "trip").symlink_to(folder / "trip")
    with pytest.raises(DataError, match="not overwritten"):
        apply_path(model, folder, tmp_path / "out")
    assert digests(folder) == before


def test_folders_and_files_are_not_mixed_up(model, folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        apply_path(model, folder, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no files"):
        apply_path(model, tmp_path / "empty", tmp_path / "out")


def test_again_gives_the_same_bytes(model, folder, tmp_path):
    for _ in range(2):
        apply_path(model, folder, tmp_path / "out")
    apply_path(model, folder, tmp_path / "other")
    assert digests(tmp_path / "out") == digests(tmp_path / "other")


CHILD = """
import sys
from pathlib import Path
from pixsearch.infer.apply import apply_path
photo = apply_path(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))["photos"][0]
assert (photo["width"], photo["height"]) == (8000, 6000)
assert "torch" not in sys.modules and "onnx" not in sys.modules
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
@pytest.mark.parametrize(("kind", "bits"), [("plain", 8), ("wide", 8), ("plain", 16)])
def test_48_megapixels_stay_under_one_gibibyte(models, tmp_path, photo, kind, bits):
    large = cv2.resize(photo, (4000, 3000), interpolation=cv2.INTER_CUBIC)
    path = tmp_path / ("large.jpg" if bits == 8 else "large.png")
    write_picture(path, large if bits == 8 else np.uint16(257) * large)
    command = [sys.executable, "-c", CHILD, str(models(kind).path), str(path), str(tmp_path / "out.png")]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) < GIB, child.stdout
