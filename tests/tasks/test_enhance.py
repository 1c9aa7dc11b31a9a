"""Degradations within their spans, the same for the same photo for good."""

from __future__ import annotations

import numpy as np
import pytest

from pixsearch.pixels.files import read_picture
from pixsearch.tasks.base import make_task
from pixsearch.tasks.enhance import BLUR, LIST, NOISE, QUALITY, Degradation

FIRST = [1.621434, 1.741098, 1.999085, 0.01406, 82]


@pytest.fixture(scope="module")
def photo(sample_images):
    return read_picture(sample_images / "coffee.png")[:160, :200]


def test_the_list_covers_its_spans_and_never_changes():
    assert len(LIST) == 96
    first = LIST[0]
    assert [round(value, 6) for value in (*first.sigmas, first.angle, first.noise)] == FIRST[:4]
    assert first.quality == FIRST[4]
    for values, (low, high) in (
        ([sigma for entry in LIST for sigma in entry.sigmas], BLUR),
        ([entry.noise for entry in LIST], NOISE),
        ([entry.quality for entry in LIST], QUALITY),
    ):
        span = high - low
        assert low <= min(values) < low + 0.1 * span
        assert high - 0.1 * span < max(values) <= high


def test_the_kernel_is_an_anisotropic_gaussian():
    kernel = Degradation((2.0, 0.6), 0.0, 0, 90).kernel()
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    places = np.arange(13) - 6
    assert np.sqrt((kernel.sum(0) * places**2).sum()) == pytest.approx(2.0, rel=0.05)
    assert np.sqrt((kernel.sum(1) * places**2).sum()) == pytest.approx(0.6, rel=0.05)
    turned = Degradation((2.0, 0.6), np.pi / 2, 0, 90).kernel()
    np.testing.assert_allclose(turned, kernel.T, atol=1e-6)


def test_each_step_damages(photo):
    rng = np.random.default_rng(0)
    mild = Degradation((0.6, 0.6), 0, 0, 95).applied(photo, rng)
    for worse in (Degradation((2.0, 2.0), 0, 0, 95), Degradation((0.6, 0.6), 0, 5, 95), Degradation((0.6, 0.6), 0, 0, 40)):
        damaged = worse.applied(photo, rng)
        assert np.square(damaged.astype(float) - photo).mean() > np.square(mild.astype(float) - photo).mean()


def test_the_same_photo_has_the_same_degradation_wherever_it_stands(photo):
    task = make_task("enhance", 1, "rgb")
    assert np.array_equal(task.pair(photo, 3).inputs["input"], task.pair(photo.copy(), 3).inputs["input"])
    other = task.pair(photo[:, ::-1], 3).inputs["input"][:, ::-1]
    assert not np.array_equal(task.pair(photo, 3).inputs["input"], other)


def test_colours_keep_their_order(photo):
    """JPEG is written and read as blue, green, red."""
    damaged = make_task("enhance", 1, "rgb").pair(photo).inputs["input"]
    assert np.abs(damaged.mean((0, 1)) - photo.mean((0, 1))).max() < 3


def test_unsharp_gains_on_a_soft_photo(photo):
    task = make_task("enhance", 1, "rgb")
    (method,) = task.other_baselines.values()
    soft = Degradation((1.6, 1.6), 0, 0, 95).applied(photo, np.random.default_rng(0))
    truth = task.encode_truth(photo)
    assert np.square(method({"input": soft}) - truth).mean() < np.square(task.baseline({"input": soft}) - truth).mean()


def test_sharpness_is_a_share_of_the_truths(photo):
    task = make_task("enhance", 1, "rgb")
    blurred = Degradation((1.5, 1.5), 0.0, 0.0, 95).applied(photo, np.random.default_rng(0))
    assert task.score(task.encode_truth(photo), photo).sharpness == pytest.approx(1)
    assert task.score(task.encode_truth(blurred), photo).sharpness < 0.6
    flat = np.full_like(photo, 90)
    assert task.score(task.encode_truth(flat), flat).sharpness is None
