"""A candidate that ends the process is given up after three times; a process ended by somebody costs nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pixsearch.search.deaths import Witness, deaths, oom_kills

FIDELITY = "1x1x8"


def begun(id: str = "aa", kills: int | None = 0, crash_bytes: int = 0) -> dict[str, Any]:
    return {"kind": "begun", "id": id, "fidelity": FIDELITY, "oom_kills": kills, "crash_bytes": crash_bytes}


def now(kills: int | None = 0, crash_bytes: int = 0) -> dict[str, Any]:
    return {"oom_kills": kills, "crash_bytes": crash_bytes}


def test_ends_for_lack_of_memory_count() -> None:
    past = [begun(kills=4), begun(kills=5), begun(kills=6)]
    assert deaths(past, "aa", FIDELITY, now(7)) == 3
    assert deaths(past, "aa", FIDELITY, now(6)) == 2
    assert deaths(past, "bb", FIDELITY, now(7)) == 0
    assert deaths(past, "aa", "9x1x8", now(7)) == 0


def test_a_process_killed_by_somebody_does_not_count() -> None:
    assert deaths([begun(), begun(), begun(), begun()], "aa", FIDELITY, now()) == 0
    assert deaths([begun(kills=9)], "aa", FIDELITY, now(0)) == 0  # the machine was started anew


def test_crashes_count() -> None:
    assert deaths([begun(crash_bytes=0), begun(crash_bytes=800)], "aa", FIDELITY, now(0, 1600)) == 2


def test_without_the_kernels_count_every_end_but_an_orderly_stop_counts() -> None:
    past = [begun(kills=None), {"kind": "stopped"}, begun(kills=None), begun(kills=None)]
    assert deaths(past, "aa", FIDELITY, now(None)) == 2


def test_the_kernels_count_is_read(tmp_path: Path) -> None:
    (tmp_path / "vmstat").write_text("nr_free_pages 12\noom_kill 3\noom_kill_other 9\n")
    assert oom_kills(tmp_path / "vmstat") == 3
    (tmp_path / "vmstat").write_text("nr_free_pages 12\n")
    assert oom_kills(tmp_path / "vmstat") is None
    assert oom_kills(tmp_path / "absent") is None


def test_a_crash_leaves_its_last_words(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from pixsearch.search.deaths import Witness\n"
        "with Witness(Path(sys.argv[1])) as witness:\n"
        "    assert witness.state()['crash_bytes'] == 0\n"
        "    os.kill(os.getpid(), getattr(signal, sys.argv[2]))\n"
    )
    for name in ("SIGABRT", "SIGKILL"):
        (tmp_path / name).mkdir()
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name), name], check=False, env={**os.environ, "PYTHONFAULTHANDLER": ""})
    assert "Fatal Python error: Aborted" in (tmp_path / "SIGABRT" / "crashes.log").read_text()
    assert (tmp_path / "SIGKILL" / "crashes.log").read_text() == ""


def test_a_quiet_end_leaves_no_file(tmp_path: Path) -> None:
    with Witness(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_deadly_candidate_is_recorded_as_failed_and_the_search_goes_on(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kills = [0]
    monkeypatch.setattr("pixsearch.search.deaths.oom_kills", lambda: kills[0])

    def die(genotype: Any, figures: dict[str, float]) -> dict[str, float]:
        if len(evaluator.evaluated) == 5 or genotype.id == deadly:
            kills[0] += 1
            raise SystemExit  # as good as killed: nothing of the candidate is recorded
        return figures

    deadly = ""
    evaluator = toy.formula(die)
    with pytest.raises(SystemExit):
        toy.run(evaluator)
    deadly = evaluator.evaluated[-1]
    forget_stops(toy)
    for _ in range(2):
        evaluator = toy.formula(die)
        with pytest.raises(SystemExit):
            toy.run(evaluator, resume=True)
        forget_stops(toy)
        assert evaluator.evaluated == [deadly]
    scored = toy.run(resume=True)
    assert len(scored) == 40
    assert [one.id for one in scored if one.error] == [deadly]
    assert "ended the whole process 3 times" in (scored[4].error or "")


def forget_stops(toy: Any) -> None:
    """A killed process writes no `stopped`."""
    path = toy.folder / "search" / "events.jsonl"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if '"kind": "stopped"' not in line))
