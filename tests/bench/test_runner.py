"""The C runner on this machine: its whole protocol, and that its own table of ONNX Runtime's functions is the library's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from pixsearch.bench.bundle import Bundle, own_bundle
from pixsearch.bench.measure import noise
from pixsearch.bench.targets.child import Child
from pixsearch.errors import MachineError
from pixsearch.infer.session import OnnxModel

TIMEOUT_S = 120.0


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    try:
        return own_bundle()
    except MachineError as reason:
        pytest.skip(str(reason))


@pytest.fixture
def start(bundle, tmp_path):
    """`start(model, "1", "-")`: a runner and its first line."""
    children: list[Child] = []

    def started(*arguments):
        command = [*bundle.command(str(bundle.folder)), *map(str, arguments)]
        children.append(Child(command, {}, tmp_path, "The runner"))
        return children[-1], children[-1].hear(TIMEOUT_S)

    yield started
    for child in children:
        child.close()


def line(*words):
    return "\t".join(map(str, words))


def give(child, model, tmp_path, height=24, width=32):
    planes = noise(OnnxModel.open(model).card.signature, height, width)["input"]
    planes.tofile(tmp_path / "in.raw")
    child.say(line("input", 0, tmp_path / "in.raw", *planes.shape))
    return planes


def test_it_speaks_to_the_library_that_python_speaks_to(start, model):
    _, loaded = start(model, 1, "-")
    assert loaded["runtime"] == f"onnxruntime {ort.__version__}"
    assert (loaded["inputs"], loaded["outputs"]) == (["input"], ["output"])
    assert loaded["load_ms"] > 0
    assert loaded["runtime_bytes"] > 1e6


def test_its_output_is_the_library_s_to_the_bit(start, model, tmp_path):
    child, _ = start(model, 1, "-")
    planes = give(child, model, tmp_path)
    answer = child.ask(line("save", tmp_path / "out.raw"), TIMEOUT_S)
    wanted = ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"input": planes})[0]
    assert answer == {"shapes": [list(wanted.shape)], "types": [1]}
    np.testing.assert_array_equal(np.fromfile(tmp_path / "out.raw", np.float32).reshape(wanted.shape), wanted)


def test_it_times_as_often_as_it_is_told(start, model, tmp_path):
    child, _ = start(model, 1, "-")
    give(child, model, tmp_path)
    answer = child.ask(line("run", 2, 5, 1, -1, -1), TIMEOUT_S)
    assert len(answer["latencies_ms"]) == len(answer["waited_ms"]) == 5
    assert min(answer["latencies_ms"]) > 0
    assert answer["peak_bytes"] > 1e6
    assert len(child.ask(line("run", 0, 50, 4, 0, -1), TIMEOUT_S)["latencies_ms"]) == 4
    assert len(child.ask(line("run", 0, 50, 5, -1, 1e9), TIMEOUT_S)["latencies_ms"]) == 5
    assert len(child.ask(line("run", 0, 12, 5, -1, 0), TIMEOUT_S)["latencies_ms"]) == 12


def test_it_reads_the_battery_between_runs(start, model, tmp_path):
    for name, text in {"current_now": "-500000", "voltage_now": "4000000", "status": "Discharging"}.items():
        (tmp_path / name).write_text(f"{text}\n")
    child, _ = start(model, 1, "-", f"power={tmp_path}")
    give(child, model, tmp_path)
    answer = child.ask(line("run", 0, 3, 3, -1, -1), TIMEOUT_S)
    assert (answer["power_w"][0], answer["battery"]) == (2.0, "Discharging")
    assert len(answer["power_w"]) <= 3  # one in a tenth of a second, whatever a run takes
    (tmp_path / "current_now").unlink()
    assert child.ask(line("run", 0, 3, 3, -1, -1), TIMEOUT_S)["power_w"] == []


def test_faults_are_told_and_the_next_request_works(start, model, tmp_path):
    child, _ = start(model, 1, "-")
    assert "was not given" in child.ask(line("run", 0, 1, 1, -1, -1), TIMEOUT_S)["error"]
    child.say(line("input", 3, tmp_path / "in.raw", 1))
    assert "no such input" in child.ask(line("run", 0, 1, 1, -1, -1), TIMEOUT_S)["error"]
    child.say(line("input", 0, tmp_path / "missing", 1, 1, 8, 8))
    assert "missing or too short" in child.ask(line("run", 0, 1, 1, -1, -1), TIMEOUT_S)["error"]
    assert "cannot read" in child.ask("nonsense", TIMEOUT_S)["error"]
    give(child, model, tmp_path)
    assert "cannot be written" in child.ask(line("save", tmp_path / "no" / "folder"), TIMEOUT_S)["error"]
    assert len(child.ask(line("run", 0, 1, 1, -1, -1), TIMEOUT_S)["latencies_ms"]) == 1


def test_it_takes_another_model_instead(start, model, export, tmp_path):
    child, _ = start(model, 1, "-")
    give(child, model, tmp_path)
    child.ask(line("run", 0, 1, 1, -1, -1), TIMEOUT_S)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    assert "model" in child.ask(line("load", tmp_path / "broken.onnx"), TIMEOUT_S)["error"]
    assert "no model is loaded" in child.ask(line("run", 0, 1, 1, -1, -1), TIMEOUT_S)["error"]
    other = export("plain-m1c4", scale=3)
    assert child.ask(line("load", other), TIMEOUT_S)["load_ms"] > 0
    assert "was not given" in child.ask(line("run", 0, 1, 1, -1, -1), TIMEOUT_S)["error"]
    planes = give(child, other, tmp_path)
    answer = child.ask(line("save", tmp_path / "out.raw"), TIMEOUT_S)
    wanted = ort.InferenceSession(other, providers=["CPUExecutionProvider"]).run(None, {"input": planes})[0]
    assert answer["shapes"] == [list(wanted.shape)]
    np.testing.assert_array_equal(np.fromfile(tmp_path / "out.raw", np.float32).reshape(wanted.shape), wanted)


def test_it_keeps_the_graph_that_the_library_makes(start, model, tmp_path):
    import onnx

    start(model, 1, "-", f"optimized={tmp_path / 'made.onnx'}")
    kinds = {node.op_type for node in onnx.load(tmp_path / "made.onnx").graph.node}
    assert "Relu" not in kinds
    assert "DepthToSpace" in kinds


def test_what_cannot_be_loaded_says_where_the_fault_is(start, tmp_path, model):
    (tmp_path / 'bro"ken.onnx').write_bytes(b"no model")
    _, said = start(tmp_path / 'bro"ken.onnx', 1, "-")
    assert said["at"] == "model"
    assert 'bro"ken' in said["error"]
    assert start(model, 1, "99999")[1]["at"] == "machine"
    assert start(model, 1, "-", "no-value")[1]["error"].startswith("a setting has no value")


def test_it_keeps_to_the_processors_it_is_given(start, model):
    child, _ = start(model, 1, "0")
    status = Path(f"/proc/{child.pid}/status").read_text()
    assert "Cpus_allowed_list:\t0\n" in status


def test_a_library_that_is_none(bundle, tmp_path, model):
    (tmp_path / "lib.so").write_bytes(b"\x7fELF")
    command = bundle.command(str(bundle.folder))[:-1]
    done = subprocess.run([*command, str(tmp_path / "lib.so"), str(model), "1", "-"], capture_output=True, text=True, check=True)
    assert '"at": "machine"' in done.stdout
