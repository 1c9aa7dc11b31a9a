"""A search killed at random moments and resumed ends bit for bit as the unbroken one, alone or with workers, who never outlive it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

from pixsearch.events import read_events
from pixsearch.rundir import read_json

SCRIPT = Path(__file__).with_name("searching.py")
KILLS = 4
TIMES = {"time", "seconds", "cpu_s", "elapsed_s"}


class Searches:
    """Starts real searches as processes, one at a time."""

    def __init__(self, ask: IO[str], answer: IO[str], pieces: tuple[Path, Path]) -> None:
        self.ask, self.answer, self.pieces = ask, answer, pieces

    def start(self, run: Path, *workers: int) -> int:
        """The number of a process that searches in `run`."""
        print(run, *self.pieces, *workers, file=self.ask, flush=True)
        return int(self.answer.readline())

    def status(self) -> int:
        """How the process ended, once it has."""
        return int(self.answer.readline())


@pytest.fixture
def searches(pieces: tuple[Path, Path]) -> Iterator[Searches]:
    with subprocess.Popen([sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield Searches(process.stdin, process.stdout, pieces)
        process.stdin.close()


def what_counts(run: Path, kind: str) -> list[dict[str, Any]]:
    events = read_events(run / "search" / "events.jsonl")
    return [{key: value for key, value in event.items() if key not in TIMES} for event in events if event["kind"] == kind]


def kill_later(pid: int, run: Path, candidates: int, delay: float) -> None:
    """SIGKILL `delay` seconds after the process has recorded so many candidates and begun another."""
    done, begun = (len(what_counts(run, kind)) for kind in ("candidate", "begun"))
    while len(what_counts(run, "candidate")) < done + candidates or len(what_counts(run, "begun")) < begun + candidates + 1:
        time.sleep(0.005)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_killed_and_resumed_equals_unbroken(tmp_path: Path, searches: Searches) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"moments drawn from seed {seed}")
    moments = random.Random(seed)
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    searches.start(unbroken)
    assert searches.status() == 0
    for _ in range(KILLS):
        pid = searches.start(broken)
        kill_later(pid, broken, moments.randint(0, 2), moments.uniform(0.0, 0.2))
        assert searches.status() == signal.SIGKILL
        print(f"killed with {len(what_counts(broken, 'candidate'))} candidates recorded")
    searches.start(broken)
    assert searches.status() == 0
    for kind in ("candidate", "generation"):
        assert what_counts(broken, kind) == what_counts(unbroken, kind)
    assert len(what_counts(broken, "candidate")) == 12
    assert read_json(broken / "search" / "front.json") == read_json(unbroken / "search" / "front.json")


def in_any_order(run: Path) -> list[dict[str, Any]]:
    return sorted(({**event, "number": None} for event in what_counts(run, "candidate")), key=lambda event: str(event["id"]))


@pytest.mark.slow
def test_with_workers_too_and_they_never_outlive_it(tmp_path: Path, searches: Searches) -> None:
    alone, pool = tmp_path / "alone", tmp_path / "pool"
    searches.start(alone)
    assert searches.status() == 0
    pid = searches.start(pool, 2)
    while len(what_counts(pool, "candidate")) < 5:
        time.sleep(0.01)
    workers = psutil.Process(pid).children(recursive=True)
    assert len(workers) >= 2
    os.kill(pid, signal.SIGKILL)
    assert searches.status() == signal.SIGKILL
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    searches.start(pool, 2)
    assert searches.status() == 0
    assert what_counts(pool, "generation") == what_counts(alone, "generation")
    assert in_any_order(pool) == in_any_order(alone)
    assert read_json(pool / "search" / "front.json") == read_json(alone / "search" / "front.json")
