"""Training for int8 from the command line: a run's model, stopped and resumed, then exported in its own scheme."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from command import pixsearch

from pixsearch.cli.stages import is_for_int8
from pixsearch.errors import UsageError
from pixsearch.events import read_events
from pixsearch.infer.session import OnnxModel


@pytest.mark.slow
def test_a_run_s_model_is_trained_on_resumed_and_exported(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    where = ["--data", photos / "train", "--val", photos / "select", "--out", run]
    assert pixsearch("train", "--arch", "plain-m1c4", *where, "--steps", 100).code == 0
    quick = ["--batch", 4, "--patch", 16, "--threads", 1]
    trained = pixsearch("train", run, "--qat", "portable", "--steps", 20, *quick, "--json")
    assert trained.code == 0, trained.err
    assert Path(trained.document["model"]) == run / "qat" / "model.safetensors"
    settings = yaml.safe_load((run / "qat" / "config.resolved.yaml").read_text())
    assert settings["qat"]["scheme"] == "portable"
    assert settings["data"]["photos"] == [str(photos / "train")]  # those it was trained on
    assert settings["train"]["precision"] == "float32"

    other = pixsearch("train", "--resume", run, "--qat", "arm", "--steps", 40)
    assert (other.code, "scheme: portable → arm" in other.err) == (2, True)
    longer = pixsearch("train", "--resume", run, "--qat", "portable", "--steps", 40)
    assert longer.code == 0, longer.err
    assert [event["step"] for event in read_events(run / "qat" / "events.jsonl") if event["kind"] == "done"] == [20, 40]

    exported = pixsearch("export", run, "--int8", "--gate", 2, "--json")
    assert exported.code == 0, exported.err
    files = [Path(file) for file in exported.document["files"]]
    assert [file.name for file in files] == ["plain-m1c4.onnx", "plain-m1c4-qat.onnx", "plain-m1c4-qat.int8.onnx"]
    card = OnnxModel.open(files[2]).card
    assert (card.label, card.calibration["scheme"]) == ("plain-m1c4 qat int8", "portable")


def test_a_run_goes_on_with_the_training_it_was_stopped_in(tmp_path: Path) -> None:
    def note(stage: str, kind: str) -> None:
        (tmp_path / stage).mkdir(exist_ok=True)
        with (tmp_path / stage / "events.jsonl").open("a") as file:
            file.write(json.dumps({"kind": kind, "time": 0}) + "\n")

    found = []
    for stage, kind in (("train", "start"), ("train", "done"), ("qat", "start"), ("qat", "done")):
        note(stage, kind)
        found.append(is_for_int8(None, tmp_path, {}))
    assert found == [False, False, True, False]
    assert not is_for_int8(None, None, {})
    with pytest.raises(UsageError, match="`--arch` has nothing to choose"):
        is_for_int8("arm", None, {"--pick": None, "--arch": "fsrcnn"})
