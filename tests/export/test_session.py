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
    [found] = [event for event in events if event["kind"] == "sensitivity"]
    assert (found["file"], found["limit_db"], len(found["layers"])) == ("net.int8.onnx", 1e-6, 4)
    assert events[-1]["kind"] == "stopped"
    assert all(layer["layer"] in events[-1]["error"] for layer in found["layers"])


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


def test_all_precisions_for_camera_buffers_of_any_size_and_of_one(model, photos, tmp_path):
    settings = {"fp16": True, "int8": True, "a16w8": True, "scheme": "portable", "io": "uint8-nhwc", "shapes": "48x64"}
    files, events = run(tmp_path / "run", [model], calibrate=photos, gate_db=0.3, **settings)
    forms = [("float", ""), ("fp16", ".fp16"), ("int8", ".int8"), ("a16w8", ".a16w8")]
    names = [f"net{part}.uint8-nhwc{shape}.onnx" for _, part in forms for shape in ("", ".48x64")]
    assert [file.name for file in files] == names
    done = {event["file"]: event for event in exported(events)}
    assert [done[name]["precision"] for name in names] == [precision for precision, _ in forms for _ in range(2)]
    assert [done[name]["shape"] for name in names[:2]] == [None, [48, 64]]
    assert {event["io"] for event in done.values()} == {"uint8-nhwc"}
    assert (done[names[4]]["format"], done[names[6]]["format"]) == ("U8U8 QDQ, per tensor", "U16S8 QDQ, per channel")
    assert (done[names[4]]["opset"], done[names[6]]["opset"]) == (18, 21)
    assert done[names[6]]["loss_db"] < 0.02
    for file in files:
        card = OnnxModel.open(file).card
        assert (card.precision, card.io, card.shape) == (
            done[file.name]["precision"],
            "uint8-nhwc",
            (48, 64) if ".48x64." in file.name else None,
        )
    assert not list((tmp_path / "run" / "export").glob("*.data"))  # one file, nothing beside it


def test_checked_for_phones_and_warned_of_prices(make, photos, tmp_path):
    network, card = make({"layers": [{"op": "conv3", "act": "prelu", "width": 4}]})
    save_model(tmp_path / "prelu.safetensors", network, card)
    settings = {"int8": True, "scheme": "nnapi", "check": True, "nnapi_level": 28, "shapes": ["36x48"], "gate_db": 5}
    _, events = run(tmp_path / "run", [tmp_path / "prelu.safetensors"], calibrate=photos, **settings)
    checks = {event["file"]: event for event in events if event["kind"] == "checked"}
    assert set(checks) == {event["file"] for event in exported(events)}
    assert checks["net.int8.onnx"]["taken"]["NNAPI"] == 0
    fixed = checks["net.36x48.onnx"]
    assert (fixed["level"], fixed["taken"]) == (28, {"CPU": fixed["nodes"], "XNNPACK": 2, "NNAPI": fixed["nodes"] - 1})
    [prelu] = [one for one in fixed["operators"] if one["operator"] == "PRelu"]
    assert prelu["refused"]["nnapi"] == "only from feature level 29 on"
    [price] = [event["text"] for event in events if event["kind"] == "warning"]
    assert "483 Mcycles" in price


def test_nnapi_without_a_shape_is_warned_of(pruned, tmp_path):
    _, events = run(tmp_path / "run", [pruned], scheme="nnapi")
    assert ["--shape" in event["text"] for event in events if event["kind"] == "warning"] == [True]


def test_a_shape_that_does_not_fit_is_refused_before_int8_is_made(make, photos, tmp_path):
    network, card = make({"layers": [{"op": "conv3", "act": "relu", "width": 4}], "head": "s2d"})
    save_model(tmp_path / "folded.safetensors", network, card)
    with pytest.raises(UsageError, match="`--shape 48x66`"):
        run(tmp_path / "run", [tmp_path / "folded.safetensors"], shapes=["47x65"])


@pytest.mark.parametrize("text", ["360", "0x640", "ax5", "99999x99999"])
def test_what_is_no_shape(text):
    with pytest.raises(ValueError, match="Write height and width as `360x640`"):
        ExportConfig(shapes=[text])


def test_settings_are_plain_json(photos):
    config = ExportConfig(int8=True, calibrate=photos, shapes="360x640, 720x1280", io="uint8-nhwc")
    assert ExportConfig.model_validate(json.loads(json.dumps(config.to_json()))) == config
