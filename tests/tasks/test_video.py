"""Clips: the order of a window, made motion, one strength of noise a clip, and flicker."""

from __future__ import annotations

import numpy as np
import pytest

from pixsearch.errors import UsageError
from pixsearch.pixels.files import read_picture
from pixsearch.pixels.motion import Drift, Motion, draw_motion
from pixsearch.tasks.base import Pair, make_task
from pixsearch.tasks.video import Flicker


@pytest.fixture(scope="module")
def photo(sample_images):
    return read_picture(sample_images / "chelsea.png")[40:168, 60:204]


def test_a_smaller_window_is_the_beginning_of_a_larger_one(photo):
    wide, narrow = (make_task("video-sr", 2, "y", {"window": window}) for window in (5, 3))
    pair = wide.pair(photo)
    assert np.array_equal(narrow.encode("frames", pair.inputs["frames"]), wide.encode("frames", pair.inputs["frames"])[:3])
    assert narrow.convention == wide.convention


def test_a_window_of_one_frame_is_the_task_of_pictures(photo):
    video, still = make_task("video-sr", 2, "y", {"window": 1}), make_task("sr", 2, "y")
    pair, alone = video.pair(photo), still.pair(photo)
    assert np.array_equal(pair.inputs["frames"], alone.inputs["input"])
    assert np.array_equal(video.encode("frames", pair.inputs["frames"]), still.encode("input", alone.inputs["input"]))
    assert video.score(video.baseline(pair.inputs), pair.truth) == still.score(still.baseline(alone.inputs), alone.truth)


@pytest.mark.parametrize("settings", [{"window": 2}, {"window": 5, "length": 3}, {"length": 4}])
def test_settings_that_cannot_be(settings):
    with pytest.raises(UsageError):
        make_task("video-sr", 2, "y", settings)


def test_the_level_of_noise_is_not_told():
    with pytest.raises(UsageError, match="level"):
        make_task("video-denoise", 1, "rgb", {"level": True})


def test_all_frames_of_a_sequence_have_one_strength_of_noise(photo):
    task = make_task("video-denoise", 1, "rgb", {"sigma": "5-50", "window": 3})
    still = task.encode_truth(np.stack([photo] * 6))
    batch = task.batch(np.concatenate([still] * 3, axis=1), np.random.default_rng(0))
    sigma = (batch.inputs["frames"] - batch.truth).reshape(6, 3, -1).std(-1) * 255
    assert (sigma.max(1) / sigma.min(1)).max() < 1.05
    assert sigma.max() > 1.3 * sigma.min()
    seen = [task.seen(photo, 4, time) - photo for time in range(3)]
    assert np.ptp([noise.std() for noise in seen]) < 1
    assert not np.array_equal(seen[0], seen[1])


class TestMotion:
    def test_a_pan_by_whole_pixels_moves_pixels(self, photo):
        planes = np.moveaxis(photo, -1, 0).astype(np.float32)
        moved = Motion(Drift(right=2, down=-1)).frame(planes, 1)
        assert np.abs(moved[:, 8:-8, 8:-8] - planes[:, 9:-7, 6:-10]).max() < 0.02

    def test_half_a_pixel_lies_between_its_neighbours(self):
        ramp = np.tile(np.arange(32, dtype=np.float32), (1, 32, 1))
        moved = Motion(Drift(right=0.5)).frame(ramp, 1)
        assert np.abs(moved[0, 8:-8, 8:-8] - (ramp[0, 8:-8, 8:-8] - 0.5)).max() < 0.02

    def test_two_layers_move_apart(self, photo):
        planes = np.moveaxis(photo, -1, 0).astype(np.float32)
        moved = Motion(Drift(), Drift(right=3), (0.5, 0.5, 0.2, 0.2)).frame(planes, 1)
        middle, corner = np.s_[:, 62:66, 70:74], np.s_[:, 4:20, 4:20]
        assert np.abs(moved[middle] - planes[:, 62:66, 67:71]).max() < 0.02
        assert np.abs(moved[corner] - planes[corner]).max() < 0.02

    @pytest.mark.parametrize("seed", range(20))
    def test_the_picture_itself_stands_at_time_zero_and_others_are_near(self, photo, seed):
        planes = np.moveaxis(photo, -1, 0).astype(np.float32) / 255
        motion = draw_motion(np.random.default_rng(seed))
        assert motion.frame(planes, 0) is planes
        there = motion.frame(planes, 1)
        assert there.shape == planes.shape
        assert there.dtype == np.float32
        assert np.abs(there - planes).mean() < 0.15


class TestFlicker:
    def test_the_truth_has_none_and_a_wrong_change_is_its_size(self, photo):
        task = make_task("video-denoise", 1, "rgb")
        first, second = photo[:-1], photo[1:]
        planes = [task.encode_truth(frame) for frame in (first, second)]
        assert task.flicker((planes[0], planes[1]), (first, second)) == pytest.approx(0, abs=1e-4)
        calm = np.full_like(first, 100)
        brighter = task.encode_truth(calm) + np.float32(3 / 255)
        assert task.flicker((task.encode_truth(calm), brighter), (calm, calm)) == pytest.approx(3)

    def test_a_constant_error_does_not_flicker(self, photo):
        task = make_task("video-denoise", 1, "rgb")
        dark = np.clip(photo, 0, 200)
        off = task.encode_truth(dark) + np.float32(10 / 255)
        assert task.flicker((off, off), (dark, dark)) == pytest.approx(0, abs=1e-4)

    def test_a_new_clip_begins_anew(self, photo):
        task = make_task("video-sr", 2, "y")
        flicker, planes = Flicker(task), task.encode_truth(photo)
        told = [flicker.of(Pair({}, photo, follows), planes) for follows in (False, True, False, True)]
        assert [value is None for value in told] == [True, False, True, False]
