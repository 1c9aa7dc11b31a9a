"""The stage as a whole: its record, its model file, going on after a kill, and the int8 file that comes out of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from pixsearch.errors import GateError, UsageError
from pixsearch.events import read_events
from pixsearch.export.config import ExportConfig
from pixsearch.export.session import export_stage
from pixsearch.infer.session import OnnxModel
from pixsearch.infer.tiles import output_planes
from pixsearch.nn.modelfile import load_model
from pixsearch.qat.config import TRAINING, QatConfig
from pixsearch.qat.prepare import prepare
from pixsearch.qat.session import qat_stage
from pixsearch.registry import SCHEMES
from pixsearch.rundir import Stage
from pixsearch.train import loop
from pixsearch.train.config import TrainConfig
from pixsearch.train.validate import validate


def settings(**changes):
    return TrainConfig(**{**TRAINING, "steps": 60, "batch": 4, "patch": 24, "threads": 1, "checkpoint_every_s": 0, **changes})


def run(folder, network, card, data, task, scheme="arm", resume=False, **changes):
    config = settings(**changes)
    with Stage(folder, "qat", config, resume=resume) as stage:
        return qat_stage(network, card, data, task, QatConfig(scheme=scheme), config, stage)


@pytest.fixture(scope="module", params=["portable", "arm", "x86"])
def finished(request, trained, data, task, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, run(folder, *trained, data, task, request.param, validations=2)


def test_the_record_and_the_card(finished, trained, data):
    scheme, path = finished
    events = list(read_events(path.parent / "events.jsonl"))
    kinds = [event["kind"] for event in events if event["kind"] not in ("step", "checkpoint")]
    assert kinds == ["prepared", "start", "validation", "validation", "done"]
    assert events[0]["scheme"] == scheme
    assert events[0]["rounded_psnr_db"] < events[0]["float_psnr_db"]
    network, card = load_model(path)
    assert (card.stage, card.precision, card.label) == ("qat", "float", "net qat")
    assert card.training["qat"]["scheme"] == scheme
    assert card.training["made_from"]["stage"] == "trained"
    assert card.training["compute"]["precision"] == "float32"
    assert card.calibration["scheme"] == scheme
    assert {"input", "body.layers.0.0", "body.tail"} <= set(card.calibration["ranges"])
    assert {name for name, _ in network.named_parameters()} == {name for name, _ in trained[0].named_parameters()}


def test_the_int8_file_scores_what_the_training_said(finished, data, task, tmp_path):
    scheme, path = finished
    done = list(read_events(path.parent / "events.jsonl"))[-1]
    config = ExportConfig(int8=True, calibrate=tuple(photo.path for photo in data.train.photos), gate_db=1.0)
    with Stage(tmp_path, "export", config) as stage:
        files = export_stage([path], config, stage)
    assert [file.name for file in files] == ["net-qat.onnx", "net-qat.int8.onnx"]
    model = OnnxModel.open(files[1], precise_int8=True)
    assert (model.card.label, model.card.calibration["scheme"]) == ("net qat int8", scheme)
    pairs = [data.val.pair(index) for index in range(len(data.val))]
    found = np.mean([task.score(output_planes(model, task, pair.inputs), pair.truth).psnr_db for pair in pairs])
    assert found == pytest.approx(done["psnr_db"], abs=0.02)
    roles = [event["role"] for event in read_events(tmp_path / "export" / "events.jsonl") if event["kind"] == "photos"]
    assert roles == ["measure int8 on"]


def test_what_is_read_back_rounds_as_what_was_trained(finished, data, task):
    scheme, path = finished
    done = list(read_events(path.parent / "events.jsonl"))[-1]
    network, card = load_model(path)
    again = prepare(network, card, data.train, task, SCHEMES.load(scheme), seed=0, learned=False)
    assert validate(again.network, data.val, task)["psnr_db"] == pytest.approx(done["psnr_db"], abs=1e-4)


def test_training_gets_back_what_rounding_took(trained, data, task, tmp_path):
    path = run(tmp_path, *trained, data, task, "portable", steps=150, batch=8)
    events = list(read_events(path.parent / "events.jsonl"))
    lost, left = (events[0]["float_psnr_db"] - figure for figure in (events[0]["rounded_psnr_db"], events[-1]["psnr_db"]))
    assert left < 0.5 * lost


def test_a_killed_training_ends_bit_for_bit_as_the_unbroken_one(trained, data, task, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "BLOCK", 20)
    whole = run(tmp_path / "whole", *trained, data, task)
    with monkeypatch.context() as broken:
        calls = iter(range(100))

        def fails(*_):
            if next(calls) == 2:
                raise GateError("killed")
            return True

        broken.setattr(loop, "is_well", fails)
        with pytest.raises(GateError):
            run(tmp_path / "killed", *trained, data, task)
    resumed = run(tmp_path / "killed", *trained, data, task, resume=True)
    assert "resume" in [event["kind"] for event in read_events(resumed.parent / "events.jsonl")]
    (one, first), (other, second) = load_model(whole), load_model(resumed)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
    assert json.dumps(first.calibration) == json.dumps(second.calibration)


def test_a_model_of_one_scheme_is_not_trained_in_another(finished, data, task, tmp_path):
    scheme, path = finished
    other = "portable" if scheme == "arm" else "arm"
    with pytest.raises(UsageError, match=f"trained for int8 in the scheme `{scheme}`"):
        run(tmp_path / "run", *load_model(path), data, task, other)
    config = ExportConfig(int8=True, scheme=other, calibrate=tuple(photo.path for photo in data.train.photos))
    with Stage(tmp_path, "export", config) as stage, pytest.raises(UsageError, match=f"do not suit `{other}`"):
        export_stage([path], config, stage)
    assert not list((tmp_path / "export").glob("*.onnx"))


def test_it_can_be_trained_on_in_its_own_scheme(finished, data, task, tmp_path):
    scheme, path = finished
    again = run(tmp_path, *load_model(path), data, task, scheme, steps=10)
    assert load_model(again)[1].label == "net qat"


def test_a_pruned_model_stays_a_pruned_one(trained, data, task, tmp_path):
    network, card = trained
    path = run(tmp_path, network, card.with_(stage="pruned"), data, task, steps=5)
    assert load_model(path)[1].label == "net pruned qat"
