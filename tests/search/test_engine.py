"""The engine with formulas for trainings: failures are borne, the record is the state, budgets end it."""

from __future__ import annotations

from typing import Any

import pytest

from pixsearch import interrupt
from pixsearch.errors import Interrupted, MachineError
from pixsearch.events import read_events
from pixsearch.search.engine import Budget
from pixsearch.search.strategies.nsga2 import Nsga2


def told(scored: list[Any]) -> list[tuple[str, dict[str, float], str | None]]:
    """What must agree between a resumed and an unbroken search: all but times."""
    return [(one.id, one.figures, one.error) for one in scored]


def recorded(toy: Any) -> list[dict[str, Any]]:
    return [{k: v for k, v in e.items() if k not in ("time", "seconds", "cpu_s", "elapsed_s")} for e in toy.events("candidate")]


def test_a_budget_of_evaluations_is_kept_exactly(toy: Any) -> None:
    evaluator = toy.formula()
    scored = toy.but(budget=Budget(evaluations=27)).run(evaluator)
    assert len(scored) == len(evaluator.evaluated) == len(set(evaluator.evaluated)) == 27
    assert [event["number"] for event in toy.events("candidate")] == list(range(1, 28))
    generations = toy.events("generation")
    assert [event["evaluated"] for event in generations] == [8, 12, 16, 20, 24, 27]
    assert generations[-1]["unique"] == 27


def test_results_are_told_in_the_order_asked_for_also_out_of_the_record(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    heard: list[list[str]] = []
    ask, tell = Nsga2.ask, Nsga2.tell
    monkeypatch.setattr(Nsga2, "ask", lambda self, n: (found := ask(self, n), asked.append([g.id for g in found]))[0])
    monkeypatch.setattr(Nsga2, "tell", lambda self, scored: (tell(self, scored), heard.append([one.id for one in scored]))[0])
    toy.but(budget=Budget(evaluations=20)).run()
    toy.run(resume=True)
    assert asked == heard
    assert len(asked) == 4 + 9


def test_each_candidate_is_recorded_before_the_next_is_begun(toy: Any) -> None:
    toy.run()
    everything = read_events(toy.folder / "search" / "events.jsonl")
    kinds = [event["kind"] for event in everything if event["kind"] in ("begun", "candidate")]
    assert kinds == ["begun", "candidate"] * 40


@pytest.mark.parametrize("stop_after", [1, 7, 8, 13, 39])
def test_stopped_and_resumed_equals_unbroken(toy: Any, tmp_path: Any, stop_after: int) -> None:
    unbroken = toy.but(folder=tmp_path / "unbroken")
    expected = unbroken.run()

    def die(genotype: Any, figures: dict[str, float]) -> dict[str, float]:
        if len(evaluator.evaluated) > stop_after:
            raise KeyboardInterrupt
        return figures

    evaluator = toy.formula(die)
    with pytest.raises(KeyboardInterrupt):
        toy.run(evaluator)
    rest = toy.formula()
    assert told(toy.run(rest, resume=True)) == told(expected)
    assert len(rest.evaluated) == 40 - stop_after
    assert recorded(toy) == recorded(unbroken)


def test_a_finished_search_replays_without_evaluating(toy: Any) -> None:
    first = toy.run()
    again = toy.formula()
    assert told(toy.run(again, resume=True)) == told(first)
    assert again.evaluated == []
    assert len(toy.events("generation")) == 9


@pytest.mark.parametrize("strategy", ["nsga2", "random"])
def test_a_larger_budget_goes_on_as_if_it_had_been_given_at_first(toy: Any, tmp_path: Any, strategy: str) -> None:
    toy = toy.but(strategy=strategy)
    expected = toy.but(folder=tmp_path / "unbroken").run()
    toy.but(budget=Budget(evaluations=18)).run()
    assert told(toy.run(resume=True)) == told(expected)


def test_failing_candidates_are_recorded_and_the_search_goes_on(toy: Any) -> None:
    errors = [MemoryError("no room"), RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory"), MachineError("child died")]

    def fail(genotype: Any, figures: dict[str, float]) -> dict[str, float]:
        if len(evaluator.evaluated) % 4 == 0:
            raise errors[len(evaluator.evaluated) // 4 % 3]
        return figures

    evaluator = toy.formula(fail)
    scored = toy.run(evaluator)
    failed = [event for event in toy.events("candidate") if event["error"]]
    assert len(scored) == 40
    assert len(failed) == 10
    assert {event["error"].split(":")[0] for event in failed} == {"MemoryError", "RuntimeError", "MachineError"}
    assert not any(event["feasible"] for event in failed)
    assert told(toy.run(resume=True)) == told(scored)


def test_figures_that_are_no_numbers_are_a_failure(toy: Any) -> None:
    scored = toy.run(toy.formula(lambda g, figures: {**figures, "psnr": float("nan")} if sum(g.digits) % 2 else figures))
    failed = [one for one in scored if one.error]
    assert failed
    assert all("psnr is nan" in (one.error or "") and not one.figures for one in failed)


def test_when_all_of_the_first_generation_fail_the_search_stops(toy: Any) -> None:
    def fail(genotype: Any, figures: dict[str, float]) -> dict[str, float]:
        raise RuntimeError("broken build")

    evaluator = toy.formula(fail)
    with pytest.raises(MachineError, match="All 8 candidates of the first generation failed.*broken build"):
        toy.run(evaluator)
    assert len(evaluator.evaluated) == 8


def test_an_exhausted_space_ends_the_search_with_a_word(tiny: Any) -> None:
    scored = tiny.run()
    assert 14 <= len(scored) <= 16
    assert "exhausted" in tiny.events("warning")[0]["text"]


def test_a_budget_of_time_counts_all_processes(toy: Any) -> None:
    now = [0.0]

    def tick(genotype: Any, figures: dict[str, float]) -> dict[str, float]:
        now[0] += 1.0
        return figures

    short = toy.but(budget=Budget(seconds=9.5))
    assert len(short.run(toy.formula(tick), clock=lambda: now[0])) == 10
    assert toy.events("candidate")[-1]["elapsed_s"] == pytest.approx(10.0)
    now[0] = 5000.0  # another process, another clock
    longer = toy.but(budget=Budget(seconds=15.5))
    assert len(longer.run(toy.formula(tick), clock=lambda: now[0], resume=True)) == 16
    assert len(short.run(toy.formula(tick), clock=lambda: now[0], resume=True)) == 16


def test_time_out_in_a_generation_loses_nothing(toy: Any, tmp_path: Any) -> None:
    expected = toy.but(folder=tmp_path / "unbroken").run()
    now = [0.0]

    def tick(genotype: Any, figures: dict[str, float]) -> dict[str, float]:
        now[0] += 1.0
        return figures

    toy.but(budget=Budget(seconds=9.5)).run(toy.formula(tick), clock=lambda: now[0])
    assert told(toy.run(resume=True)) == told(expected)


def test_asked_to_stop_it_finishes_the_candidate_and_can_go_on(toy: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = toy.but(folder=tmp_path / "unbroken").run()

    def ask(genotype: Any, figures: dict[str, float]) -> dict[str, float]:
        if len(evaluator.evaluated) == 11:
            interrupt._asked.set()
        return figures

    evaluator = toy.formula(ask)
    try:
        with pytest.raises(Interrupted, match="Resume"):
            toy.run(evaluator)
    finally:
        interrupt._asked.clear()
    assert len(toy.events("candidate")) == 11
    assert told(toy.run(resume=True)) == told(expected)


def test_a_stop_within_a_candidate_passes_through(toy: Any) -> None:
    def stop(genotype: Any, figures: dict[str, float]) -> dict[str, float]:
        raise Interrupted("Stopped as asked.")

    with pytest.raises(Interrupted, match=r"0 candidates are recorded, what was begun is not\. Resume\."):
        toy.run(toy.formula(stop))
    assert toy.events("candidate") == []
