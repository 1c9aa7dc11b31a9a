"""A batch is a function of seed and step; input and truth are the same place, turned alike."""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest

from pixsearch.data.cache import build_cache
from pixsearch.data.index import scan
from pixsearch.data.pairs import find_pairs
from pixsearch.data.patches import Patches, turned
from pixsearch.errors import DataError
from pixsearch.tasks.base import Pair, make_task
from pixsearch.tasks.sr import SuperResolution

TASK = make_task("sr", 2, "rgb")


@pytest.fixture
def cache(folder, store):
    return build_cache(scan([folder]), TASK, store, 10**9)


@pytest.fixture
def patches(cache):
    return Patches(cache, TASK, batch=8, patch=24, seed=5)


def same(one, two):
    return all(np.array_equal(one.inputs[name], two.inputs[name]) for name in one.inputs) and np.array_equal(one.truth, two.truth)


def test_batch_has_the_signatures_planes(cache):
    for color, channels in (("y", 1), ("rgb", 3)):
        batch = Patches(cache, make_task("sr", 2, color), batch=5, patch=17, seed=0).draw(0)
        assert batch.inputs["input"].shape == (5, channels, 17, 17)
        assert batch.truth.shape == (5, channels, 34, 34)
        assert batch.truth.dtype == batch.inputs["input"].dtype == np.float32
        assert batch.truth.flags.c_contiguous


def test_the_same_step_draws_the_same_batch_whatever_was_drawn_before(cache, patches):
    first = [patches.draw(step) for step in range(4)]
    other = Patches(cache, TASK, batch=8, patch=24, seed=5)
    assert all(same(other.draw(step), first[step]) for step in (3, 0, 2, 1))


def test_steps_and_seeds_differ(cache, patches):
    assert not same(patches.draw(0), patches.draw(1))
    assert not same(patches.draw(0), Patches(cache, TASK, batch=8, patch=24, seed=6).draw(0))


def test_sizes_can_be_chosen_for_a_step(patches):
    batch = patches.draw(7, batch=3, patch=40)
    assert batch.truth.shape == (3, 3, 80, 80)
    assert same(batch, patches.draw(7, batch=3, patch=40))


def test_batches_are_the_callers_own(patches):
    first = patches.draw(0)
    first.truth[:] = 0
    assert patches.draw(0).truth.max() > 0


@pytest.fixture
def blocks(tmp_path, store, clips, write):
    """Pairs whose truth repeats each input pixel twice each way, so that a patch shows where and how it was cut."""
    for number, clip in enumerate(clips[:3]):
        write(tmp_path / "in" / f"{number}.png", clip)
        write(tmp_path / "out" / f"{number}.png", clip.repeat(2, axis=0).repeat(2, axis=1))
    found = find_pairs((tmp_path / "in", tmp_path / "out"), TASK)
    return build_cache(found, TASK, store, 10**9)


def test_input_and_truth_are_the_same_place_turned_alike(blocks):
    patches = Patches(blocks, TASK, batch=32, patch=9, seed=1)
    for step in range(20):
        batch = patches.draw(step)
        assert np.array_equal(batch.truth[:, :, ::2, ::2], batch.inputs["input"])
        assert np.array_equal(batch.truth[:, :, 1::2, 1::2], batch.inputs["input"])


def test_every_patch_is_cut_from_a_picture_and_every_turn_occurs(blocks):
    side, seen = 9, set()
    windows = {}
    for picture in blocks.inputs["input"]:
        for top, left in itertools.product(range(picture.shape[0] - side + 1), range(picture.shape[1] - side + 1)):
            windows[picture[top : top + side, left : left + side].tobytes()] = True
    undo = [np.asarray, np.fliplr, np.flipud, lambda p: p[::-1, ::-1], lambda p: p.swapaxes(0, 1)]
    undo += [lambda p: np.rot90(p, 1), lambda p: np.rot90(p, -1), lambda p: p[::-1, ::-1].swapaxes(0, 1)]
    for patch in Patches(blocks, TASK, batch=200, patch=side, seed=2).draw(0).inputs["input"]:
        levels = np.round(np.moveaxis(patch, 0, -1) * 255).astype(np.uint8)
        turns = [turn for turn, back in enumerate(undo) if np.ascontiguousarray(back(levels)).tobytes() in windows]
        assert turns, "a patch must be a window of a picture, turned"
        seen.update(turns[:1])
    assert seen == set(range(8))


def test_the_turns_are_the_eight_of_the_square():
    source = np.arange(2 * 5 * 5, dtype=np.float32).reshape(2, 5, 5)
    results = turned(np.repeat(source[None], 8, axis=0), np.arange(8))
    transposed = source.swapaxes(-1, -2)
    expected = {np.rot90(planes, k, (-2, -1)).tobytes() for planes in (source, transposed) for k in range(4)}
    assert {planes.tobytes() for planes in results} == expected
    assert len(expected) == 8


def test_pictures_are_chosen_by_area_and_places_evenly(tmp_path, store, write):
    rng = np.random.default_rng(0)
    small, large = (rng.integers(0, 120, (80, 100, 3), dtype=np.uint8), rng.integers(130, 256, (160, 200, 3), dtype=np.uint8))
    write(tmp_path / "p" / "small.png", small)
    write(tmp_path / "p" / "large.png", large)
    cache = build_cache(scan([tmp_path / "p"]), TASK, store, 10**9)
    draws = [Patches(cache, TASK, batch=64, patch=8, seed=3).draw(step).truth.mean(axis=(1, 2, 3)) for step in range(40)]
    share = np.mean(np.concatenate(draws) > 0.5)
    assert 0.77 < share < 0.83  # 4 to 1 by area; four standard deviations of 2560 draws


def test_a_patch_as_large_as_the_picture_fits_and_corners_are_reached(tmp_path, store, write):
    ramp = np.arange(80, dtype=np.uint8)[:, None, None] + np.arange(80, dtype=np.uint8)[None, :, None]
    write(tmp_path / "p" / "ramp.png", np.repeat(ramp, 3, axis=2))
    cache = build_cache(scan([tmp_path / "p"]), TASK, store, 10**9)
    whole = Patches(cache, TASK, batch=4, patch=40, seed=0).draw(0).truth * 255
    assert {(float(p.min()), float(p.max())) for p in whole} == {(0.0, 158.0)}
    near = Patches(cache, TASK, batch=64, patch=38, seed=0).draw(0).truth * 255
    assert near.min() == 0
    assert near.max() == 158


def test_small_pictures_are_left_out_and_said_once(tmp_path, store, notes, clips, write):
    write(tmp_path / "p" / "small.png", clips[0][:70, :70])
    write(tmp_path / "p" / "large.png", np.full((200, 200, 3), 255, np.uint8))
    cache = build_cache(scan([tmp_path / "p"]), TASK, store, 10**9)
    patches = Patches(cache, TASK, batch=16, patch=32, seed=0, note=notes)
    assert notes == []
    assert patches.draw(0, patch=48).truth.min() == pytest.approx(1)
    patches.draw(1, patch=48)
    (said,) = notes.of("warning")
    assert said["text"] == "1 of 2 pictures are smaller than a patch of 48×48 and left out: small"


def test_patch_that_fits_nowhere_names_both_sizes(cache):
    with pytest.raises(DataError, match=r"No picture holds a patch of 90×90: the largest input is 100×80\. Lower `--patch` to 80"):
        Patches(cache, TASK, batch=4, patch=90, seed=0)


class Noisy(SuperResolution):
    """Draws its inputs, and wants to see 6 pixels around a patch."""

    draws = True
    margin = 6

    def degrade(self, clean):
        return Pair({}, self.fit(clean))

    def draw(self, truth, rng):
        self.seen = truth.shape
        return {"input": truth[..., ::2, ::2] + rng.normal(size=truth[..., ::2, ::2].shape).astype(np.float32)}


@pytest.fixture
def noisy(folder, store):
    task = Noisy(2, "rgb")
    task.name = "noisy"
    return Patches(build_cache(scan([folder]), task, store, 10**9), task, batch=4, patch=16, seed=0)


def test_inputs_that_are_drawn_depend_on_the_step_alone(noisy):
    assert same(noisy.draw(3), noisy.draw(3))
    noise = [batch.inputs["input"] - batch.truth[..., ::2, ::2] for batch in map(noisy.draw, (3, 4))]
    assert noise[0].std() == pytest.approx(1, abs=0.1)
    assert not np.allclose(noise[0], noise[1])


def test_what_is_drawn_sees_a_margin_that_is_cut_off(noisy):
    batch = noisy.draw(0)
    assert noisy.task.seen == (4, 3, 32 + 12, 32 + 12)
    assert batch.truth.shape == (4, 3, 32, 32)
    assert batch.inputs["input"].shape == (4, 3, 16, 16)
    assert batch.truth.flags.c_contiguous


def test_a_patch_must_fit_with_its_margin(noisy):
    with pytest.raises(DataError, match=r"Lower `--patch` to 74 or"):
        noisy.draw(0, patch=75)


def test_what_is_cached_of_a_task_that_draws_is_the_truth_alone(noisy):
    cache = noisy.cache
    assert cache.inputs == {}
    assert cache.total_bytes == sum(3 * height * width for height, width in cache.sizes)
    assert np.array_equal(cache.pair(1).inputs["input"], cache.pair(1).inputs["input"])
    assert not np.array_equal(cache.pair(0).inputs["input"][:50, :50], cache.pair(1).inputs["input"][:50, :50])


def test_what_is_drawn_for_a_photo_is_the_same_wherever_it_stands(noisy, folder, store):
    photos = scan([folder]).photos
    again = build_cache(photos[::-1], noisy.task, store, 10**9)
    assert np.array_equal(again.pair(0).inputs["input"], noisy.cache.pair(len(photos) - 1).inputs["input"])


def test_photos_may_go_while_batches_are_drawn(folder, cache, patches):
    before = patches.draw(11)
    shutil.rmtree(folder)
    assert same(patches.draw(11), before)
