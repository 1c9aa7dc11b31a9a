"""Successive halving: lower rungs select, the front and the strategy know the highest one alone, and it resumes like the rest."""

from __future__ import annotations

from typing import Any

import pytest
from toys import Learner, ToySpace

from pixsearch.search.engine import Budget
from pixsearch.search.objectives import parse_objectives
from pixsearch.search.rungs import Rungs
from pixsearch.search.scored import Fidelity, Scored
from pixsearch.search.strategies.nsga2 import Nsga2

LOW, HIGH = Fidelity(1, 1, 8), Fidelity(9, 1, 8)


def rungs(*objectives: str, keep: float = 0.25) -> Rungs:
    return Rungs((LOW, HIGH), parse_objectives(objectives), keep)


def scored(*figures: tuple[float, float]) -> list[Scored]:
    """Different genotypes with these PSNRs and multiply-adds."""
    space = ToySpace(1, 99)
    words = [space.parse({"digits": [n]}) for n in range(len(figures))]
    return [Scored(word, {"psnr": psnr, "macs_720p": macs}, LOW.name) for word, (psnr, macs) in zip(words, figures, strict=True)]


def digits(genotypes: list[Any]) -> list[int]:
    return [genotype.digits[0] for genotype in genotypes]


class TestSelection:
    def test_the_share_is_rounded_up_and_kept_in_order(self) -> None:
        tried = scored((30, 5), (33, 1), (31, 4), (34, 2), (20, 9))
        assert digits(rungs("psnr", "macs_720p").best(tried, 0)) == [1, 3]

    def test_failures_never_go_on(self) -> None:
        tried = scored((30, 5), (33, 1))
        failed = [Scored(one.genotype, error="MemoryError") for one in tried]
        assert digits(rungs("psnr", "macs_720p").best([failed[0], tried[1]], 0)) == [1]
        assert rungs("psnr", "macs_720p").best(failed, 0) == []

    def test_a_bound_on_quality_does_not_count_before_the_highest_rung(self) -> None:
        tried = scored((30, 1), (31, 9))
        assert digits(rungs("psnr>=90", "macs_720p", keep=0.9).best(tried, 0)) == [0, 1]

    def test_what_breaks_a_bound_on_a_cost_comes_last(self) -> None:
        tried = scored((39, 9e6), (31, 1e6), (38, 4e6), (30, 2e6))
        assert digits(rungs("psnr", "macs_720p<=3M").best(tried, 0)) == [1]
        assert digits(rungs("psnr", "macs_720p<=3M", keep=0.75).best(tried, 0)) == [1, 2, 3]


def test_only_the_best_climb_and_only_they_are_told(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[str]] = []
    tell = Nsga2.tell
    monkeypatch.setattr(Nsga2, "tell", lambda self, scored: (tell(self, scored), told.append([one.fidelity for one in scored]))[0])
    toy = toy.but(steps=(1, 3, 9), population=16, budget=Budget(evaluations=16))
    judged = toy.run(Learner(toy.space))
    names = [f"{steps} steps, batch 1, patch 8" for steps in (1, 3, 9)]
    assert [event["fidelity"] for event in toy.events("candidate")] == [names[0]] * 16 + [names[1]] * 4 + [names[2]]
    assert [(event["rung"], event["rungs"]) for event in toy.events("candidate")][-5:] == [(2, 3)] * 4 + [(3, 3)]
    assert [event["number"] for event in toy.events("candidate")] == list(range(1, 22))
    assert told == [[names[2]]]
    assert [one.fidelity for one in judged] == [names[2]]
    assert toy.events("generation")[0]["evaluated"] == 21
    assert toy.events("generation")[0]["unique"] == 16


@pytest.mark.parametrize("stop_after", [1, 8, 9, 10, 14, 30])
def test_stopped_at_any_rung_it_resumes_as_unbroken(toy: Any, tmp_path: Any, stop_after: int) -> None:
    unbroken = toy.but(folder=tmp_path / "unbroken", steps=(1, 3))
    expected = unbroken.run(Learner(toy.space))

    def die(genotype: Any, figures: dict[str, float]) -> dict[str, float]:
        if len(evaluator.evaluated) > stop_after:
            raise KeyboardInterrupt
        return figures

    broken = toy.but(steps=(1, 3))
    evaluator = Learner(toy.space, die)
    with pytest.raises(KeyboardInterrupt):
        broken.run(evaluator)
    resumed = broken.run(Learner(toy.space), resume=True)
    assert [(one.id, one.figures) for one in resumed] == [(one.id, one.figures) for one in expected]
    assert [event["id"] for event in broken.events("candidate")] == [event["id"] for event in unbroken.events("candidate")]


def test_a_generation_that_fails_at_the_lowest_rung_ends_nothing_later(toy: Any) -> None:
    def fail(genotype: Any, figures: dict[str, float]) -> dict[str, float]:
        if 11 <= len(evaluator.evaluated) <= 14:
            raise MemoryError
        return figures

    evaluator = Learner(toy.space, fail)
    toy = toy.but(steps=(1, 3))
    judged = toy.run(evaluator)
    assert sum(event["rung"] == 1 for event in toy.events("candidate")) == 40
    assert sum(bool(event["error"]) for event in toy.events("candidate")) == 4
    assert len(judged) == 2 + 7


def test_time_over_at_a_lower_rung_tells_nothing(toy: Any) -> None:
    now = [0.0]

    def tick(genotype: Any, figures: dict[str, float]) -> dict[str, float]:
        now[0] += 1.0
        return figures

    toy = toy.but(steps=(1, 3), budget=Budget(seconds=5.5))
    assert toy.run(Learner(toy.space, tick), clock=lambda: now[0]) == []
    assert len(toy.events("candidate")) == 6
    longer = toy.but(budget=Budget(seconds=20.0))
    assert longer.run(Learner(toy.space, tick), clock=lambda: now[0], resume=True)
