"""Scores on whole pictures: of the deployed network, exact in strips, by the task's convention."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from pixsearch.data.open import Data
from pixsearch.nn.build import Network, build, deploy
from pixsearch.space.chain import Layer, MobileGenotype
from pixsearch.tasks.base import Scores
from pixsearch.tasks.sr import SuperResolution
from pixsearch.train import validate as room
from pixsearch.train.validate import EXACT_DB, run_whole, score_baseline, summary, validate

Build = Callable[..., Network]


def test_scores_are_the_task_s_own(data: Data, task: SuperResolution, network: Build) -> None:
    plain = network()
    figures = validate(plain, data.val, task)
    assert list(figures["pictures"]) == data.val.names
    for index, name in enumerate(data.val.names):
        pair = data.val.pair(index)
        with torch.no_grad():
            output = plain(torch.from_numpy(task.encode("input", pair.inputs["input"]))[None])[0].numpy()
        expected = task.score(output, pair.truth)
        assert figures["pictures"][name]["psnr_db"] == pytest.approx(expected.psnr_db, abs=0.01)
        assert figures["pictures"][name]["ssim"] == pytest.approx(expected.ssim, abs=1e-3)
    assert figures["psnr_db"] == pytest.approx(np.mean([score["psnr_db"] for score in figures["pictures"].values()]))


def test_branches_are_merged_and_the_network_is_left_as_it_was(data: Data, task: SuperResolution, network: Build) -> None:
    branched = network("plain-m1c4", "ecb").train()
    figures = validate(branched, data.val, task)
    assert branched.branches == "ecb"
    assert branched.training
    assert figures["psnr_db"] == pytest.approx(validate(deploy(branched), data.val, task)["psnr_db"], abs=1e-6)


def test_the_baseline_is_scored_alike(data: Data, task: SuperResolution) -> None:
    figures = score_baseline(data.val, task)
    pair = data.val.pair(1)
    assert figures["pictures"][data.val.names[1]]["psnr_db"] == task.score(task.baseline(pair.inputs), pair.truth).psnr_db


def folded(task: SuperResolution) -> Network:
    layers = (Layer("conv3", 4, "relu"), Layer("conv5", 4, "relu"))
    return build(MobileGenotype(layers, "s2d", "bicubic", 3), task.signature, seed=1).eval()


@pytest.mark.parametrize("head", ["plain", "s2d"])
@pytest.mark.parametrize("size", [(61, 33), (200, 30)])
def test_strips_give_what_the_whole_gives(
    head: str, size: tuple[int, int], task: SuperResolution, network: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = folded(task) if head == "s2d" else network("plain-m2c8").eval()
    planes = {"input": np.random.default_rng(0).random((1, *size), np.float32)}
    whole = run_whole(net, planes)
    monkeypatch.setattr(room, "STRIP_PIXELS", 30 * 34)
    assert whole.shape == (1, size[0] * 2, size[1] * 2)
    np.testing.assert_allclose(run_whole(net, planes), whole, atol=1e-5)


def test_an_exact_picture_counts_a_finite_score() -> None:
    figures = summary({"exact": Scores(float("inf"), 1.0), "half": Scores(40.0, 0.5)})
    assert figures["pictures"]["exact"]["psnr_db"] == EXACT_DB
    assert (figures["psnr_db"], figures["ssim"]) == ((EXACT_DB + 40) / 2, 0.75)
