"""Training on sequences: what a network is given of them, and scores of clips frame by frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data, open_pictures
from pixsearch.data.patches import Patches
from pixsearch.nn.build import Network, build
from pixsearch.pixels.files import read_picture, write_picture
from pixsearch.space.base import read_genotype
from pixsearch.space.sequence import in_time, offsets
from pixsearch.tasks.base import Task, make_task, task_for
from pixsearch.train.config import TrainConfig
from pixsearch.train.feed import taken
from pixsearch.train.loop import fit
from pixsearch.train.validate import validate

CHAIN = {"space": "video", "layers": [{"op": "conv3", "width": 6, "act": "leaky"}], "head": "plain", "skip": "bicubic", "tail": 3}


@pytest.fixture(scope="module")
def task() -> Task:
    return make_task("video-sr", 2, "y", {"window": 5})


@pytest.fixture(scope="module")
def data(task: Task, sample_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Photos to train on, and a clip of a pan by single pixels to select by."""
    folder = tmp_path_factory.mktemp("clips")
    photo = read_picture(sample_images / "coffee.png")
    (folder / "pan").mkdir()
    for time in range(6):
        write_picture(folder / "pan" / f"{time}.png", photo[100 + time : 190 + time, 100:240].copy())
    photos = (sample_images / "chelsea.png", sample_images / "astronaut.png")
    return open_data(DataConfig(photos=photos, val=(folder / "pan",), cache=folder / "cache"), task)


def network(task: Task, **form: object) -> Network:
    return build(read_genotype({**CHAIN, **form}, task.signature)[1], task.signature, seed=1)


RECURRENT, STACKED = {"form": "recurrent", "state": 6}, {"form": "stacked", "window": 3}


def test_a_network_without_a_state_is_given_its_window_and_answers_its_middle(task: Task, data: Data) -> None:
    batch = Patches(data.train, task, batch=3, patch=12, seed=0).draw(0)
    (window,), truth = taken(batch, network(task, **STACKED).signature)
    assert window.shape == (3, 3, 12, 12)
    assert np.array_equal(window, batch.inputs["frames"][:, :3])
    assert np.array_equal(truth, batch.truth[:, :1])
    (whole,), truths = taken(batch, network(task, **RECURRENT).signature)
    assert (whole.shape, truths.shape) == ((3, 5, 12, 12), (3, 5, 24, 24))


def test_a_sequence_runs_in_the_order_of_time() -> None:
    assert offsets(5) == [0, -1, 1, -2, 2]
    assert [offsets(7)[place] for place in in_time(7)] == [-3, -2, -1, 0, 1, 2, 3]
    task = make_task("video-sr", 2, "y", {"window": 3})
    net = network(task, **RECURRENT).eval()
    frames = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = net(frames)
        for place, changed in ((0, {0, 2}), (1, {0, 1, 2}), (2, {2})):  # now, before, behind
            other = frames.clone()
            other[:, place] += 0.5
            differs = (net(other) - before).abs().amax((0, 2, 3)) > 1e-6
            assert set(differs.nonzero().flatten().tolist()) == changed


@pytest.mark.parametrize("form", [RECURRENT, STACKED], ids=["recurrent", "stacked"])
def test_training_gains_on_a_clip_and_repeats_to_the_bit(task: Task, data: Data, form: dict[str, object]) -> None:
    def trained() -> Network:
        net = network(task, **form)
        patches = Patches(data.train, task_for(net.signature), batch=8, patch=16, seed=0)
        return fit(net, patches, TrainConfig(steps=60, batch=8, patch=16, threads=1))

    before = validate(network(task, **form), data.val, task)
    nets = trained(), trained()
    assert all(torch.equal(one, other) for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True))
    after = validate(nets[0], data.val, task)
    assert after["psnr_db"] > before["psnr_db"] + 0.1
    assert after["flicker"] < before["flicker"]
    assert list(after["pictures"]) == [f"pan/{time:03d}" for time in range(6)]


def test_a_clip_does_not_remember_the_one_before(task: Task, data: Data, sample_images: Path, tmp_path: Path) -> None:
    """A clip behind another scores as it does alone."""
    for clip, name in (("a", "coffee"), ("b", "rocket")):
        photo = read_picture(sample_images / f"{name}.png")
        (tmp_path / clip).mkdir()
        for time in range(3):
            write_picture(tmp_path / clip / f"{time}.png", photo[100 + time : 180 + time, 100:200].copy())
    net = network(task, **RECURRENT).eval()
    with torch.no_grad():
        for value in net.parameters():
            value.mul_(3)  # so that a state is heard
    both, alone = (
        validate(net, open_pictures([tmp_path / clip for clip in clips], task, DataConfig(cache=tmp_path / "cache")), task)["pictures"]
        for clips in ("ab", "b")
    )
    assert list(both) == [f"{clip}/{time:03d}" for clip in "ab" for time in range(3)]
    assert {name: figures for name, figures in both.items() if name.startswith("b")} == alone


def test_scores_of_a_clip_are_those_of_the_whole_sequence(task: Task, data: Data) -> None:
    net = network(task, **RECURRENT).eval()
    own, order = task_for(net.signature), in_time(5)
    pairs = [data.val.pair(time) for time in range(5)]
    stack: list[np.ndarray] = [np.empty(0)] * 5
    for place, pair in zip(order, pairs, strict=True):
        stack[place] = own.encode("frames", pair.inputs["frames"])
    with torch.no_grad():
        outputs = net(torch.from_numpy(np.concatenate(stack))[None])[0].numpy()
    figures = validate(net, data.val, task)["pictures"]
    for time, (place, pair) in enumerate(zip(order, pairs, strict=True)):
        expected = task.score(outputs[place : place + 1], pair.truth)
        assert figures[f"pan/{time:03d}"]["psnr_db"] == pytest.approx(expected.psnr_db, abs=2e-3)
