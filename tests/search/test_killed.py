"""A search killed at random moments and resumed ends bit for bit as the unbroken one."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pixsearch.events import read_events
from pixsearch.rundir import read_json

SCRIPT = Path(__file__).with_name("searching.py")
KILLS = 3
TIMES = {"time", "seconds", "cpu_s", "elapsed_s"}


def start(run: Path, photos: Path, val: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(SCRIPT), str(run), str(photos), str(val)], stderr=subprocess.PIPE)


def kill_later(process: subprocess.Popen[bytes], run: Path, candidates: int, delay: float) -> None:
    """SIGKILL `delay` seconds after the process has begun so many candidates."""
    before = len(what_counts(run, "begun"))
    while process.poll() is None and len(what_counts(run, "begun")) < before + candidates:
        time.sleep(0.01)
    time.sleep(delay)
    process.kill()
    process.communicate()


def finish(process: subprocess.Popen[bytes]) -> None:
    _, said = process.communicate()
    assert process.returncode == 0, said.decode()


def what_counts(run: Path, kind: str) -> list[dict[str, Any]]:
    events = read_events(run / "search" / "events.jsonl")
    return [{key: value for key, value in event.items() if key not in TIMES} for event in events if event["kind"] == kind]


@pytest.mark.slow
def test_killed_and_resumed_equals_unbroken(tmp_path: Path, pieces: tuple[Path, Path]) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"moments drawn from seed {seed}")
    moments = random.Random(seed)
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    finish(start(unbroken, *pieces))
    for _ in range(KILLS):
        kill_later(start(broken, *pieces), broken, moments.randint(1, 4), moments.uniform(0.0, 0.2))
        print(f"killed with {len(what_counts(broken, 'candidate'))} candidates recorded")
    finish(start(broken, *pieces))
    for kind in ("candidate", "generation"):
        assert what_counts(broken, kind) == what_counts(unbroken, kind)
    assert len(what_counts(broken, "candidate")) == 12
    assert read_json(broken / "search" / "front.json") == read_json(unbroken / "search" / "front.json")
