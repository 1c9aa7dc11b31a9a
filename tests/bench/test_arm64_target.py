"""The emulated Arm core: exact outputs, repeatable figures, and figures that follow from what they say they follow from."""

from __future__ import annotations

import numpy as np
import pytest

from pixsearch.bench.measure import noise
from pixsearch.bench.modelled import cycles
from pixsearch.bench.modelled.cores import CORES
from pixsearch.bench.targets.arm64 import Arm64Target, settled
from pixsearch.bench.targets.base import Repeat, open_target
from pixsearch.errors import MachineError, UsageError
from pixsearch.infer.session import OnnxModel

from .machines import require


def test_labels_name_core_clock_and_device():
    assert open_target("arm64").label == "arm64 Cortex-A76 at 2.4 GHz, emulated"
    assert open_target("arm64:snapdragon-855-plus").label == "arm64 Cortex-A76 at 2.96 GHz as in snapdragon-855-plus, emulated"


def test_unknown_cores_and_devices():
    with pytest.raises(UsageError, match="Did you mean `a76`"):
        open_target("arm64:a77")
    with pytest.raises(UsageError, match="Did you mean `snapdragon-855-plus`"):
        open_target("arm64:snapdragon-855")


def test_one_thread_alone_is_modelled(model):
    with pytest.raises(UsageError, match="models a single one"):
        open_target("arm64:a76").prepare(model, 2)


def test_what_is_missing_is_named_with_the_command(model, monkeypatch, tmp_path):
    monkeypatch.setenv("PIXSEARCH_TARGETS", str(tmp_path))
    with pytest.raises(MachineError, match=r"lacks .*arm64 bundle.*pixsearch target setup arm64") as raised:
        open_target("arm64:a76").prepare(model, 1)
    assert raised.value.exit_code == 6


@pytest.fixture(scope="module")
def runs(export):
    """One small network on two cores and a device, five counted runs each."""
    require("arm64")
    model = export()
    inputs = noise(OnnxModel.open(model).card.signature, 24, 32)
    found = {}
    for name in ("a76", "a55", "raspberry-pi-5"):
        with open_target(f"arm64:{name}").prepare(model, 1) as prepared:
            found[name] = prepared.run(inputs, Repeat(warmup=6, count=5), want_outputs=True)
            assert prepared._ask("run", 0, 2, 2, -1, -1)["latencies_ms"] == [0, 0]  # its clock stands still
    return found


def test_runs_agree_to_the_instruction_in_a_process_and_across(runs):
    for measured in runs.values():
        assert max(measured.latencies_ms) == min(measured.latencies_ms)
    core, device = runs["a76"], runs["raspberry-pi-5"]
    assert core.modelled.instructions == device.modelled.instructions
    assert core.load_instructions == pytest.approx(device.load_instructions, rel=1e-2)
    assert core.load_instructions > core.modelled.instructions


def test_the_figures_hang_together(runs):
    for name, measured in runs.items():
        modelled = measured.modelled
        assert sum(modelled.classes.values()) == modelled.instructions
        assert modelled.classes["fmla"] > 0
        assert modelled.covered > 0.99
        assert measured.latencies_ms[-1] == pytest.approx(modelled.cycles / modelled.clock_ghz / 1e6 * modelled.scale)
        assert (modelled.scale != 1) is (name == "raspberry-pi-5")
        assert modelled.floor_ms < measured.latencies_ms[-1]
        assert (modelled.floor_ms > 0) is (name == "raspberry-pi-5")
        assert 0 < modelled.memory_bytes < modelled.loaded_bytes + modelled.stored_bytes
        assert "qemu" in modelled.source
        assert "llvm-mca" in modelled.source


def test_a_small_core_takes_longer(runs):
    assert runs["a55"].modelled.cycles > 1.5 * runs["a76"].modelled.cycles
    np.testing.assert_array_equal(runs["a55"].outputs["output"], runs["a76"].outputs["output"])


def test_the_multiply_adds_are_all_there(runs, export):
    """Each fused instruction does four of them, and there are few beside the convolutions'."""
    macs = OnnxModel.open(export()).card.macs_720p * (48 * 64) / (1280 * 720)
    assert macs / 4 <= runs["a76"].modelled.classes["fmla"] < 2 * macs / 4


def test_cycles_of_known_code():
    """Sixteen independent fused multiply-adds in two pipes; a chain of four waits for each result."""
    require("arm64")
    independent = tuple(f"{0x4E20CC00 | 31 << 16 | 30 << 5 | register:08x}" for register in range(16))
    chain = ("4e3fcfc0",) * 4
    parallel, serial = cycles.block_cycles([independent, chain], CORES["a76"].tables)
    assert parallel == pytest.approx(8, rel=0.15)
    assert serial >= 4 * 2


def test_the_memory_is_a_floor(monkeypatch):
    target = Arm64Target("raspberry-pi-3")
    counts = type("Counts", (), {"instructions": 10, "classes": {}, "loaded_bytes": 0, "stored_bytes": 0, "memory_bytes": 36_000_000})()
    monkeypatch.setattr(target._cycles, "cycles", lambda counts: cycles.Cycles(1.4e6, 10, 1.0))
    monkeypatch.setattr(Arm64Target, "source", "nothing")
    modelled = target.model(counts)
    assert modelled.floor_ms == pytest.approx(10.0)
    assert modelled.latency_ms == modelled.floor_ms


def test_two_like_runs_settle_it():
    assert not settled([1.0], 0.1)
    assert settled([1.0, 1.05], 0.1)
    assert not settled([1.0, 1.2], 0.1)
    assert not settled([1.0, 1.0], None)


@pytest.mark.parametrize("scheme", ["portable", "arm"])
def test_uint8_is_exact_across_processors(export, tmp_path, scheme):
    """What `portable` gives on Arm is what it gives here to the bit; int8 may round otherwise by a level of its output."""
    import onnx

    from pixsearch.export.graph import Graph
    from pixsearch.export.onnx import write_model
    from pixsearch.export.quantize import insert_steps
    from pixsearch.registry import SCHEMES

    require("arm64")
    path = tmp_path / f"{scheme}.onnx"
    model, opened = onnx.load(export()), OnnxModel.open(export())
    ranges = dict.fromkeys([*Graph(model).activations(), "input"], (-1.5, 1.5))
    quantized = insert_steps(model, ranges, SCHEMES.load(scheme))
    write_model(quantized, opened.card.with_(precision="int8"), path)
    here = OnnxModel.open(path, precise_int8=True)
    inputs = noise(here.card.signature, 24, 32)
    with open_target("arm64:a76").prepare(path, 1) as prepared:
        measured = prepared.run(inputs, Repeat(warmup=0, count=1), want_outputs=True)
    assert measured.modelled.classes["dot"] > 0
    apart = np.abs(measured.outputs["output"] - here.run(inputs)).max()
    assert apart == 0 if scheme == "portable" else apart <= 1.5 * 3.0 / 255
