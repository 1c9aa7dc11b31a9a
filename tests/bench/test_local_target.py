from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pixsearch.bench.measure import noise
from pixsearch.bench.targets import local
from pixsearch.bench.targets.base import Measurement, Repeat
from pixsearch.bench.targets.local import LocalTarget
from pixsearch.errors import MachineError, UsageError
from pixsearch.infer.session import OnnxModel

LONG = Repeat(warmup=0, count=1_000_000)


@pytest.fixture
def inputs(model):
    return noise(OnnxModel.open(model).card.signature, 48, 64)


def test_it_says_that_it_is_no_phone(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert LocalTarget().label.endswith("not a phone")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert "phone" not in LocalTarget().label


def test_it_takes_no_argument():
    with pytest.raises(UsageError, match="nothing after a colon"):
        LocalTarget("fast")


def test_the_child_imports_numpy_and_onnxruntime_alone(model):
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['worker', {json.dumps(json.dumps({'model': str(model), 'threads': 1, 'settings': {}}))}]\n"
        f"runpy.run_path({str(local.WORKER)!r}, run_name='__main__')\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], input="", capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["load_ms"] > 0
    for name in ("torch", "cv2", "pydantic", "pixsearch", "onnx", "yaml"):
        assert f"'{name}'" not in done.stderr


def test_peak_memory_does_not_start_with_the_parents(model, inputs):
    ballast = np.ones(400_000_000, np.uint8)
    with LocalTarget().prepare(model, 1) as prepared:
        measured = prepared.run(inputs, Repeat(warmup=0, count=1))
    assert ballast.all()
    assert measured.peak_bytes < 300e6


def test_loading_is_no_part_of_the_latency(model, inputs, monkeypatch):
    """A session that takes long to create must not run any slower."""
    slow = Path(local.WORKER).read_text().replace("    start = time.perf_counter()\n", "    start = time.perf_counter(); time.sleep(0.5)\n")
    assert "time.sleep(0.5)" in slow
    with monkeypatch.context() as patched:
        worker = model.parent / "slow_worker.py"
        worker.write_text(slow)
        patched.setattr(local, "WORKER", worker)
        with LocalTarget().prepare(model, 1) as prepared:
            measured = prepared.run(inputs, Repeat(warmup=1, count=5))
    assert measured.load_ms > 500
    assert min(measured.latencies_ms) < 250


def test_a_killed_child_is_told_with_the_likely_reason(model, inputs):
    with LocalTarget().prepare(model, 1) as prepared:
        os.kill(prepared.pid, 9)
        with pytest.raises(MachineError, match=rf"`{model.name}` was ended by SIGKILL.*ran out of memory"):
            prepared.run(inputs, LONG)


def test_a_child_that_takes_too_long_is_ended(model, inputs, monkeypatch):
    monkeypatch.setattr(LocalTarget, "run_timeout_s", 0.3)
    with LocalTarget().prepare(model, 1) as prepared:
        pid = prepared.pid
        with pytest.raises(MachineError, match=r"no answer within 0\.3 s"):
            prepared.run(inputs, LONG)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_nothing_stays_behind(model, inputs, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with LocalTarget().prepare(model, 1) as prepared:
        prepared.run(inputs, Repeat(warmup=0, count=1), want_outputs=True)
        pid = prepared.pid
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_nothing_stays_behind_when_loading_fails(tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "broken.onnx").write_bytes(b"broken")
    with pytest.raises(Exception, match="broken"):
        LocalTarget().prepare(tmp_path / "broken.onnx", 1)
    assert not list((tmp_path / "scratch").iterdir())


def test_a_full_disk_is_told(model, inputs, monkeypatch):
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with LocalTarget().prepare(model, 1) as prepared:
        monkeypatch.setattr(local.np, "save", full)
        with pytest.raises(MachineError, match="No space left"):
            prepared.run(inputs, Repeat(count=1))


def test_a_terminal_s_interrupt_does_not_reach_the_child(model):
    with LocalTarget().prepare(model, 1) as prepared:
        assert os.getpgid(prepared.pid) != os.getpgid(0)


def measured(latencies, waited, threads=1):
    return Measurement(latencies, waited, threads, 1.0, None, None, "CPU", "ort", False)


def test_waiting_is_taken_off_one_thread_alone():
    assert measured((10.0, 30.0), (0.0, 20.0)).alone_ms == (10.0, 10.0)
    assert measured((10.0, 30.0), (0.0, 20.0), threads=2).alone_ms == (10.0, 30.0)
    assert measured((10.0, 30.0), ()).alone_ms == (10.0, 30.0)


def test_how_busy_the_machine_was():
    assert measured((10.0, 30.0), (0.0, 20.0)).waited_share == 0.5
    assert measured((10.0, 30.0), ()).waited_share is None


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this system does not count waiting for a core")
def test_a_rival_on_the_same_core_costs_waiting_but_no_latency(export):
    """Pinned to one core beside a busy process, half of the clocked time is waiting."""
    file = export("plain-m4c16")
    frame = noise(OnnxModel.open(file).card.signature, 180, 320)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    rivals = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(2)]
    try:
        with LocalTarget().prepare(file, 1) as prepared:
            crowded = prepared.run(frame, Repeat(warmup=2, count=15))
    finally:
        for rival in rivals:
            rival.kill()
            rival.wait()
        os.sched_setaffinity(0, before)
    assert crowded.waited_share > 0.3
    assert np.median(crowded.alone_ms) < 0.7 * np.median(crowded.latencies_ms)
