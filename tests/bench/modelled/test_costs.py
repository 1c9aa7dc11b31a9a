"""The table of costs: sums agree with whole networks, entries last, and what has no price says so."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixsearch.bench.measure import frame
from pixsearch.bench.modelled.costs import LEAST_PIXELS, CostTable, Frames
from pixsearch.bench.modelled.estimate import estimate
from pixsearch.bench.modelled.operators import UnpricedError
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.targets.arm64 import Arm64Target
from pixsearch.bench.targets.base import Repeat
from pixsearch.data import progress
from pixsearch.errors import MachineError
from pixsearch.export.onnx import export_float
from pixsearch.infer.session import OnnxModel
from pixsearch.nn.build import build, deploy
from pixsearch.nn.modelfile import make_card
from pixsearch.space.video import VideoSpace
from pixsearch.tasks.base import make_task

from ..machines import require

SPEC = LatencySpec("arm64:a76", 96, 128)


@given(width=st.integers(1, 5000), multiple=st.sampled_from([1, 2, 4, 6]), height=st.integers(1, 5000))
def test_two_frames_give_every_height(width: int, multiple: int, height: int) -> None:
    frames = Frames.under(width, multiple)
    assert frames.low * width >= LEAST_PIXELS
    assert frames.low % multiple == frames.high % multiple == 0
    line = [7.0 + 3.5 * rows for rows in (frames.low, frames.high, height)]
    assert frames.at(height, *line[:2]) == pytest.approx(line[2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    require("arm64")
    return tmp_path_factory.mktemp("costs")


def opened(export):
    return onnx.load(export()), OnnxModel.open(export()).card


def test_the_sum_is_what_the_whole_network_takes(export, folder, monkeypatch):
    """And filling the table is told, operator by operator; a table that is full tells nothing."""
    monkeypatch.setattr(progress, "EVERY_S", 0)
    model, card = opened(export)
    told = []
    with CostTable(Arm64Target("a76"), folder) as table:
        table.note = lambda kind, **fields: told.append((kind, fields["done"], fields["total"]))
        found = estimate(model, card, SPEC, table)
        assert told == [("preparing", done + 1, found.emulated) for done in range(found.emulated)]
        estimate(model, card, SPEC, table)
        assert len(told) == found.emulated
    assert 3 <= found.emulated <= len(model.graph.node)
    assert sum(found.by_operator.values()) == pytest.approx(found.cycles)
    with Arm64Target("a76").prepare(export(), 1) as prepared:
        whole = prepared.run(frame(card, SPEC), Repeat(warmup=3, count=2))
    assert found.latency_ms == pytest.approx(min(whole.latencies_ms), rel=0.03)


def test_entries_last_and_serve_every_height_and_device_of_the_core(export, folder):
    model, card = opened(export)
    with CostTable(Arm64Target("a76"), folder) as table:
        estimate(model, card, SPEC, table)
    with CostTable(Arm64Target("raspberry-pi-5"), folder) as table:
        again = estimate(model, card, LatencySpec("arm64:raspberry-pi-5", 240, 128), table)
        assert again.emulated == 0
        assert again.latency_ms == pytest.approx(again.cycles / 2.4e6 * table.target.device.scale)
    with CostTable(Arm64Target("a55"), folder) as table:
        assert len(table) == 0


def test_the_memory_of_a_device_is_a_floor(export, folder):
    model, card = opened(export)
    target = Arm64Target("raspberry-pi-5")
    with CostTable(target, folder) as table:
        assert estimate(model, card, LatencySpec("arm64:raspberry-pi-5", 96, 128), table).floor_ms == 0  # all of it fits into the cache
        target.device = target.device.model_copy(update={"cache_bytes": 64 << 10, "memory_gb_per_s": 1e-3})
        found = estimate(model, card, LatencySpec("arm64:raspberry-pi-5", 192, 128), table)
    layer = 4 * 96 * 64 * 4  # bytes of four float channels, the activations beyond the cache; the input is smaller
    assert found.latency_ms == found.floor_ms
    layers = found.floor_ms / (layer / 1e3)
    assert layers == pytest.approx(round(layers))
    assert layers >= 6


def test_what_has_no_price_says_why(export, folder):
    model, card = opened(export)
    with CostTable(Arm64Target("a76"), folder) as table:
        for precision in ("fp16", "a16w8"):
            with pytest.raises(UnpricedError, match=f"model in {precision}"):
                estimate(model, card, LatencySpec("arm64:a76", 96, 128, precision), table)


def test_a_table_without_an_emulator_names_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PIXSEARCH_TARGETS", str(tmp_path))
    with pytest.raises(MachineError, match="pixsearch target setup arm64"):
        CostTable(Arm64Target("a76"), tmp_path)


def test_a_state_is_priced_at_its_own_size(tmp_path, folder):
    """A recurrent network behind a space-to-depth head: its state has half the frame's sides."""
    task = make_task("video-sr", 2, "y", {"window": 3})
    space = VideoSpace(task.signature)
    genotype = space.parse({"form": "recurrent", "state": 4, "layers": [{"op": "conv3", "width": 4, "act": "relu"}], "head": "s2d"})
    network = deploy(build(genotype, task.signature, seed=0))
    path = export_float(network, make_card(network, name="small", stage="trained"), tmp_path / "small.onnx")
    card = OnnxModel.open(path).card
    with CostTable(Arm64Target("a76"), folder) as table:
        found = estimate(onnx.load(path), card, SPEC, table)
    with Arm64Target("a76").prepare(path, 1) as prepared:
        whole = prepared.run(frame(card, SPEC), Repeat(warmup=3, count=2))
    assert found.latency_ms == pytest.approx(min(whole.latencies_ms), rel=0.05)
