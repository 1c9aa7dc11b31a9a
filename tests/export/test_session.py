"""The export stage: files under their names when they are proved, and only then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pixsearch.errors import DataError, GateError, UsageError
from pixsearch.events import read_events
from pixsearch.export import session
from pixsearch.export.config import ExportConfig
from pixsearch.export.session import export_stage
from pixsearch.infer.session import OnnxModel
from pixsearch.nn.modelfile import save_model
from pixsearch.rundir import Stage


@pytest.fixture
def model(trained, tmp_path) -> Path:
    network, card = trained
    save_model(tmp_path / "model.safetensors", network, card)
    return tmp_path / "model.safetensors"


@pytest.fixture
def pruned(make, tmp_path) -> Path:
    network, card = make("plain-m1c5")
    save_model(tmp_path / "pruned.safetensors", network, card.with_(stage="pruned"))
    return tmp_path / "pruned.safetensors"


@pytest.fixture
def photos(sample_images) -> tuple[Path, ...]:
    return tuple(sample_images / f"{name}.png" for name in ("chelsea", "coffee", "rocket"))


def run(folder: Path, models: list[Path], **settings):
    config = ExportConfig(**settings)
    with Stage(folder, "export", config) as stage:
        files = export_stage(models, config, stage)
    return files, list(read_events(folder / "export" / "events.jsonl"))


def exported(events):
    return [event for event in events if event["kind"] == "exported"]


def test_all_float_and_the_last_int8(model, pruned, photos, tmp_path):
    files, events = run(tmp_path / "run", [pruned, model], int8=True, calibrate=photos, gate_db=0.3)
    assert [file.name for file in files] == ["net-pruned.onnx", "net.onnx", "net.int8.onnx"]
    assert all(file.exists() for file in files)
    done = exported(events)
    assert [event["label"] for event in done] == ["net pruned", "net float", "net int8"]
    assert [event["file"] for event in done] == [file.name for file in files]
    assert all(event["opset"] == 18 and event["bytes"] > 1000 and len(event["sizes"]) == 5 for event in done)
    assert max(event["max_abs_error"] for event in done[:2]) <= 1e-5
    assert done[2]["loss_db"] <= 0.3
    roles = {event["role"]: event for event in events if event["kind"] == "photos"}
    assert (roles["calibrate"]["used"], roles["measure int8 on"]["used"]) == (2, 1)
    card = OnnxModel.open(files[2]).card
    assert card.calibration["loss_db"] == done[2]["loss_db"]
    assert not set(card.calibration["photos"]) & set(card.calibration["measured_on"])
    assert events[-1]["kind"] == "done"
    assert [file.name for file in (tmp_path / "run" / "export").glob(".*")] == []


def test_int8_of_all(model, pruned, photos, tmp_path):
    files, _ = run(tmp_path / "run", [model, pruned], int8=True, int8_of="all", calibrate=photos, gate_db=5)
    assert [file.name for file in files] == ["net.onnx", "net.int8.onnx", "net-pruned.onnx", "net-pruned.int8.onnx"]


def test_a_missed_gate_leaves_no_int8_file(model, photos, tmp_path):
    with pytest.raises(GateError, match=r"`net\.int8\.onnx` is not written\. .* 1e-06 dB is the limit"):
        run(tmp_path / "run", [model], int8=True, calibrate=photos, gate_db=1e-6)
    left = {file.name for file in (tmp_path / "run" / "export").glob("*onnx*")}
    assert left == {"net.onnx"}
    events = list(read_events(tmp_path / "run" / "export" / "events.jsonl"))
    assert [event["file"] for event in exported(events)] == ["net.onnx"]
    assert events[-1]["kind"] == "stopped"


def test_one_photo_serves_both_and_that_is_said(model, photos, tmp_path):
    _, events = run(tmp_path / "run", [model], int8=True, calibrate=photos[:1], gate_db=0.3)
    [warning] = [event["text"] for event in events if event["kind"] == "warning"]
    assert "chelsea" in warning
    assert exported(events)[1]["held_out"] is False


def test_int8_without_photos(model, tmp_path):
    with pytest.raises(UsageError, match="--calibrate"):
        run(tmp_path / "run", [model], int8=True)


def test_photos_that_cannot_be_read(model, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("no photo")
    with pytest.raises(DataError, match=r"a\.png"):
        run(tmp_path / "run", [model], int8=True, calibrate=(tmp_path / "bad",))


def test_two_models_of_one_name(model, tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(model.read_bytes())
    with pytest.raises(UsageError, match="would both become"):
        run(tmp_path / "run", [model, other])
    assert not list((tmp_path / "run" / "export").glob("*.onnx"))


def test_a_damaged_model(model, tmp_path):
    model.write_bytes(model.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"model\.safetensors"):
        run(tmp_path / "run", [model])


def test_resumed_it_gives_the_same_files(model, photos, tmp_path):
    settings = {"int8": True, "calibrate": photos, "gate_db": 0.3}
    files, _ = run(tmp_path / "run", [model], **settings)
    before = [file.read_bytes() for file in files]
    config = ExportConfig(**settings)
    with Stage(tmp_path / "run", "export", config, resume=True) as stage:
        assert [file.read_bytes() for file in export_stage([model], config, stage)] == before


def test_no_file_of_an_earlier_try_stands_in_for_one_that_missed(model, photos, tmp_path, monkeypatch):
    settings = {"int8": True, "calibrate": photos, "gate_db": 0.3}
    run(tmp_path / "run", [model], **settings)

    def missed(*_):
        raise GateError("missed")

    monkeypatch.setattr(session, "check_int8", missed)
    config = ExportConfig(**settings)
    with Stage(tmp_path / "run", "export", config, resume=True) as stage, pytest.raises(GateError, match="is not written"):
        export_stage([model], config, stage)
    assert {file.name for file in (tmp_path / "run" / "export").glob("*onnx*")} == {"net.onnx"}


def test_settings_are_plain_json(photos):
    config = ExportConfig(int8=True, calibrate=photos)
    assert ExportConfig.model_validate(json.loads(json.dumps(config.to_json()))) == config
