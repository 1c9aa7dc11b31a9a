"""From folders to both sides of a split: nothing leaks across, and everything left out is said."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from pixsearch.config import validate
from pixsearch.data.config import DataConfig, default_cache_folder
from pixsearch.data.examine import examine
from pixsearch.data.index import scan
from pixsearch.data.open import open_data, open_pictures
from pixsearch.data.patches import Patches
from pixsearch.errors import DataError, UsageError
from pixsearch.pixels.resize import rescale
from pixsearch.tasks.base import make_task

TASK = make_task("sr", 2, "y")


def config(store, **more):
    return DataConfig(cache=store, **more)


def test_groups_are_held_out_when_nothing_is_given_to_select_by(folder, store, notes):
    data = open_data(config(store, photos=(folder,), holdout=0.34), TASK, notes)
    assert (len(data.train), len(data.val)) == (4, 2)
    assert {*data.train.names}.isdisjoint(data.val.names)
    assert len(data.index) == 6
    train, val = notes.of("photos")
    assert train == {
        "kind": "photos",
        "role": "train",
        "used": 4,
        "pixels": 4 * 200 * 160,
        "rejected": [],
        "groups": 4,
        "duplicates": 0,
        "reduced": {},
        "contents": train["contents"],
        "held_out": 2,
        "left_out_as_duplicates_of_val": [],
    }
    assert (val["role"], val["used"]) == ("val", 2)
    assert {"kind": "photos", **data.summary} == train
    assert {"kind": "photos", **data.val_summary} == val


def test_contents_follow_the_pixels_and_not_the_paths(folder, store, notes, clips, write):
    def seen(**more):
        notes.clear()
        open_pictures([folder], TASK, config(store, **more), notes)
        return notes.of("photos")[0]["contents"]

    before = seen()
    (folder / "a.png").rename(folder / "trip" / "z.png")
    assert seen() == before
    assert seen(reduce="2") != before
    write(folder / "b.png", clips[1][:, ::-1])
    assert seen() != before


def test_near_duplicates_stand_on_one_side(folder, store, clips, write):
    for number, clip in enumerate(clips[:6]):
        write(folder / "resaved" / f"{number}.jpg", clip, quality=60)
        write(folder / "burst" / f"{number}.png", clip[1:, 1:])
    data = open_data(config(store, photos=(folder,), holdout=0.5), TASK)
    train, val = ({photo.group for photo in side.photos} for side in (data.train, data.val))
    assert (len(train), len(val)) == (3, 3)
    assert train.isdisjoint(val)
    assert len(data.train) == len(data.val) == 9


def test_photos_that_resemble_one_to_select_by_are_left_out_and_said(folder, tmp_path, store, notes, clips, write):
    write(tmp_path / "val" / "resaved.jpg", clips[0], quality=50)
    write(tmp_path / "val" / "half.png", rescale(clips[2], 0.5))
    data = open_data(config(store, photos=(folder, tmp_path / "val"), val=(tmp_path / "val",)), TASK, notes)
    assert sorted(data.train.names) == ["b", "d", "e", "f"]
    left_out = notes.of("photos")[0]["left_out_as_duplicates_of_val"]
    assert left_out == [
        str(path) for path in (folder / "a.png", folder / "trip/c.png", tmp_path / "val/half.png", tmp_path / "val/resaved.jpg")
    ]
    named = {item.path.name: item.reason for item in data.index.rejected}
    assert named["a.png"] == "is a photo to select by, or a near-duplicate of one."
    assert notes.of("photos")[0]["held_out"] == 0


def test_the_same_photos_on_both_sides_leave_nothing(folder, store):
    with pytest.raises(DataError, match="All 6 photos to train on are the photos to select by"):
        open_data(config(store, photos=(folder,), val=(folder,)), TASK)


def test_rejected_files_are_in_the_record_of_their_side(folder, tmp_path, store, notes, clips, write):
    (folder / "x.txt").write_text("x")
    write(tmp_path / "val" / "v.png", clips[8])
    (tmp_path / "val" / "y.jpg").write_text("")
    data = open_data(config(store, photos=(folder,), val=(tmp_path / "val",)), TASK, notes)
    train, val = notes.of("photos")
    assert [item["path"] for item in train["rejected"]] == [str(folder / "x.txt")]
    assert [item["path"] for item in val["rejected"]] == [str(tmp_path / "val" / "y.jpg")]
    assert [item.path.name for item in data.index.rejected] == ["x.txt", "y.jpg"]
    assert all(item["reason"] for item in train["rejected"] + val["rejected"])


def test_batches_do_not_depend_on_where_the_photos_lie(folder, tmp_path, store):
    drawn = []
    for number, place in enumerate((folder, tmp_path / "moved")):
        if number:
            place.mkdir()
            for name, path in enumerate(sorted(folder.rglob("*.*"), reverse=True)):
                shutil.copy(path, place / f"{name}{path.suffix}")
        data = open_data(config(store / str(number), photos=(place,)), TASK)
        drawn.append(Patches(data.train, TASK, batch=16, patch=16, seed=0).draw(0).truth)
    assert np.array_equal(*drawn)


def test_own_pairs_are_split_too(tmp_path, store, clips, write):
    for number, clip in enumerate(clips[:4]):
        write(tmp_path / "in" / f"{number}.png", rescale(clip, 0.5) // 2)
        write(tmp_path / "out" / f"{number}.png", clip)
    pairs = (tmp_path / "in", tmp_path / "out")
    data = open_data(config(store, pairs=pairs), TASK)
    assert (len(data.train), len(data.val)) == (3, 1)
    assert np.array_equal(data.val.pair(0).inputs["input"], rescale(clips[int(data.val.names[0])], 0.5) // 2)
    with pytest.raises(DataError, match="All 4 photos"):
        open_data(config(store, pairs=pairs, val_pairs=pairs), TASK)


def test_no_usable_photo_lists_the_reasons(tmp_path, store):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    for opened in (
        lambda: open_data(config(store, photos=(tmp_path / "p",)), TASK),
        lambda: open_pictures([tmp_path / "p"], TASK, config(store)),
    ):
        with pytest.raises(DataError, match=r"None of 1 files is a usable photo:\n  `.*a\.heic` is HEIC"):
            opened()


def test_no_source_is_a_usage_error(store):
    with pytest.raises(UsageError, match="No photos were named"):
        open_data(config(store), TASK)


def test_pictures_to_report_on_keep_the_order_of_their_paths(folder, store, notes):
    cache = open_pictures([folder / "trip", folder / "b.png"], TASK, config(store), notes)
    assert cache.names == ["b", "c", "d"]
    assert notes.of("photos")[0]["role"] == "report"
    assert notes.of("photos")[0]["used"] == 3


def test_default_cache_is_the_environments(monkeypatch, tmp_path, folder):
    monkeypatch.setenv("PIXSEARCH_CACHE", str(tmp_path / "own"))
    open_pictures([folder], TASK, DataConfig())
    assert (tmp_path / "own" / "pairs").is_dir()
    monkeypatch.delenv("PIXSEARCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "pixsearch"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache_folder() == tmp_path / "home" / ".cache" / "pixsearch"


def test_nothing_is_written_to_the_photos_folder(folder, store):
    before = {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}
    open_data(config(store, photos=(folder,)), TASK)
    assert {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]} == before


FAULTS = [
    ({"photos": ["p"], "pairs": ["a", "b"]}, "`photos` and `pairs` are both given"),
    ({"val": ["p"], "val_pairs": ["a", "b"]}, "`val` and `val_pairs` are both given"),
    ({"pairs": ["a", "b"], "val": ["p"]}, "degraded unlike your `pairs`"),
    ({"pairs": ["a", "b"], "reduce": "2"}, "leave `reduce` out"),
    ({"cache_cap_bytes": "20 parsecs"}, "`20 parsecs` is not a size"),
    ({"holdout": 1.5}, "`holdout` is `1.5`"),
    ({"reduce": "3"}, "`reduce` is `3`"),
    ({"photo": ["p"]}, "Did you mean `photos`"),
]


@pytest.mark.parametrize(("given", "words"), FAULTS)
def test_settings_that_contradict_each_other_are_refused(given, words):
    with pytest.raises(UsageError, match=words):
        validate(DataConfig, given, "data")


def test_cap_is_read_as_people_write_it():
    assert DataConfig(cache_cap_bytes="20GB").cache_cap_bytes == 20_000_000_000
    assert validate(DataConfig, DataConfig(cache_cap_bytes="1GiB").to_json(), "data").cache_cap_bytes == 2**30


class TestExamine:
    def test_report_says_what_would_be_used_and_what_not(self, folder, clips, write):
        (folder / "x.txt").write_text("x")
        write(folder / "resaved.jpg", clips[0], quality=50)
        write(folder / "tall.png", np.tile(clips[9], (2, 1, 1)))
        report = examine([folder])
        assert report["files"] == 9
        assert report["used"] == 8
        assert report["groups"] == 7
        assert report["near_duplicates"] == [[str(folder / "a.png"), str(folder / "resaved.jpg")]]
        assert [item["path"] for item in report["rejected"]] == [str(folder / "x.txt")]
        assert report["formats"] == {"PNG": 4, "JPEG": 2, "BMP": 1, "WebP": 1}
        assert report["largest"] == {"path": str(folder / "tall.png"), "width": 200, "height": 320}
        assert report["pixels"] == 9 * 200 * 160
        assert report["cache_bytes"] == report["pixels"] * 15 // 4

    def test_reductions_are_listed_with_their_reasons(self, folder):
        report = examine([folder], reduce="2")
        assert report["reduced"] == {"2": 6}
        assert report["reductions"][0] == {"path": str(folder / "a.png"), "reduce": 2, "reason": "asked for"}
        assert report["smallest"]["width"] == 100

    def test_size_of_the_cache_is_what_is_written(self, folder, store):
        for scale in (2, 3):
            task = make_task("sr", scale, "y")
            assert open_pictures([folder], task, config(store)).total_bytes == examine([folder], task=task)["cache_bytes"]

    def test_folder_without_photos_is_a_report_too(self, tmp_path):
        (tmp_path / "x.txt").write_text("x")
        report = examine([tmp_path])
        assert (report["used"], report["files"], report["smallest"]) == (0, 1, None)
        assert len(report["rejected"]) == 1


def test_sample_images_are_fourteen_different_photos(sample_images):
    found = scan([sample_images])
    assert len(found) == len(found.groups) == 14
    assert "ATTRIBUTION.md" in [item.path.name for item in found.rejected]
