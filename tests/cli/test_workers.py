"""Workers from the command line: Ctrl-C ends them all, the search goes on with others, and what cannot be kept is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from command import pixsearch

from pixsearch.events import read_events

QUICK = ["--population", 4, "--proxy-steps", 20, "--objective", "psnr", "--objective", "macs_720p<=300M"]


def candidates(run: Path) -> int:
    return sum(event["kind"] == "candidate" for event in read_events(run / "search" / "events.jsonl"))


@pytest.mark.slow
def test_ctrl_c_ends_all_workers_and_loses_nothing(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    where = [photos / "train", "--val", photos / "select", "--out", run]
    command = [sys.executable, "-m", "pixsearch.cli", "search", *map(str, [*where, *QUICK, "--evaluations", 500, "--workers", 2])]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while candidates(run) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        workers = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: everybody hears it
        _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "what was begun is not" in said
    assert len(workers) >= 2
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    kept = candidates(run)
    resumed = pixsearch("search", "--resume", run, "--evaluations", kept + 1, "--executor", "inprocess", "--workers", 1, "--json")
    assert resumed.code == 0, resumed.err
    more = pixsearch("search", "--resume", run, "--evaluations", kept + 2, "--workers", 2)  # which name a pool, though it was in-process
    assert more.code == 0, more.err
    assert candidates(run) == kept + 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--candidate-limit", "5m"], "`candidate_limit_s` cannot be enforced in this process; give `workers` too"),
        (["--candidate-memory", "4GiB"], "`candidate_memory_bytes` cannot be enforced in this process"),
        (["--executor", "inprocess", "--workers", 2], "`inprocess` has one worker, not `2`"),
        (["--executor", "pol"], "Did you mean `pool`?"),
        (["--rungs", "1600,400"], "give steps that ascend"),
        (["--rungs", "400,1600", "--proxy-steps", 300], "`proxy_steps` is `300`, but the last of the `rungs` is `1600`"),
    ],
)
def test_what_cannot_be_kept_is_refused(photos: Path, tmp_path: Path, options: list[object], says: str) -> None:
    told = pixsearch("search", photos / "train", "--out", tmp_path / "run", *options)
    assert told.code == 2
    assert says in told.err
