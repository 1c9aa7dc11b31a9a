"""Processes that train together learn as one would, decide as one and end as one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pixsearch.data.open import Data
from pixsearch.data.patches import Patches
from pixsearch.errors import MachineError, UsageError
from pixsearch.tasks.sr import SuperResolution
from pixsearch.train.config import TrainConfig
from pixsearch.train.loop import fit
from pixsearch.train.ranks import ALONE, Joined, Ranks, joined, speaks

from .together import SETTINGS, network, weights

SCRIPT = Path(__file__).with_name("together.py")

Ended = list[tuple[int, str]]


def start(what: str, out: Path, pieces: tuple[Path, Path], size: int = 2, **environment: str) -> Ended:
    """Exit codes and last words of `size` processes, joined by the variables that torchrun sets."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        **os.environ,
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "PIXSEARCH_CACHE": str(out / "cache"),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), what, str(out), *map(str, pieces)],
            env={**shared, **environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    said = [process.communicate(timeout=300)[1] for process in processes]
    return [(process.returncode, words) for process, words in zip(processes, said, strict=True)]


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory, pieces: tuple[Path, Path]) -> list[dict[str, Any]]:
    """What `together.learn` gives each of two ranks."""
    out = tmp_path_factory.mktemp("together")
    ended = start("learn", out, pieces)
    assert [code for code, _ in ended] == [0, 0], ended
    return [json.loads((out / f"learn.{rank}.json").read_text()) for rank in range(2)]


def far(first: dict[str, Any], second: dict[str, Any]) -> float:
    """The largest difference of two networks' weights."""
    return max(float((torch.tensor(first[name]) - torch.tensor(second[name])).abs().max()) for name in first)


@pytest.mark.slow
class TestTogether:
    @pytest.mark.parametrize("optimizer", ["sgd", "muon"])
    def test_two_processes_step_as_one_of_the_double_batch(
        self, optimizer: Any, learnt: list[dict[str, Any]], data: Data, task: SuperResolution
    ) -> None:
        patches = Patches(data.train, task, batch=2 * SETTINGS["batch"], patch=SETTINGS["patch"], seed=5)
        alone = network()
        fit(alone, patches, TrainConfig(**{**SETTINGS, "batch": 2 * SETTINGS["batch"], "optimizer": optimizer}))
        assert far(weights(alone), weights(network())) > 1e-3
        assert far(weights(alone), learnt[0][optimizer]) < 1e-5

    @pytest.mark.parametrize("training", ["sgd", "muon", "budget", "spoilt", "resumed", "longer", "patience", "adversarial"])
    def test_the_ranks_stay_of_one_mind(self, training: str, learnt: list[dict[str, Any]]) -> None:
        assert learnt[0][training] == learnt[1][training]

    def test_what_one_rank_met_is_undone_on_all(self, learnt: list[dict[str, Any]]) -> None:
        (warning,) = (event for event in learnt[0]["told"] if event["kind"] == "warning")
        assert "became nan" in warning["text"]
        assert "by step 20: back to step 10 with half the rate" in warning["text"]

    def test_one_that_is_asked_to_stop_stops_all_after_the_same_step(self, learnt: list[dict[str, Any]]) -> None:
        assert learnt[0]["stopped"] == "Stopped as asked after step 7, which is saved. Go on."
        assert "after step 7" in learnt[1]["stopped"]
        assert [event["step"] for event in learnt[0]["told"] if event["kind"] == "resume"] == [7, 20]

    def test_the_first_alone_is_heard(self, learnt: list[dict[str, Any]]) -> None:
        assert learnt[1]["told"] == []
        assert [event["kind"] for event in learnt[0]["told"]].count("early_stop") == 1


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs that torch can use (CUDA); this machine has fewer")
def test_two_gpus_stay_of_one_mind_and_learn_as_processors_do(
    learnt: list[dict[str, Any]], tmp_path: Path, pieces: tuple[Path, Path]
) -> None:
    ended = start("learn", tmp_path, pieces, DEVICE="cuda")
    assert [code for code, _ in ended] == [0, 0], ended
    first, second = (json.loads((tmp_path / f"learn.{rank}.json").read_text()) for rank in range(2))
    assert all(first[training] == second[training] for training in ("sgd", "muon", "budget", "spoilt", "resumed", "longer", "patience"))
    assert far(first["sgd"], learnt[0]["sgd"]) < 1e-3


@pytest.mark.slow
def test_an_error_of_one_ends_all_with_its_exit_code(tmp_path: Path, pieces: tuple[Path, Path]) -> None:
    first, second = start("fail", tmp_path, pieces)
    assert (first[0], second[0]) == (3, 3)
    assert "A photo is broken. (Process 1 of 2 said so.)" in first[1]
    assert "A photo is broken." in second[1]


@pytest.mark.slow
def test_one_that_vanishes_is_no_bug_and_nobody_waits_for_it(tmp_path: Path, pieces: tuple[Path, Path]) -> None:
    first, second = start("vanish", tmp_path, pieces)
    assert (first[0], second[0]) == (6, 9)
    assert "vanished" in first[1]


@pytest.mark.parametrize("parts", [2, 3])
def test_shares_make_up_the_whole_batch(parts: int, data: Data, task: SuperResolution) -> None:
    def draw(batch: int, share: tuple[int, int]) -> Any:
        return Patches(data.train, task, batch=batch, patch=16, seed=1, share=share).draw(11)

    whole, shares = draw(2 * parts, (0, 1)), [draw(2, (part, parts)) for part in range(parts)]
    for name in whole.inputs:
        assert torch.equal(torch.tensor(whole.inputs[name]), torch.cat([torch.tensor(share.inputs[name]) for share in shares]))
    assert torch.equal(torch.tensor(whole.truth), torch.cat([torch.tensor(share.truth) for share in shares]))


def test_a_process_alone_is_left_alone() -> None:
    with joined() as ranks:
        assert ranks is ALONE
    assert speaks()
    assert (ranks.is_first, ranks.size, ranks.agree(True, 1.5), ranks.first(lambda: 3)) == (True, 1, (True, 1.5), 3)


def test_processes_that_cannot_find_each_other_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(MachineError, match="Start them by torchrun"), joined():
        pass


@pytest.fixture
def third_of_four(monkeypatch: pytest.MonkeyPatch) -> Ranks:
    ranks = Joined.__new__(Joined)
    ranks.rank, ranks.size, ranks.local_rank, ranks.local_size = 2, 4, 2, 4
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    return ranks


def test_each_rank_takes_its_own_gpu(third_of_four: Ranks, monkeypatch: pytest.MonkeyPatch) -> None:
    assert third_of_four.own_device(torch.device("cuda")) == torch.device("cuda:2")
    assert third_of_four.own_device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(UsageError, match="on one GPU"):
        third_of_four.own_device(torch.device("cuda:1"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(MachineError, match="4 processes were started on a machine with 2 GPUs"):
        third_of_four.own_device(torch.device("cuda"))
