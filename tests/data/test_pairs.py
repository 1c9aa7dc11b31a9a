"""The user's own pairs: matched by name, checked by size and by sight, every fault named."""

from __future__ import annotations

import numpy as np
import pytest

from pixsearch.data.cache import build_cache
from pixsearch.data.pairs import find_pairs
from pixsearch.errors import DataError, UsageError
from pixsearch.pixels.files import read_picture
from pixsearch.pixels.resize import rescale
from pixsearch.signature import Port, Signature
from pixsearch.tasks.base import make_task
from pixsearch.tasks.sr import SuperResolution

TASK = make_task("sr", 2, "y")


def damaged(clip, scale=2):
    """What a user's own camera might give: small, soft and noisy."""
    small = rescale(clip, 1 / scale).astype(np.int16)
    return np.clip(small + np.random.default_rng(0).integers(-20, 20, small.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def folders(tmp_path, clips, write):
    for name, clip in zip(["a", "b", "sub/c", "d"], clips, strict=False):
        write(tmp_path / "in" / f"{name}.jpg", damaged(clip))
        write(tmp_path / "out" / f"{name}.png", clip)
    return tmp_path / "in", tmp_path / "out"


def reasons(found):
    return {item.path.parent.name + "/" + item.path.name: item.reason for item in found.rejected}


def test_pairs_are_matched_by_name_whatever_the_suffix(folders):
    found = find_pairs(folders, TASK)
    assert [photo.path.name for photo in found] == ["a.png", "b.png", "d.png", "c.png"]
    assert [photo.input.path.name for photo in found] == ["a.jpg", "b.jpg", "d.jpg", "c.jpg"]
    assert found.rejected == ()
    assert len(found.groups) == 4


def test_the_scale_may_end_a_name(folders):
    for path, ending in zip(sorted(folders[0].rglob("*.jpg")), ("x2", "_x2", "-x2", ""), strict=True):
        path.rename(path.with_stem(path.stem + ending))
    assert len(find_pairs(folders, TASK)) == 4
    (folders[0] / "ax2.jpg").rename(folders[0] / "ax4.jpg")
    assert len(find_pairs(folders, TASK)) == 3


def test_cache_holds_the_users_own_pixels(folders, store, clips):
    cache = build_cache(find_pairs(folders, TASK), TASK, store, 10**9)
    pair = cache.pair(0)
    assert np.array_equal(pair.truth, clips[0])
    assert np.array_equal(pair.inputs["input"], read_picture(folders[0] / "a.jpg"))
    assert not np.array_equal(pair.inputs["input"], TASK.degrade(clips[0]).inputs["input"])


def test_changed_input_is_noticed(folders, store, clips, write):
    found = find_pairs(folders, TASK)
    write(folders[0] / "b.jpg", damaged(clips[8]))
    with pytest.raises(DataError, match=r"in/b\.jpg` has changed"):
        build_cache(found, TASK, store, 10**9)


def test_files_without_a_partner_are_named_on_both_sides(folders, clips, write):
    (folders[0] / "a.jpg").unlink()
    write(folders[0] / "extra.jpg", damaged(clips[9]))
    found = find_pairs(folders, TASK)
    assert len(found) == 3
    given = reasons(found)
    assert set(given) == {"out/a.png", "in/extra.jpg"}
    assert given["out/a.png"] == f"has no input called `a` in `{folders[0]}`."
    assert given["in/extra.jpg"] == f"has no truth called `extra` in `{folders[1]}`."


def test_misnamed_pair_is_recognised_by_sight(folders):
    (folders[0] / "a.jpg").rename(folders[0] / "IMG_1234.jpg")
    given = reasons(find_pairs(folders, TASK))
    assert given["in/IMG_1234.jpg"].endswith(" `a.png` shows the same picture: give both one name.")
    assert given["out/a.png"].endswith(" `IMG_1234.jpg` shows the same picture: give both one name.")


def test_swapped_pairs_are_named(folders):
    one, two, aside = folders[0] / "a.jpg", folders[0] / "b.jpg", folders[0] / "z"
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    found = find_pairs(folders, TASK)
    assert len(found) == 2
    assert all("does not show what its input" in reason for reason in reasons(found).values())
    assert set(reasons(found)) == {"out/a.png", "out/b.png"}


def test_sizes_are_checked_against_the_scale(folders, clips, write):
    write(folders[0] / "a.jpg", clips[0])
    given = reasons(find_pairs(folders, TASK))
    assert given == {
        "out/a.png": "has an input `a.jpg` of 200×160, but 100×80 is its 200×160 divided by the scale 2. "
        "Give inputs of that size, or another `--scale`."
    }


def test_truth_may_have_less_than_scale_pixels_more(folders, store, clips, write):
    write(folders[1] / "a.png", clips[0][:159, :199])
    write(folders[0] / "a.png", damaged(clips[0][:158, :198]))
    (folders[0] / "a.jpg").unlink()
    found = find_pairs(folders, TASK)
    assert found.rejected == ()
    assert build_cache(found, TASK, store, 10**9).sizes[0] == (158, 198)


def test_two_files_of_one_name_are_named(folders, clips, write):
    write(folders[0] / "b.png", damaged(clips[1]))
    found = find_pairs(folders, TASK)
    assert len(found) == 4
    assert reasons(found) == {"in/b.png": "has the same name as `b.jpg`. Rename or remove one."}


def test_damaged_files_and_copies_are_named(folders):
    (folders[1] / "a.png").write_bytes(b"")
    for folder, suffix in zip(folders, ("jpg", "png"), strict=True):
        (folder / f"e.{suffix}").write_bytes((folder / f"b.{suffix}").read_bytes())
    found = find_pairs(folders, TASK)
    given = reasons(found)
    assert "is empty" in given["out/a.png"]
    assert "has no truth called `a`" in given["in/a.jpg"]
    assert given["out/e.png"] == f"is a copy of `{folders[1] / 'b.png'}`, which is used."
    assert len(found) == 3


def test_task_of_several_inputs_takes_no_pairs(folders):
    class Two(SuperResolution):
        @property
        def signature(self):
            return Signature("two", 2, "y", (Port("input", 1), Port("noise", 1)), Port("output", 1))

    with pytest.raises(UsageError, match="takes several inputs"):
        find_pairs(folders, Two(2, "y"))
