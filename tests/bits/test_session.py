"""The search within an export: one file that passes its gate, a record that can be gone on with, and errors with their codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pixsearch.bench import setup
from pixsearch.bench.measure import frame
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.targets.arm64 import Arm64Target
from pixsearch.bench.targets.base import Repeat
from pixsearch.bits import score
from pixsearch.bits.config import BitsConfig
from pixsearch.bits.layers import layers_in
from pixsearch.bits.session import Chooser
from pixsearch.config import validate
from pixsearch.errors import GateError, InfeasibleError, MachineError, UsageError
from pixsearch.events import read_events
from pixsearch.export.config import ExportConfig
from pixsearch.export.session import export_stage
from pixsearch.infer.session import OnnxModel
from pixsearch.nn.modelfile import save_model
from pixsearch.rundir import Stage


@pytest.fixture(scope="module")
def model(trained, tmp_path_factory) -> Path:
    network, card = trained
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, network, card)
    return path


@pytest.fixture
def photos(sample_images) -> tuple[Path, ...]:
    return tuple(sample_images / f"{name}.png" for name in ("chelsea", "coffee", "rocket"))


@pytest.fixture
def emulator() -> None:
    try:
        setup.check("arm64")
    except MachineError as reason:
        pytest.skip(str(reason))


@pytest.fixture
def priced(monkeypatch) -> None:
    """Latencies that need no machine: each operator of a graph takes a millisecond, a float convolution six."""

    def latency_ms(_: object, graph) -> float:
        makers = {name: node.op_type for node in graph.graph.node for name in node.output}
        floats = sum(node.op_type == "Conv" and makers.get(node.input[0]) != "DequantizeLinear" for node in graph.graph.node)
        return len(graph.graph.node) + 20.0 * floats

    monkeypatch.setattr(score.Scale, "latency_ms", latency_ms)


def run(folder: Path, model: Path, photos, *, resume: bool = False, gate_db: float = 0.3, **bits):
    config = ExportConfig(mixed=True, scheme="portable", calibrate=photos, gate_db=gate_db)
    chooser = Chooser.of(BitsConfig(**{"target": "local", "evaluations": 14, **bits}))
    with Stage(folder, "export", config, resume=resume) as stage:
        files = export_stage([model], config, stage, chooser)
    return files, list(read_events(folder / "export" / "events.jsonl"))


@pytest.mark.usefixtures("priced")
def test_one_file_within_the_bound_and_better_than_int8(model, photos, tmp_path):
    files, events = run(tmp_path / "run", model, photos)
    assert [file.name for file in files] == ["net.onnx", "net.mixed.onnx"]
    begun, ended = (next(event for event in events if event["kind"] == kind) for kind in ("bits", "mixtures"))
    tried = {tuple(event["formats"]): event for event in events if event["kind"] == "mixture"}
    assert len(tried) == ended["tried"] == 14
    chosen = tried[tuple(ended["chosen"])]
    assert chosen["feasible"]
    assert chosen["figures"]["latency_ms"] <= 1.1 * begun["int8"]["latency_ms"] == pytest.approx(begun["bound_ms"])
    assert chosen["figures"]["loss_db"] < 0.7 * begun["int8"]["loss_db"]
    card = OnnxModel.open(files[1]).card
    assert card.precision == "mixed"
    assert card.label == "net mixed"
    assert list(card.calibration["formats"].values()) == ended["chosen"]
    assert card.calibration["loss_db"] <= 0.3
    assert next(event["formats"] for event in tried.values()) == ["int8"] * 4


@pytest.mark.usefixtures("priced")
def test_a_resumed_search_ends_as_the_unbroken_one(model, photos, tmp_path, monkeypatch):
    whole, events = run(tmp_path / "whole", model, photos)
    run(tmp_path / "broken", model, photos)
    path = tmp_path / "broken" / "export" / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    cut = next(number for number, line in enumerate(lines) if '"mixture"' in line and json.loads(line)["number"] == 6)
    path.write_text("".join(lines[: cut + 1]))
    figures, counted = score.Scale.figures, []
    monkeypatch.setattr(score.Scale, "figures", lambda self, mixture: counted.append(mixture) or figures(self, mixture))
    again, after = run(tmp_path / "broken", model, photos, resume=True)
    assert len(counted) == 14 - 6
    assert again[1].read_bytes() == whole[1].read_bytes()
    told = [[(one["number"], one["formats"], one["figures"]) for one in record if one["kind"] == "mixture"] for record in (events, after)]
    assert told[0] == told[1]


@pytest.mark.usefixtures("priced")
def test_no_mixture_within_the_bound_is_said_with_the_nearest_miss(model, photos, tmp_path):
    with pytest.raises(InfeasibleError, match="nearest miss.*--extra-latency") as error:
        run(tmp_path / "run", model, photos, extra_latency=-0.9, evaluations=4)
    assert error.value.exit_code == 4
    assert not (tmp_path / "run" / "export" / "net.mixed.onnx").exists()


@pytest.mark.usefixtures("priced")
def test_a_missed_gate_leaves_no_file(model, photos, tmp_path):
    with pytest.raises(GateError, match=r"net\.mixed\.onnx.*is not written\. mixed loses"):
        run(tmp_path / "run", model, photos, gate_db=1e-6, evaluations=1)
    assert not (tmp_path / "run" / "export" / "net.mixed.onnx").exists()


def test_formats_can_be_left_out(model, photos, tmp_path, priced):
    _, events = run(tmp_path / "run", model, photos, formats="int8,float", evaluations=8)
    assert {one for event in events if event["kind"] == "mixture" for one in event["formats"]} == {"int8", "float"}


def test_a_target_without_its_tools_is_refused_and_none_named_falls_back(monkeypatch, tmp_path):
    def missing(target: str) -> None:
        raise MachineError(f"The target `{target}` lacks everything. Run `pixsearch target setup {target}`.")

    monkeypatch.setattr(setup, "check", missing)
    with pytest.raises(MachineError, match="target setup arm64"):
        Chooser.of(BitsConfig(target="arm64:a76"))
    chooser = Chooser.of(BitsConfig())
    assert chooser.target.name == "local"
    assert "pixsearch target setup arm64" in chooser.why
    assert str(chooser.spec) == "local/1280x720/mixed/1t"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"target": "armm64"}, "There is no target `armm64`"),
        ({"formats": "int32,float"}, "`int8` is what the others are compared with"),
        ({"formats": "int8,int4"}, "int4"),
        ({"extra_latency": "ten"}, "is no share"),
        ({"extra_latency": "-100%"}, "greater than -1"),
    ],
)
def test_settings_that_cannot_be(settings, said):
    with pytest.raises(UsageError, match=said):
        validate(BitsConfig, settings, "a test")


def test_a_share_is_read_as_people_type_it():
    assert BitsConfig(extra_latency="7.5%").extra_latency == BitsConfig(extra_latency=0.075).extra_latency == 0.075


@pytest.mark.usefixtures("emulator")
def test_an_emulated_core_computes_the_same_and_takes_what_its_operators_take(plan, trained, task, pictures, tmp_path):
    layers = layers_in(plan)
    spec, mixture = LatencySpec("arm64:a76", 128, 192, "mixed"), ("float", "int32", "int8", "int16")
    target = Arm64Target("a76")
    with score.Scale(plan, layers, trained[1], task, pictures, [], target, spec, 0) as scale:
        graph = scale.graph(mixture)
        summed = scale.latency_ms(graph)
    card = trained[1].with_(precision="mixed")
    path = tmp_path / "mixed.onnx"
    score.write_model(graph, card, path)
    feeds = frame(card, spec)
    with target.prepare(path, 1) as prepared:
        run = prepared.run(feeds, Repeat(warmup=1, count=1), want_outputs=True)
    assert run.latencies_ms[0] == pytest.approx(summed, rel=0.03)
    here = OnnxModel.open(path, precise_int8=True).run({"input": feeds["input"][0]})
    assert np.abs(run.outputs["output"][0] - here).max() < 0.02  # 8-bit levels that a last bit of a float decides
    assert np.abs(run.outputs["output"][0] - here).mean() < 1e-4
