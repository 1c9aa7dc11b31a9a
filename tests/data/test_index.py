"""Every file is either usable or named with a reason; nothing is passed over in silence."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from pixsearch.data import index, inspect
from pixsearch.data.index import grouped, resembling, scan, split
from pixsearch.data.phash import perceptual_hash
from pixsearch.errors import DataError
from pixsearch.pixels.resize import rescale


def reasons(found):
    return {item.path.name: item.reason for item in found.rejected}


def bomb(width, height):
    """A PNG that states a huge size in a few bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def test_every_photo_is_found_with_what_it_is(folder):
    found = scan([folder])
    assert [path.relative_to(folder).as_posix() for path in found.paths] == [
        *("a.png", "b.png", "e.jpg", "f.bmp", "trip/c.png", "trip/day 2/d.webp"),
    ]
    assert [photo.format for photo in found] == ["PNG", "PNG", "JPEG", "BMP", "PNG", "WebP"]
    assert {(photo.width, photo.height, photo.reduce) for photo in found} == {(200, 160, 1)}
    assert len(found.groups) == len({photo.digest for photo in found}) == 6
    assert found.rejected == ()
    assert found.pixels == 6 * 200 * 160


def test_damaged_and_foreign_files_are_each_named_with_a_reason(folder, write, clips):
    whole = (folder / "a.png").read_bytes()
    jpeg = (folder / "e.jpg").read_bytes()
    bad = {
        "cut.png": (whole[: len(whole) // 2], "truncated"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        "hollow.jpg": (jpeg[: len(jpeg) // 2] + b"\xff\xd9", "truncated"),
        "flipped.png": (whole[:3000] + bytes(64) + whole[3064:], "cannot decode"),
        "empty.jpg": (b"", "is empty"),
        "notes.txt": (b"f/8, 1/250 s, tripod", "is not a picture"),
        "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        "clip.mp4": (b"\0\0\0\x18ftypisom\0\0\0\0isomiso2", "video"),
        "huge.png": (bomb(60_000, 60_000), "60000×60000, more than"),
        "shot.NEF": (b"II*\0" + bytes(100), "camera's raw file"),
    }
    for name, (content, _) in bad.items():
        (folder / name).write_bytes(content)
    write(folder / "tiny.png", clips[0][:40])
    os.mkfifo(folder / "pipe.png")
    found = scan([folder])
    assert len(found) == 6
    given = reasons(found)
    assert set(given) == {*bad, "tiny.png", "pipe.png"}
    for name, (_, word) in bad.items():
        assert word in given[name], name
        assert not given[name].startswith("`"), "the reason goes on from the file's name"
    assert given["tiny.png"] == "is too small: 200×40, with a side under 64 pixels."
    assert "not a regular file" in given["pipe.png"]


@pytest.fixture
def public_folder(clips, write):
    """A folder outside the test user's private ones, for what depends on permissions."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    write(place / "open.png", clips[0])
    write(place / "closed.png", clips[1]).chmod(0)
    (place / "locked").mkdir()
    (place / "locked").chmod(0)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def unprivileged():
    """Root may read everything: act as nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_what_may_not_be_read_is_named(public_folder, unprivileged):
    found = scan([public_folder])
    assert [path.name for path in found.paths] == ["open.png"]
    assert "Permission denied" in reasons(found)["closed.png"]
    assert "cannot be entered: Permission denied" in reasons(found)["locked"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can read what others may not")
def test_what_another_user_could_read_is_not_taken_from_memory(public_folder):
    time.sleep(0.15)
    memory = public_folder / "memory"
    assert {"open.png", "closed.png"} <= {path.name for path in scan([public_folder], exclude=[memory], memo=memory).paths}
    memory.chmod(0o777)
    for file in memory.iterdir():
        file.chmod(0o666)
    os.seteuid(65534)
    try:
        assert [path.name for path in scan([public_folder], exclude=[memory], memo=memory).paths] == ["open.png"]
    finally:
        os.seteuid(0)


def test_copy_is_left_out_and_near_duplicates_share_a_group(folder, write, clips):
    shutil.copy(folder / "a.png", folder / "trip" / "again.png")
    write(folder / "resaved.jpg", clips[0], quality=40)
    write(folder / "smaller.png", rescale(clips[0], 0.5))
    write(folder / "burst.png", clips[0][2:, 2:])
    found = scan([folder])
    assert reasons(found) == {"again.png": f"is a copy of `{folder / 'a.png'}`, which is used."}
    group = {photo.path.name: photo.group for photo in found}
    assert group["resaved.jpg"] == group["smaller.png"] == group["burst.png"] == group["a.png"]
    assert len(found) == 9
    assert len(found.groups) == 6
    assert group["a.png"] == min(photo.digest for photo in found if photo.group == group["a.png"])


def test_camera_jpegs_are_reduced_and_say_so(folder, write, clips):
    write(folder / "camera.jpg", cv2.resize(clips[7], (2000, 1500)))
    found = {photo.path.name: photo for photo in scan([folder])}
    assert found["camera.jpg"].reduce == 2
    assert "JPEG of 3.0 MP" in found["camera.jpg"].reason_of_reduce
    assert found["camera.jpg"].used_size == (1000, 750)
    assert found["e.jpg"].reduce == 1


def test_photo_too_small_once_reduced_is_named(folder, write, clips):
    write(folder / "small.png", clips[7][:100])
    found = scan([folder], reduce="2")
    assert reasons(found) == {"small.png": "is too small when reduced by 2: 100×50, with a side under 64 pixels."}
    assert {photo.reduce for photo in found} == {2}


def test_nothing_usable_is_an_error_that_lists_the_reasons(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "x.txt").write_text("x")
    (tmp_path / "p" / "y.jpg").write_text("")
    with pytest.raises(DataError) as caught:
        scan([tmp_path / "p"]).require()
    assert "None of 2 files is a usable photo" in str(caught.value)
    assert "x.txt` is not a picture" in str(caught.value)
    assert "y.jpg` is empty" in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="No photos were found"):
        scan([tmp_path / "empty"]).require()


def test_long_lists_of_reasons_are_cut(tmp_path):
    for number in range(30):
        (tmp_path / f"{number:02}.txt").write_text("x")
    with pytest.raises(DataError, match="… and 10 more"):
        scan([tmp_path]).require()


def test_second_scan_reads_no_pixels_and_finds_the_same(folder, store, monkeypatch):
    time.sleep(0.15)
    first = scan([folder], memo=store)
    monkeypatch.setattr(inspect, "read_picture", lambda path: pytest.fail(f"{path} was decoded again"))
    assert scan([folder], memo=store) == first


def test_scan_notices_a_file_that_changed_behind_its_times(folder, store):
    time.sleep(0.15)
    before = scan([folder / "f.bmp"], memo=store).photos[0]
    status = (folder / "f.bmp").stat()
    content = bytearray((folder / "f.bmp").read_bytes())
    content[-1] ^= 255
    (folder / "f.bmp").write_bytes(content)
    os.utime(folder / "f.bmp", ns=(status.st_atime_ns, status.st_mtime_ns))
    after = scan([folder / "f.bmp"], memo=store).photos[0]
    assert (after.size_bytes, after.mtime_ns) == (before.size_bytes, before.mtime_ns)
    assert after.digest != before.digest


def test_fresh_file_is_not_remembered(folder, store, monkeypatch):
    """Its times might stay as they are when it is written once more."""
    time.sleep(0.15)
    soon = time.time() + 60
    os.utime(folder / "a.png", (soon, soon))
    scan([folder], memo=store)
    decoded = []
    monkeypatch.setattr(inspect, "read_picture", lambda path: decoded.append(path.name) or np.zeros((160, 200, 3), np.uint8))
    scan([folder], memo=store)
    assert decoded == ["a.png"]


def test_scan_goes_on_without_its_memory(folder, store, tmp_path):
    store.mkdir()
    for place in store, tmp_path / "file":
        (tmp_path / "file").write_text("not a folder")
        assert len(scan([folder], memo=place)) == 6
    (memory,) = store.glob("index.*.sqlite")
    memory.write_bytes(b"not a database" * 100)
    assert len(scan([folder], memo=store)) == 6
    assert memory.read_bytes().startswith(b"SQLite")


def test_interrupted_scan_keeps_what_it_learnt(folder, store, monkeypatch):
    time.sleep(0.15)

    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(index.Progress, "advance", stop)
    with pytest.raises(KeyboardInterrupt):
        scan([folder], memo=store)
    monkeypatch.undo()
    decoded = []
    original = inspect.read_picture
    monkeypatch.setattr(inspect, "read_picture", lambda path: decoded.append(path.name) or original(path))
    assert len(scan([folder], memo=store)) == 6
    assert len(decoded) == 5


def test_names_that_are_no_text_are_no_obstacle(tmp_path, clips, write):
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    shutil.copy(write(tmp_path / "a.png", clips[0]), place)
    place.with_suffix(".txt").write_text("x")
    found = scan([tmp_path], memo=tmp_path / "memo")
    assert len(found) == 1
    assert len(found.rejected) == 2


@pytest.mark.parametrize("order", ["abc", "acb", "bac", "bca", "cab", "cba"])
def test_group_is_the_least_digest_whatever_the_order(entry, order):
    hashes = {"a": 0, "b": 2**8 - 1, "c": 2**16 - 1}  # c is near b alone
    photos = grouped([entry(digest, phash=hashes[digest]) for digest in order] + [entry("0", phash=2**64 - 1)])
    assert [photo.group for photo in photos] == ["a", "a", "a", "0"]


class TestSplit:
    def index(self, entry, groups):
        return index.Index(tuple(entry(f"{group}{member}", group=f"{group}0") for group, size in groups for member in range(size)))

    def test_groups_stay_whole(self, entry):
        found = self.index(entry, [("a", 3), ("b", 1), ("c", 4), ("d", 2), ("e", 1), ("f", 1), ("g", 1), ("h", 1), ("i", 1), ("j", 1)])
        kept, out = split(found, 0.3)
        assert out.groups == ["a0", "b0", "c0"]
        assert len(out) == 8
        assert {*kept} | {*out} == {*found}
        assert not {*kept.groups} & {*out.groups}

    @pytest.mark.parametrize(("share", "most", "held"), [(0.01, None, 1), (0.5, None, 2), (0.99, None, 3), (0.5, 1, 1), (0.01, 5, 1)])
    def test_at_least_one_group_stands_on_each_side(self, entry, share, most, held):
        kept, out = split(self.index(entry, [("a", 1), ("b", 1), ("c", 1), ("d", 1)]), share, most)
        assert (len(kept), len(out)) == (4 - held, held)

    def test_one_group_cannot_be_split(self, entry):
        with pytest.raises(DataError, match="1 usable photo is too few"):
            split(self.index(entry, [("a", 1)]), 0.5)
        with pytest.raises(DataError, match="3 usable photos are all near-duplicates"):
            split(self.index(entry, [("a", 3)]), 0.5)

    def test_split_depends_on_contents_not_on_paths_or_order(self, folder, tmp_path):
        _, out = split(scan([folder]), 0.4)
        other = tmp_path / "moved"
        for number, path in enumerate(sorted(folder.rglob("*.*"), reverse=True)):
            other.mkdir(exist_ok=True)
            shutil.copy(path, other / f"{number}{path.suffix}")
        _, again = split(scan([other]), 0.4)
        assert {photo.digest for photo in again} == {photo.digest for photo in out}
        assert len(out) == 2


def test_resembling_finds_photos_by_hash(folder, clips):
    found = scan([folder])
    other = perceptual_hash(clips[2][1:, 1:])
    assert [photo.path.name for photo in resembling(found, [other, perceptual_hash(clips[12])])] == ["c.png"]
    assert resembling(found, []) == []


def test_importing_the_settings_imports_no_torch():
    code = "import sys, pixsearch.data.config; sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
