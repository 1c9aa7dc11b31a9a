"""The search on many processes: the same record as on one, faults that end a worker only, latencies taken in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from toys import Learner, Perilous, Quiet, be_killed, eat, hang

from pixsearch.events import read_events
from pixsearch.search.engine import Budget
from pixsearch.search.executors.base import Crew

MOMENTS = {"time", "seconds", "cpu_s", "elapsed_s", "number"}


def recorded(toy: Any, kind: str = "candidate") -> list[dict[str, Any]]:
    """What must agree whatever the number of workers: all but times and the order of events."""
    events = [{key: value for key, value in event.items() if key not in MOMENTS} for event in toy.events(kind)]
    return sorted(events, key=lambda event: (event.get("fidelity", ""), event.get("id", ""), event.get("evaluated", 0)))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("steps", [(1,), (1, 4)])
def test_the_record_is_the_same_everywhere(toy: Any, tmp_path: Any, executor_name: str, workers: int, steps: tuple[int, ...]) -> None:
    alone = toy.but(folder=tmp_path / "alone", steps=steps)
    expected = alone.run(Learner(toy.space))
    many = toy.but(executor=executor_name, crew=Crew(workers=workers), steps=steps)
    assert [one.id for one in many.run(Learner(toy.space))] == [one.id for one in expected]
    assert recorded(many) == recorded(alone)
    assert recorded(many, "generation") == recorded(alone, "generation")


@pytest.mark.parametrize(
    ("peril", "limits", "says"),
    [
        (be_killed, {}, "ended by SIGKILL. It was tried 2 times."),
        (hang, {"limit_s": 0.5}, "longer than the limit of 0.5 s. It was tried 2 times."),
        (eat, {"memory_bytes": 400 * 2**20}, "of memory; the limit is 419 MB. It was tried 2 times."),
    ],
)
def test_a_candidate_that_ends_its_worker_fails_alone(
    toy: Any, tmp_path: Any, peril: Callable[[], None], limits: dict[str, Any], says: str
) -> None:
    victim = toy.but(folder=tmp_path / "before").run()[9].id
    pool = toy.but(executor="pool", crew=Crew(workers=2, **limits))
    scored = pool.run(Perilous(toy.space, victim, peril))
    (failed,) = [event for event in pool.events("candidate") if event["error"]]
    assert failed["id"] == victim
    assert says in failed["error"]
    assert len(scored) == len({one.id for one in scored}) == 40
    assert [event["evaluated"] for event in pool.events("generation")] == list(range(8, 41, 4))
    assert f"Candidate {victim} is tried again." in pool.events("warning")[0]["text"]
    assert [event["id"] for event in pool.events("begun")].count(victim) == 2


def test_time_over_ends_what_was_begun_and_no_more(toy: Any) -> None:
    pool = toy.but(executor="pool", budget=Budget(seconds=5.0))
    scored = pool.run(clock=lambda: 9.0 if pool.folder.exists() and pool.events("candidate") else 0.0)
    assert len(scored) == len(toy.events("candidate")) == len(toy.events("begun"))
    assert 0 < len(scored) < 8


@pytest.mark.parametrize("name", ["inprocess", "pool"])
def test_latencies_are_measured_while_no_candidate_is_evaluated(toy: Any, tmp_path: Any, name: str) -> None:
    folder = tmp_path / "going-on"
    folder.mkdir()
    toy = toy.but("psnr macs_720p<=300M latency@local", executor=name)
    evaluator = Quiet(toy.space, folder)
    toy.run(evaluator)
    assert evaluator.going_on == [0] * 40
    everything = read_events(toy.folder / "search" / "events.jsonl")
    kinds = [event["kind"] for event in everything if event["kind"] in ("measured", "candidate", "generation")]
    assert kinds[:17] == ["measured"] * 8 + ["candidate"] * 8 + ["generation"]
    assert all(len(event["figures"]) == 6 for event in toy.events("candidate"))
