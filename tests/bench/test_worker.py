from __future__ import annotations

import io
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from pixsearch.bench import worker
from pixsearch.bench.targets.local import WORKER


class Session:
    """Counts its runs; by its own clock the first `slow` of them take 50 ms, the others 1."""

    def __init__(self, slow=0, fails=False):
        self.runs, self.slow, self.fails = 0, slow, fails
        self.clock_ns = 0

    def run(self, names, feed):
        self.runs += 1
        if self.fails:
            raise RuntimeError("bad allocation")
        self.clock_ns += 50_000_000 if self.runs <= self.slow else 1_000_000
        return [np.full((1, 1, 2, 2), self.runs, np.float32)]

    def get_outputs(self):
        return [SimpleNamespace(name="output")]


def request(**given):
    return {"inputs": None, "warmup": 0, "count": 5, "least": 1, "box_s": None, "spread": None, "outputs": None, **given}


def test_warm_up_runs_are_made_and_do_not_count(monkeypatch):
    session = Session(slow=3)
    monkeypatch.setattr(worker.time, "perf_counter_ns", lambda: session.clock_ns)
    latencies, waited = worker.time_runs(session, {}, request(warmup=3, count=4), 1)
    assert session.runs == 7
    assert latencies == [1.0] * 4
    assert len(waited) == 4


def test_waiting_is_the_mean_over_threads(monkeypatch):
    queue = iter(range(0, 10**9, 4_000_000))
    monkeypatch.setattr(worker, "queued_ns", lambda: next(queue))
    assert worker.time_runs(Session(), {}, request(count=2), 1)[1] == [4.0, 4.0]
    assert worker.time_runs(Session(), {}, request(count=2), 2)[1] == [2.0, 2.0]


@pytest.mark.parametrize(
    ("latencies", "spread", "enough"),
    [
        ([10.0] * 4, 0.01, True),
        ([10.0] * 3, 0.01, False),
        ([10.0] * 4, None, False),
        ([10.0, 12.0, 8.0, 11.0, 9.0], 0.01, False),
        ([10.0, 10.1, 9.9, 10.0, 10.0, 90.0, 10.0, 10.1], 0.01, True),
        ([1.0, 100.0] * 10, 0.1, False),
    ],
)
def test_a_median_settles_when_its_error_is_small(latencies, spread, enough):
    assert worker.settled(latencies, spread) is enough


def test_waiting_does_not_keep_one_thread_s_median_from_settling(monkeypatch):
    """Runs that differ only by how long they stood in the queue are alike."""
    waits = [0.0, 30e6, 5e6, 80e6, 12e6] * 4
    clock = np.cumsum([0.0] + [step for wait in waits for step in (10e6 + wait, 0.0)]).tolist()
    queue = np.cumsum([0.0] + [step for wait in waits for step in (wait, 0.0)]).tolist()
    runs = {}
    for threads in (1, 2):
        ticks, queued = iter(clock), iter(queue)
        with monkeypatch.context() as patched:
            patched.setattr(worker.time, "perf_counter_ns", lambda ticks=ticks: next(ticks))
            patched.setattr(worker, "queued_ns", lambda queued=queued: next(queued))
            runs[threads] = len(worker.time_runs(Session(), {}, request(count=20, least=5, spread=0.01), threads)[0])
    assert runs == {1: 5, 2: 20}


def serve(session, *requests, monkeypatch):
    answers = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(json.dumps(line) + "\n" for line in requests)))
    worker.serve(session, answers, 1)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def test_a_failed_run_is_an_answer(monkeypatch):
    assert serve(Session(fails=True), request(), monkeypatch=monkeypatch) == [{"error": "bad allocation"}]


def test_outputs_are_saved_where_they_are_wanted(monkeypatch, tmp_path):
    plain, saved = serve(Session(), request(), request(outputs=str(tmp_path)), monkeypatch=monkeypatch)
    assert plain["outputs"] == {}
    assert np.load(saved["outputs"]["output"]).shape == (1, 1, 2, 2)


def test_what_libraries_print_is_no_answer(model):
    code = WORKER.read_text().replace("    session = ort.Inf", '    os.write(1, b"chatter")\n    print("more")\n    session = ort.Inf')
    order = json.dumps({"model": str(model), "threads": 1, "settings": {}})
    done = subprocess.run([sys.executable, "-P", "-c", code, order], input="", capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["provider"] == "CPUExecutionProvider"
    assert "chatter" in done.stderr
