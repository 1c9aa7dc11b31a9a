from __future__ import annotations

import numpy as np
import pytest

from pixsearch.bench import accuracy as a
from pixsearch.bench.accuracy import Accuracy, difference, model_method, score
from pixsearch.infer import tiles
from pixsearch.infer.session import OnnxModel
from pixsearch.pixels.files import read_picture
from pixsearch.tasks.base import Scores, make_task


def scored(*psnrs):
    return Accuracy({f"p{n}": Scores(value, 0.9) for n, value in enumerate(psnrs)})


@pytest.fixture
def pairs(sample_images):
    task = make_task("sr", 2, "y")
    return {name: task.degrade(read_picture(sample_images / f"{name}.png")[100:221, 100:251]) for name in ("chelsea", "coffee")}


def test_means_are_over_pictures_and_survive_json():
    accuracy = scored(30.0, 40.0)
    assert accuracy.psnr_db == 35.0
    assert Accuracy.from_json(accuracy.to_json()) == accuracy


def test_baseline_scores_are_the_task_s(pairs):
    task = make_task("sr", 2, "y")
    accuracy = score(lambda pair: task.baseline(pair.inputs), task, pairs)
    assert accuracy.pictures["coffee"] == task.score(task.baseline(pairs["coffee"].inputs), pairs["coffee"].truth)
    assert list(accuracy.pictures) == ["chelsea", "coffee"]


def test_a_model_is_run_on_the_whole_picture(pairs, model):
    task = make_task("sr", 2, "y")
    opened = OnnxModel.open(model)
    outputs = {}
    accuracy = score(model_method(opened, task), task, pairs, lambda name, pair, output: outputs.update({name: output}))
    wanted = opened.run({"input": task.encode("input", pairs["coffee"].inputs["input"])})
    np.testing.assert_array_equal(outputs["coffee"], wanted)
    assert accuracy.pictures["coffee"] == task.score(wanted, pairs["coffee"].truth)


def test_clips_are_drawn_as_a_whole():
    """Two clips of twenty frames, alike within: the interval is that of two pictures."""

    def clips(gains: tuple[float, float]) -> Accuracy:
        return Accuracy(
            {f"{clip}/{time:03d}": Scores(30 + gain, 0.9, 1.0) for clip, gain in zip("ab", gains, strict=True) for time in range(20)}
        )

    assert difference(clips((1.0, 3.0)), clips((0.0, 0.0)), seed=0).interval_db == (1.0, 3.0)


@pytest.mark.parametrize("color", ["y", "rgb"])
def test_huge_pictures_give_the_same_by_windows(pairs, export, monkeypatch, color):
    task = make_task("sr", 2, color)
    method = model_method(OnnxModel.open(export(color=color)), task)
    whole = method(pairs["coffee"])
    monkeypatch.setattr(a, "WHOLE_PIXELS", 100)
    monkeypatch.setattr(tiles, "window_of", lambda card, memory_bytes: (32 * card.multiple,) * 2)
    np.testing.assert_allclose(method(pairs["coffee"]), whole, atol=1e-5)


def test_an_exact_output_counts_as_100_db(pairs):
    task = make_task("sr", 2, "rgb")
    truths = iter(pair.truth for pair in pairs.values())
    accuracy = score(lambda pair: task.encode_truth(next(truths)), task, pairs)
    assert accuracy.psnr_db == 100.0


def test_a_gain_is_the_mean_of_the_pictures_differences():
    found = difference(scored(31.0, 33.0, 35.0), scored(30.0, 31.0, 32.0), seed=0)
    assert found.mean_db == 2.0
    low, high = found.interval_db
    assert 1.0 <= low < 2.0 < high <= 3.0


def test_the_interval_is_paired():
    """Pictures differ by 20 dB among each other, the methods by the same 1 dB on each: no doubt about the gain."""
    found = difference(scored(21.0, 31.0, 41.0), scored(20.0, 30.0, 40.0), seed=0)
    assert found.interval_db == (1.0, 1.0)


def test_the_interval_narrows_with_pictures_and_follows_the_seed():
    rng = np.random.default_rng(0)
    gains = rng.normal(1.0, 0.5, 64)
    few, many = (difference(scored(*(30 + gains[:n])), scored(*[30.0] * n), seed=3).interval_db for n in (8, 64))
    assert many[1] - many[0] < 0.6 * (few[1] - few[0])
    again = difference(scored(*(30 + gains)), scored(*[30.0] * 64), seed=3).interval_db
    other = difference(scored(*(30 + gains)), scored(*[30.0] * 64), seed=4).interval_db
    assert again == many != other


def test_the_interval_agrees_with_the_normal_theory_on_many_pictures():
    gains = np.random.default_rng(1).normal(1.0, 0.5, 400)
    low, high = difference(scored(*(30 + gains)), scored(*[30.0] * 400), seed=0).interval_db
    half = 1.96 * gains.std() / 20
    assert low == pytest.approx(gains.mean() - half, abs=0.01)
    assert high == pytest.approx(gains.mean() + half, abs=0.01)


def test_one_picture_gives_no_interval():
    assert difference(scored(31.0), scored(30.0), seed=0) == a.Difference(1.0, None)
