"""Noise of the strength asked for, by the literature's conventions."""

from __future__ import annotations

import numpy as np
import pytest

from pixsearch.config import validate
from pixsearch.errors import UsageError
from pixsearch.pixels.files import read_picture
from pixsearch.pixels.light import to_linear
from pixsearch.tasks.base import make_task
from pixsearch.tasks.config import TaskConfig


@pytest.fixture(scope="module")
def photo(sample_images):
    return read_picture(sample_images / "coffee.png")[:160, :200]


def noise_of(task, photo, seed=0):
    pair = task.pair(photo, seed)
    return task.encode("input", pair.inputs["input"]) - task.encode_truth(pair.truth)


@pytest.mark.parametrize("color", ["rgb", "y"])
def test_sigma_is_in_levels_of_255_and_noise_is_neither_clipped_nor_rounded(photo, color):
    noise = noise_of(make_task("denoise", 1, color, {"sigma": 25}), np.where(photo > 128, 255, 0).astype(np.uint8))
    assert noise.std() * 255 == pytest.approx(25, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=3e-3)


def test_a_span_gives_each_picture_of_a_batch_its_own_strength(photo):
    task = make_task("denoise", 1, "rgb", {"sigma": "5-50"})
    truth = task.encode_truth(np.stack([photo] * 40))
    strengths = (task.draw(truth, np.random.default_rng(0))["input"] - truth).std(axis=(1, 2, 3)) * 255
    assert 4.5 < strengths.min() < 12
    assert 42 < strengths.max() < 51


def test_a_cameras_noise_depends_on_the_light(photo):
    task = make_task("denoise", 1, "rgb", {"noise": "camera"})
    halves = np.concatenate([np.full((400, 200, 3), 20, np.uint8), np.full((400, 200, 3), 200, np.uint8)], axis=1)
    spreads = [[half.std() for half in np.split(noise_of(task, halves, seed), 2, axis=-1)] for seed in range(8)]
    ratios = [dark / bright for dark, bright in spreads]
    assert min(ratios) > 0.8, "sRGB's curve lifts what is dark"
    assert max(spread for pair in spreads for spread in pair) > 3 * min(spread for pair in spreads for spread in pair)


def test_a_measured_cameras_noise_is_the_same_for_every_picture():
    task = make_task("denoise", 1, "rgb", {"noise": "camera", "shot": 0.0, "read": 4e-4})
    white = np.full((200, 200, 3), 255, np.uint8)
    spreads = [to_linear(task.encode("input", task.pair(white, seed).inputs["input"])).std() for seed in range(3)]
    assert spreads == pytest.approx([0.02] * 3, rel=0.05)


def test_the_level_that_is_told_is_the_noises_own(photo):
    task = make_task("denoise", 1, "rgb", {"sigma": "5-50", "level": True})
    truth = task.encode_truth(np.stack([photo] * 8))
    drawn = task.draw(truth, np.random.default_rng(0))
    told = drawn["level"]
    assert (told == told[:, :, :1, :1]).all()
    assert told[:, 0, 0, 0] == pytest.approx((drawn["input"] - truth).std(axis=(1, 2, 3)), rel=0.03)
    applied = task.inputs_of(photo, 12.5)
    assert task.encode("level", applied["level"]) == pytest.approx(12.5 / 255)
    with pytest.raises(UsageError, match="Give `--sigma`, 5 to 50"):
        task.inputs_of(photo)
    with pytest.raises(UsageError, match="Leave `--sigma` out"):
        make_task("denoise", 1, "rgb").inputs_of(photo, 12.5)


def test_a_cameras_noise_has_no_level():
    with pytest.raises(UsageError, match="it is known of Gaussian noise alone"):
        make_task("denoise", 1, "rgb", {"noise": "camera", "level": True})


def test_identity_scores_what_the_noise_says(photo):
    """20.17 dB before clipping to 8 bits, a little more behind it."""
    task = make_task("denoise", 1, "rgb", {"sigma": 25})
    pair = task.pair(photo)
    assert 20.1 < task.score(task.baseline(pair.inputs), pair.truth).psnr_db < 21.2


def test_grey_levels_are_a_grey_pictures_own():
    task = make_task("denoise", 1, "y")
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    np.testing.assert_allclose(task.encode_truth(grey)[0] * 255, grey[..., 0], atol=1e-4)


def test_on_luma_the_colours_stay(photo):
    task = make_task("denoise", 1, "y")
    darker = task.encode("input", photo) - np.float32(0.1)
    picture = task.decode(darker, {"input": photo})
    inside = (photo > 40).all(axis=-1)
    assert np.abs(photo.astype(int) - picture - 25.5)[inside].max() <= 1


FAULTS = {
    "50-5": "`sigma` is `50-5`: it goes from 50 to 5, but the smaller one comes first",
    "0": "`sigma.0` is `0`",
    "loud": "`sigma.0` is `loud`",
    "300": "less than or equal to 255",
}


@pytest.mark.parametrize(("sigma", "message"), FAULTS.items())
def test_faults_of_sigma_are_told_with_its_name(sigma, message):
    with pytest.raises(UsageError, match=message):
        make_task("denoise", 1, "rgb", {"sigma": sigma})
    with pytest.raises(UsageError, match=message):
        validate(TaskConfig, {"name": "denoise", "sigma": sigma}, "the command")


def test_settings_may_stand_beside_the_name_and_go_into_the_signature():
    config = validate(TaskConfig, {"name": "denoise", "sigma": "15"}, "the command")
    assert (config.scale, config.color) == (1, "rgb")
    assert config.settings == {"noise": "gaussian", "sigma": [15.0, 15.0], "level": False, "shot": None, "read": None}
    assert config.make().signature.settings == config.settings
    assert validate(TaskConfig, config.to_json(), "the record") == config


def test_all_faults_of_a_task_are_told_at_once():
    with pytest.raises(UsageError) as caught:
        validate(TaskConfig, {"name": "denoise", "sigma": "x", "noise": "pink"}, "the command")
    assert str(caught.value).startswith("the command has 3 faults:\n  `noise` is `pink`")
    assert "`sigma.0` is `x`" in str(caught.value)


def test_a_setting_of_another_task_is_a_fault():
    with pytest.raises(UsageError, match="`sigma` is not a setting"):
        validate(TaskConfig, {"name": "sr", "sigma": "15"}, "the command")
