"""The record read back: latencies are measured once, candidates survive as they were, and settings load nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixsearch.events import Event, read_events
from pixsearch.search.deaths import Witness
from pixsearch.search.record import Record
from pixsearch.search.scored import Scored


class Log(list[Event]):
    """Events kept in memory."""

    def __call__(self, kind: str, **fields: Any) -> None:
        self.append({"kind": kind, **fields})


@pytest.fixture
def log() -> Log:
    return Log()


def opened(toy: Any, log: Log, tmp_path: Path, **settings: Any) -> Record:
    return Record(list(log), log, toy.space, toy.objectives, witness=Witness(tmp_path), **settings)


def test_a_latency_is_measured_once_in_all_processes(toy: Any, log: Log, tmp_path: Path) -> None:
    genotype, other = toy.space.smallest(), toy.space.largest()
    record = opened(toy, log, tmp_path)
    assert record.latency(genotype, "latency@a", lambda: 7.25) == 7.25
    assert record.latency(genotype, "latency@a", lambda: 1 / 0) == 7.25
    assert record.latency(genotype, "latency@b", lambda: 8.5) == 8.5
    assert record.latency(other, "latency@a", lambda: 9.5) == 9.5
    again = opened(toy, log, tmp_path)
    assert [again.latency(g, "latency@a", lambda: 1 / 0) for g in (genotype, other)] == [7.25, 9.5]


def test_candidates_come_back_as_they_were(toy: Any, log: Log, tmp_path: Path) -> None:
    figures = {"psnr": 0.1 + 0.2, "macs_720p": 1e9 / 3}
    kept = [Scored(toy.space.smallest(), figures, "f", None, 1.5, 0.5), Scored(toy.space.largest(), {}, "f", "MemoryError: ")]
    now = [100.0]
    record = opened(toy, log, tmp_path, clock=lambda: now[0])
    for one in kept:
        now[0] += 2
        record.keep(one)
    again = opened(toy, log, tmp_path)
    assert [again.tried(one.genotype, "f") for one in kept] == [replace(one, elapsed_s=2.0 * n) for n, one in enumerate(kept, 1)]
    assert [record.tried(one.genotype, "f") for one in kept] == [again.tried(one.genotype, "f") for one in kept]
    assert again.tried(kept[0].genotype, "another fidelity") is None
    assert again.count == 2


def test_time_goes_on_where_the_record_ends(toy: Any, log: Log, tmp_path: Path) -> None:
    now = [100.0]
    record = opened(toy, log, tmp_path, clock=lambda: now[0])
    now[0] = 130.0
    record.keep(Scored(toy.space.smallest(), {}, "f"))
    now[0] = 9000.0
    again = opened(toy, log, tmp_path, clock=lambda: now[0])
    now[0] = 9005.0
    assert again.elapsed() == pytest.approx(35.0)


def test_a_half_written_event_is_passed_over(toy: Any) -> None:
    expected = toy.run()
    path = toy.folder / "search" / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    cut = next(i for i, line in enumerate(lines) if b'"number": 7' in line)
    path.write_bytes(b"".join(lines[:cut]) + lines[cut][:40])
    assert [(one.id, one.figures) for one in toy.run(resume=True)] == [(one.id, one.figures) for one in expected]
    assert len(list(read_events(path))) > 80


@pytest.mark.parametrize("module", ["config", "objectives", "pick"])
def test_what_the_command_line_needs_at_once_loads_nothing_heavy(module: str) -> None:
    heavy = ("torch", "onnx", "onnxruntime", "pymoo", "cv2")
    code = f"import sys, pixsearch.search.{module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
