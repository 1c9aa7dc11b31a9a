"""The search within an export: one file that passes its gate, a record that can be gone on with, and errors with their codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixsearch.bench import setup
from pixsearch.bits import score
from pixsearch.bits.config import BitsConfig
from pixsearch.bits.session import Chooser
from pixsearch.config import validate
from pixsearch.errors import GateError, InfeasibleError, MachineError, UsageError
from pixsearch.events import read_events
from pixsearch.export.config import ExportConfig
from pixsearch.export.session import export_stage
from pixsearch.infer.session import OnnxModel
from pixsearch.nn.modelfile import save_model
from pixsearch.rundir import Stage

TRIED = 9


@pytest.fixture(scope="module")
def model(trained, tmp_path_factory) -> Path:
    network, card = trained
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, network, card)
    return path


@pytest.fixture(scope="module")
def photos(sample_images) -> tuple[Path, ...]:
    return tuple(sample_images / f"{name}.png" for name in ("chelsea", "coffee", "rocket"))


@pytest.fixture(scope="module")
def priced() -> Iterator[None]:
    """Latencies that need no machine: each operator of a graph takes a millisecond, a float convolution twenty more."""

    def latency_ms(_: object, graph) -> float:
        makers = {name: node.op_type for node in graph.graph.node for name in node.output}
        floats = sum(node.op_type == "Conv" and makers.get(node.input[0]) != "DequantizeLinear" for node in graph.graph.node)
        return len(graph.graph.node) + 20.0 * floats

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score.Scorer, "latency_ms", latency_ms)
        yield


@pytest.fixture(scope="module")
def whole(model, photos, priced, tmp_path_factory):
    """An unbroken search: its files and its events."""
    return run(tmp_path_factory.mktemp("whole"), model, photos)


def run(folder: Path, model: Path, photos, *, resume: bool = False, gate_db: float = 0.3, **bits):
    config = ExportConfig(mixed=True, scheme="portable", calibrate=photos, gate_db=gate_db)
    chooser = Chooser.of(BitsConfig(**{"target": "local", "evaluations": TRIED, **bits}))
    with Stage(folder, "export", config, resume=resume) as stage:
        files = export_stage([model], config, stage, chooser)
    return files, list(read_events(folder / "export" / "events.jsonl"))


def test_one_file_within_the_bound_and_better_than_int8(whole):
    files, events = whole
    assert [file.name for file in files] == ["net.onnx", "net.mixed.onnx"]
    begun, ended = (next(event for event in events if event["kind"] == kind) for kind in ("bits", "mixtures"))
    tried = {tuple(event["formats"]): event for event in events if event["kind"] == "mixture"}
    assert len(tried) == ended["tried"] == TRIED
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


def test_a_resumed_search_ends_as_the_unbroken_one(whole, model, photos, tmp_path, monkeypatch):
    files, events = whole
    shutil.copytree(files[0].parent, tmp_path / "broken" / "export")
    path = tmp_path / "broken" / "export" / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    cut = next(number for number, line in enumerate(lines) if '"mixture"' in line and json.loads(line)["number"] == 4)
    path.write_text("".join(lines[: cut + 1]))
    figures, counted = score.Scorer.figures, []
    monkeypatch.setattr(score.Scorer, "figures", lambda self, mixture: counted.append(mixture) or figures(self, mixture))
    again, after = run(tmp_path / "broken", model, photos, resume=True)
    assert len(counted) == TRIED - 4
    assert again[1].read_bytes() == files[1].read_bytes()
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
    _, events = run(tmp_path / "run", model, photos, formats="int8,float", evaluations=4)
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
