"""The cache is whole or absent, found again by content, shared, capped, and gives its memory back."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pixsearch.data import cache as cache_module
from pixsearch.data import shelf, writing
from pixsearch.data.cache import build_cache
from pixsearch.data.index import scan
from pixsearch.data.photo import read_clean
from pixsearch.errors import DataError, Interrupted, MachineError
from pixsearch.tasks.base import make_task

CAP = 10**9
TASK = make_task("sr", 2, "y")


@pytest.fixture
def photos(folder):
    return scan([folder]).photos


def caches_in(store):
    return sorted(path.name for path in (store / "pairs").iterdir() if path.is_dir())


def test_pairs_are_those_of_the_task(photos, store):
    cache = build_cache(photos, TASK, store, CAP)
    assert len(cache) == len(photos)
    assert cache.names == ["a", "b", "e", "f", "c", "d"]
    for index, photo in enumerate(photos):
        expected, pair = TASK.degrade(read_clean(photo)), cache.pair(index)
        assert np.array_equal(pair.truth, expected.truth)
        assert np.array_equal(pair.inputs["input"], expected.inputs["input"])
    assert cache.sizes == [(160, 200)] * 6
    assert cache.pixels == 6 * 160 * 200
    assert cache.total_bytes == sum(writing.pair_bytes(photo, TASK) for photo in photos)


def test_views_cannot_be_written(photos, store):
    with pytest.raises(ValueError, match="read-only"):
        build_cache(photos, TASK, store, CAP).truths[0][0, 0] = 0


def test_second_opening_decodes_nothing_and_says_so(photos, store, notes, monkeypatch):
    build_cache(photos, TASK, store, CAP, notes)
    monkeypatch.setattr(cache_module, "write_pairs", lambda *_: pytest.fail("built again"))
    build_cache(photos, TASK, store, CAP, notes)
    assert [event["action"] for event in notes.of("cache")] == ["built", "reused"]
    assert {event["pictures"] for event in notes} == {6}


def test_cache_is_found_by_content_and_follows_the_order_asked_for(folder, photos, store, notes, tmp_path):
    build_cache(photos, TASK, store, CAP)
    moved = tmp_path / "moved"
    moved.mkdir()
    for number, photo in enumerate(photos):
        shutil.copy(photo.path, moved / f"{9 - number}{photo.path.suffix}")
    shutil.rmtree(folder)
    again = scan([moved]).photos
    cache = build_cache(again, TASK, store, CAP, notes)
    assert notes.of("cache")[0]["action"] == "reused"
    assert cache.names == ["4", "5", "6", "7", "8", "9"]
    assert np.array_equal(cache.truths[5], read_clean(again[5]))


def test_other_task_scale_or_reduction_is_another_cache(folder, photos, store):
    for task, found in ((TASK, photos), (make_task("sr", 3, "y"), photos), (TASK, scan([folder], reduce="2").photos), (TASK, photos[:3])):
        build_cache(found, task, store, CAP)
    assert len(caches_in(store)) == 4


def test_colour_shares_a_cache(photos, store):
    for color in ("y", "rgb"):
        build_cache(photos, make_task("sr", 2, color), store, CAP)
    assert len(caches_in(store)) == 1


def test_no_photos_is_a_data_error(store):
    with pytest.raises(DataError, match="no photos to cache"):
        build_cache([], TASK, store, CAP)


def test_photos_that_changed_are_all_named_and_nothing_is_left(photos, store, write, clips):
    write(photos[0].path, clips[11])
    photos[1].path.unlink()
    os.utime(photos[2].path)  # a new time alone does no harm
    with pytest.raises(DataError) as caught:
        build_cache(photos, TASK, store, CAP)
    assert re.findall(r"(\w)\.\w+` has (\w+)", str(caught.value)) == [("a", "changed"), ("b", "vanished")]
    assert caches_in(store) == []
    assert len(build_cache(photos[2:], TASK, store, CAP)) == 4


def test_fault_in_the_middle_leaves_nothing(photos, store, monkeypatch):
    original = writing.read_clean

    def vanish(photo):
        if photo is photos[3]:
            raise DataError(f"`{photo.path}` has vanished since it was indexed.")
        return original(photo)

    monkeypatch.setattr(writing, "read_clean", vanish)
    with pytest.raises(DataError, match="has vanished"):
        build_cache(photos, TASK, store, CAP)
    assert caches_in(store) == []


def test_ctrl_c_leaves_nothing(photos, store, monkeypatch):
    def stop(_):
        raise Interrupted("Stopped as asked.")

    monkeypatch.setattr("pixsearch.data.progress.check_stop", stop)
    with pytest.raises(Interrupted):
        build_cache(photos, TASK, store, CAP)
    assert caches_in(store) == []


def test_cache_that_was_cut_short_or_damaged_is_built_again(photos, store, notes):
    build_cache(photos, TASK, store, CAP)
    (place,) = (store / "pairs").glob("*/")
    os.truncate(place / "pixels.bin", 1000)
    build_cache(photos, TASK, store, CAP, notes)
    (place / "index.json").write_text("{")
    cache = build_cache(photos, TASK, store, CAP, notes)
    assert [event["action"] for event in notes.of("cache")] == ["built", "built"]
    assert np.array_equal(cache.truths[0], read_clean(photos[0]))


class TestRoom:
    def test_set_larger_than_the_cap_is_refused_with_what_to_do(self, photos, store):
        with pytest.raises(DataError, match=r"would take 720 KB, more than the cap of 100 KB .*--cache-cap.*--reduce 2"):
            build_cache(photos, TASK, store, 100_000)
        assert caches_in(store) == []

    def test_caches_used_longest_ago_make_room(self, photos, store, notes):
        small = [photos[:2], photos[2:4], photos[4:6]]
        for part in small:
            build_cache(part, TASK, store, 750_000)
            time.sleep(0.02)
        build_cache(small[0], TASK, store, 750_000, notes)  # used again, so not the oldest
        build_cache(photos[1:3], TASK, store, 750_000, notes)
        removed = [event for event in notes.of("cache") if event["action"] == "removed"]
        assert len(removed) == 1
        notes.clear()
        build_cache(small[0], TASK, store, 750_000, notes)
        assert notes.of("cache")[-1]["action"] == "reused"
        build_cache(small[1], TASK, store, 750_000, notes)
        assert notes.of("cache")[-1]["action"] == "built"

    def test_cache_in_use_is_never_removed(self, photos, store):
        held = build_cache(photos[:4], TASK, store, 500_000)
        before = held.truths[0].copy()
        with pytest.raises(DataError, match="other runs are using"):
            build_cache(photos[4:6], TASK, store, 600_000)
        assert np.array_equal(held.truths[0], before)
        del held
        assert len(build_cache(photos[4:6], TASK, store, 600_000)) == 2
        assert len(caches_in(store)) == 1

    def test_too_small_a_disk_is_said_before_anything_is_written(self, photos, store, monkeypatch):
        monkeypatch.setattr(shelf, "free_bytes", lambda path: shelf.SPARE_BYTES + 1000)
        with pytest.raises(MachineError, match="would take 720 KB, but the disk of .* free"):
            build_cache(photos, TASK, store, CAP)
        assert caches_in(store) == []

    def test_old_caches_make_room_on_a_full_disk(self, photos, store, monkeypatch):
        build_cache(photos[:3], TASK, store, CAP)
        monkeypatch.setattr(shelf, "free_bytes", lambda path: shelf.SPARE_BYTES + (0 if caches_in(store) else 10**6))
        build_cache(photos[3:], TASK, store, CAP)
        assert len(caches_in(store)) == 1

    def test_disk_that_fills_up_while_writing_is_said_and_nothing_is_left(self, photos, store):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        try:
            with pytest.raises(MachineError, match="cannot be written .*Free some space, or choose another folder by `--cache`"):
                build_cache(photos, TASK, store, CAP)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        assert caches_in(store) == []
        assert len(build_cache(photos, TASK, store, CAP)) == 6

    def test_folder_that_cannot_be_written_is_a_machine_error(self, photos, tmp_path):
        (tmp_path / "file").write_text("not a folder")
        with pytest.raises(MachineError, match="cannot be written .*Mend its permissions, or choose another folder by `--cache`"):
            build_cache(photos, TASK, tmp_path / "file", CAP)

    def test_cache_in_a_folder_that_may_only_be_read_is_used(self, photos, store, monkeypatch):
        build_cache(photos, TASK, store, CAP)

        def refuse(*_args, **_kwargs):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(os, "utime", refuse)
        monkeypatch.setattr(Path, "mkdir", lambda self, **_: None)
        monkeypatch.setattr(shelf.Shelf, "_builder", refuse)
        assert len(build_cache(photos, TASK, store, CAP)) == 6


BUILDER = """
import sys, time
from pathlib import Path
from pixsearch.data import writing
from pixsearch.data.cache import build_cache
from pixsearch.data.index import scan
from pixsearch.tasks.base import make_task
photos = scan([Path(sys.argv[1])]).photos
slow = writing.read_clean
writing.read_clean = lambda photo: (time.sleep(0.1), slow(photo))[1]
print("ready", flush=True)
sys.stdin.readline()
build_cache(photos, make_task("sr", 2, "y"), Path(sys.argv[2]), 10**9, lambda kind, **fields: print(fields.get("action"), flush=True))
"""


def test_what_another_process_is_building_is_left_alone_until_it_is_gone(photos, store):
    part = store / "pairs" / "f00d.part"
    part.mkdir(parents=True)
    with (store / "pairs" / "f00d.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        build_cache(photos[:2], TASK, store, CAP)
        assert part.exists()
    build_cache(photos[2:4], TASK, store, CAP)
    assert not part.exists()


class TestProcesses:
    @pytest.fixture
    def start(self, folder, store):
        begun = []

        def start():
            command = [sys.executable, "-c", BUILDER, str(folder), str(store)]
            begun.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            return begun[-1]

        yield start
        for process in begun:
            process.kill()
            process.communicate()

    def test_one_builds_and_the_others_wait_for_it(self, start, store):
        processes = [start() for _ in range(3)]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        said = [process.communicate(timeout=60)[0].split()[-1] for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0]
        assert sorted(said) == ["built", "reused", "reused"]
        assert len(caches_in(store)) == 1

    def test_killed_builder_leaves_no_cache_and_is_cleared_away(self, start, store, photos):
        process = start()
        process.stdin.write("\n")
        process.stdin.flush()
        while not list((store / "pairs").glob("*.part/pixels.bin")):
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert [name for name in caches_in(store) if not name.endswith(".part")] == []
        build_cache(photos[:2], TASK, store, CAP)  # another key: what was left behind goes too
        assert len(caches_in(store)) == 1
        assert not caches_in(store)[0].endswith(".part")


def mapped_resident_bytes(folder):
    """Resident bytes of this process's mappings of files in `folder`."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = f"{folder}/" in line
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1]) * 1024
    return total


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux's /proc/self/smaps")
def test_resident_pages_are_given_back_as_they_add_up(photos, store, monkeypatch):
    cache = build_cache(photos, TASK, store, CAP)
    monkeypatch.setattr(cache_module, "RESIDENT_BYTES", 150_000)
    assert cache.total_bytes > cache_module.RESIDENT_BYTES
    first = cache.pair(0)
    before = first.truth.copy()
    assert mapped_resident_bytes(store) >= first.truth.nbytes
    for _ in range(5):
        for index in range(len(cache)):
            assert cache.pair(index).truth.sum() > 0
            assert mapped_resident_bytes(store) < 0.8 * cache.total_bytes
    cache.release()
    assert mapped_resident_bytes(store) == 0
    assert np.array_equal(first.truth, before), "views outlive the release"


def test_small_cache_keeps_its_pages(photos, store):
    cache = build_cache(photos, TASK, store, CAP)
    assert cache.pair(0).truth.sum() > 0
    cache.release()
    assert mapped_resident_bytes(store) > 0


def test_cache_outlives_the_photos_and_serves_threads(photos, folder, store):
    cache = build_cache(photos, TASK, store, CAP)
    expected = [truth.sum() for truth in cache.truths]
    shutil.rmtree(folder)
    sums = {}
    threads = [threading.Thread(target=lambda n=n: sums.update({n: cache.pair(n).truth.sum()})) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sums[n] for n in range(6)] == expected
