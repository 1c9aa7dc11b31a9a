"""The stage as a whole: its events, its model file, and what it says when the machine gives out."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data
from pixsearch.errors import DataError, MachineError
from pixsearch.events import read_events
from pixsearch.nn.build import Network
from pixsearch.nn.cost import count_macs, count_params
from pixsearch.nn.modelfile import load_model
from pixsearch.rundir import Stage, recorded_config
from pixsearch.tasks.sr import SuperResolution
from pixsearch.train.config import TrainConfig
from pixsearch.train.session import able_machine, train_stage
from pixsearch.train.validate import score_baseline, validate

Build = Callable[..., Network]
Settings = Callable[..., TrainConfig]


def events_of(run: Path, kind: str) -> list[dict[str, Any]]:
    return [event for event in read_events(run / "train" / "events.jsonl") if event["kind"] == kind]


@pytest.fixture
def trained(tmp_path: Path, network: Build, data: Data, task: SuperResolution, config: Settings) -> Path:
    run, settings = tmp_path / "run", config(branches="linear", validations=2)
    with Stage(run, "train", settings) as stage:
        train_stage(network("plain-m1c4", "linear"), data, task, settings, stage, "small", {"chosen": "by a test"})
    return run


def test_the_model_file_holds_what_was_scored(trained: Path, data: Data, task: SuperResolution) -> None:
    model, card = load_model(trained / "train" / "model.safetensors")
    (done,) = events_of(trained, "done")
    assert model.branches == "none"
    assert done["psnr_db"] == pytest.approx(validate(model, data.val, task)["psnr_db"], abs=1e-4)
    assert done["baseline_psnr_db"] == score_baseline(data.val, task)["psnr_db"]
    assert done["model"] == "model.safetensors"
    assert (card.name, card.stage, card.precision) == ("small", "trained", "float")
    assert card.params == count_params(model)
    assert card.macs_720p == pytest.approx(count_macs(model, 360, 640))


def test_the_card_says_how_its_weights_came_to_be(trained: Path, data: Data) -> None:
    _, card = load_model(trained / "train" / "model.safetensors")
    record, (done,) = card.training, events_of(trained, "done")
    assert record["chosen"] == "by a test"
    assert record["settings"]["branches"] == "linear"
    assert record["train"]["photos"] == len(data.train)
    assert record["train"]["digest"] != record["val"]["digest"]
    assert record["step"] == 30
    assert record["elapsed_s"] == done["elapsed_s"] > 0
    assert record["scores"]["psnr_db"] == done["psnr_db"]


def test_the_record_tells_the_story_in_order(trained: Path) -> None:
    kinds = [event["kind"] for event in read_events(trained / "train" / "events.jsonl")]
    assert kinds == ["start", "validation", "checkpoint", "validation", "done"]
    (start,) = events_of(trained, "start")
    assert start["steps"] == 30
    assert start["params"] > 0
    assert start["fidelity"] == {"batch": 4, "patch": 16, "branches": "linear"}
    last = events_of(trained, "validation")[-1]
    assert (last["step"], last["progress"]) == (30, 1.0)
    assert last["baseline_psnr_db"] > 20


def test_a_stage_can_be_resumed_for_longer(trained: Path, network: Build, data: Data, task: SuperResolution) -> None:
    settings = recorded_config(TrainConfig, trained, "train", {"steps": 60})
    with Stage(trained, "train", settings, resume=True) as stage:
        train_stage(network("plain-m1c4", "linear"), data, task, settings, stage, "small")
    assert [event["step"] for event in events_of(trained, "resume")] == [30]
    assert [event["step"] for event in events_of(trained, "done")] == [30, 60]


def test_other_photos_are_refused_when_it_is_resumed(
    trained: Path, network: Build, data: Data, task: SuperResolution, pieces: tuple[Path, Path], tmp_path: Path
) -> None:
    fewer = tuple(sorted(pieces[0].iterdir())[:3])
    settings = recorded_config(TrainConfig, trained, "train", {"steps": 60})
    with Stage(trained, "train", settings, resume=True) as stage:
        stage.note("photos", **data.summary)
    with Stage(trained, "train", settings, resume=True) as stage:
        other = open_data(DataConfig(photos=fewer, val=pieces[1:], cache=tmp_path / "cache"), task, stage.note)
        with pytest.raises(
            DataError, match="photos to train on have changed since this training was begun: there were 5 then and there are 3"
        ):
            train_stage(network("plain-m1c4", "linear"), other, task, settings, stage, "small")


def test_a_full_disk_ends_the_stage_and_the_last_checkpoint_loads(
    tmp_path: Path, network: Build, data: Data, task: SuperResolution, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, settings = tmp_path / "run", config(steps=300, checkpoint_every_s=0)
    import pixsearch.train.checkpoint as room

    write, calls = room.write_atomic, iter(range(100))

    def fills_up(path: Path, data: bytes) -> None:
        if next(calls) == 2:
            raise MachineError(f"`{path}` cannot be written ({errno.errorcode[errno.ENOSPC]}).")
        write(path, data)

    monkeypatch.setattr(room, "write_atomic", fills_up)
    with Stage(run, "train", settings) as stage, pytest.raises(MachineError, match="cannot be written"):
        train_stage(network(), data, task, settings, stage, "small")
    assert not (run / "train" / "model.safetensors").exists()
    with Stage(run, "train", settings, resume=True) as stage:
        train_stage(network(), data, task, settings, stage, "small")
    assert [event["step"] for event in events_of(run, "resume")] == [200]


def test_too_little_memory_and_no_compiler_are_said(config: Settings) -> None:
    with pytest.raises(MachineError, match="batches of 4 patches of 16×16"), able_machine(config()):
        torch.empty(2**50)
    from torch._dynamo.exc import TorchRuntimeError

    with pytest.raises(MachineError, match=r"\(No working compiler\)\. Leave `--compile` out"), able_machine(config(compile=True)):
        raise TorchRuntimeError("No working compiler\n\nSet TORCHDYNAMO_VERBOSE=1")
    with pytest.raises(RuntimeError, match="must match"), able_machine(config()):
        torch.zeros(2) + torch.zeros(3)
