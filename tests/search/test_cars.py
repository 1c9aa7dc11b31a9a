"""CARS on the toy space: who is asked for again, how offspring are made, and what growth protects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pixsearch.search.engine import Budget
from pixsearch.search.evaluators.base import Evaluator
from pixsearch.search.front import comparable
from pixsearch.search.objectives import growth
from pixsearch.search.scored import Scored
from pixsearch.search.strategies.cars import Cars


@pytest.fixture
def cars(toy: Any) -> Any:
    return toy.but(strategy="cars")


class Drifting(Evaluator):
    """Weights that grow better with each version: the formula's quality comes in by shares, that of costly members later."""

    def __init__(self, toy: Any) -> None:
        self.formula, self.versions, self.trained = toy.formula(), 0, -1
        self.prepared: list[tuple[int, list[str]]] = []

    def begin(self, parents: Any) -> None:
        self.parents = [g.id for g in parents]
        self.versions += 1
        self.weights = f"supernet-v{self.versions - 1}"

    def prepare(self, population: Any) -> None:
        self.prepared.append((self.versions - 1, self.parents))

    def evaluate(self, genotype: Any, fidelity: Any, measured: Any) -> Scored:
        one = self.formula.evaluate(genotype, fidelity, measured)
        now, before = (share(one, version) * one.figures["psnr"] for version in (self.versions - 1, self.versions - 2))
        figures = {**one.figures, "psnr": now, growth("psnr"): now - before, growth("ssim"): 0.0}
        return replace(one, figures=figures)


def share(one: Scored, version: int) -> float:
    return float(1 - np.exp(-(version + 2) * 3e7 / one.figures["macs_720p"]))


def test_parents_are_scored_again_with_their_offspring_by_the_new_weights(cars: Any) -> None:
    evaluator = Drifting(cars)
    scored = cars.but(budget=Budget(evaluations=8 + 3 * 12)).run(evaluator)
    assert len(scored) == 44
    for version in range(1, 4):
        generation = [one for one in scored if one.fidelity == f"supernet-v{version}"]
        before = {one.id for one in scored if one.fidelity == f"supernet-v{version - 1}"}
        assert len({one.id for one in generation}) == 12
        assert [one.id for one in generation[:8]] == evaluator.prepared[version][1]
        assert {one.id for one in generation[:8]} <= before
        assert not {one.id for one in generation[8:]} & before
    assert evaluator.prepared[0] == (0, [])
    assert {one.fidelity for one in comparable(scored)} == {"supernet-v3"}


@pytest.mark.parametrize(("evaluations", "whole"), [(5, 5), (8, 8), (19, 8), (20, 20), (31, 20)])
def test_a_generation_is_scored_as_a_whole_or_not_begun(cars: Any, evaluations: int, whole: int) -> None:
    assert len(cars.but(budget=Budget(evaluations=evaluations)).run(Drifting(cars))) == whole


def test_time_ends_it_between_generations(cars: Any) -> None:
    now = [0.0]
    evaluator = Drifting(cars)
    judge = evaluator.evaluate

    def tick(genotype: Any, fidelity: Any, measured: Any) -> Scored:
        now[0] += 1.0
        return judge(genotype, fidelity, measured)

    evaluator.evaluate = tick  # type: ignore[method-assign]
    assert len(cars.but(budget=Budget(seconds=10.0)).run(evaluator, clock=lambda: now[0])) == 20


@pytest.mark.parametrize("stop_after", [3, 8, 9, 15, 25, 43])
def test_stopped_and_resumed_equals_unbroken(cars: Any, tmp_path: Any, stop_after: int) -> None:
    cars = cars.but(budget=Budget(evaluations=44))
    expected = cars.but(folder=tmp_path / "unbroken").run(Drifting(cars))
    dying = Drifting(cars)
    judge, count = dying.evaluate, [0]

    def die(genotype: Any, fidelity: Any, measured: Any) -> Scored:
        count[0] += 1
        if count[0] > stop_after:
            raise KeyboardInterrupt
        return judge(genotype, fidelity, measured)

    dying.evaluate = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        cars.run(dying)
    rest = Drifting(cars)
    again = cars.run(rest, resume=True)
    assert [(one.id, one.fidelity, one.figures) for one in again] == [(one.id, one.fidelity, one.figures) for one in expected]
    assert len(rest.formula.evaluated) == 44 - stop_after
    assert len(rest.prepared) == sum(end > stop_after for end in (8, 20, 32, 44))  # replayed generations need no training


def test_offspring_are_crossed_mutated_and_drawn_as_published(cars: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = cars.make_strategy()
    evaluator = Drifting(cars)
    evaluator.begin(())
    strategy.tell([evaluator.evaluate(g, cars.fidelity, {}) for g in strategy.ask(8)])
    counts = dict.fromkeys(("crossover", "mutate", "sample"), 0)

    def counted(name: str, operator: Any) -> Any:
        def call(*arguments: Any) -> Any:
            counts[name] += 1
            return operator(*arguments)

        return call

    for name in ("crossover", "mutate"):
        monkeypatch.setattr(strategy.space, name, counted(name, getattr(strategy.space, name)))
    strategy.sample = counted("sample", strategy.sample)
    rng = np.random.default_rng(0)
    for _ in range(600):
        strategy.propose(rng)
    shares = [counts[name] / 600 for name in counts]
    assert shares == pytest.approx([0.25, 0.25, 0.5], abs=0.06)


def generation(toy: Any) -> list[Scored]:
    """Fifteen small networks that have learned, and a large one that lags behind them but grows faster than any."""
    rng = np.random.default_rng(0)
    small = [toy.space.repair(toy.space.sample(rng), lambda g: toy.space.macs_720p(g) < 2e8, rng) for _ in range(15)]
    learned = [
        Scored(g, {"psnr": 33.0 + 0.1 * i, growth("psnr"): 0.01, "macs_720p": toy.space.macs_720p(g)})
        for i, g in enumerate(sorted(small, key=toy.space.macs_720p))
    ]
    large = toy.space.largest()
    lagging = Scored(large, {"psnr": 31.0, growth("psnr"): 0.8, "macs_720p": toy.space.macs_720p(large)})
    return [*learned, lagging]


@pytest.mark.parametrize("protection", [True, False])
def test_growth_protects_a_large_network_that_plain_selection_drops(toy: Any, protection: bool) -> None:
    toy = toy.but(strategy="cars", objectives="psnr macs_720p")
    strategy = toy.make_strategy()
    strategy.protection = protection
    strategy.tell(generation(toy))
    assert (toy.space.largest() in strategy.parents) == protection
    assert len(strategy.parents) == 8


def test_failed_members_die_and_those_out_of_bounds_stand_last(cars: Any) -> None:
    strategy = cars.make_strategy()
    assert isinstance(strategy, Cars)
    asked = strategy.ask(8)
    good, failed, far, near = asked[:2], asked[2:4], asked[4:6], asked[6:]
    strategy.tell(
        [Scored(g, {"psnr": 30.0, "macs_720p": cars.space.macs_720p(g)}) for g in good]
        + [Scored(g, error="MemoryError: ") for g in failed]
        + [Scored(g, {"macs_720p": 900e6}) for g in far]
        + [Scored(g, {"macs_720p": 400e6}) for g in near]
    )
    assert set(strategy.parents[:2]) == set(good)
    assert list(strategy.parents[2:]) == [*near, *far]
    strategy.tell([Scored(g, error="MemoryError: ") for g in strategy.ask(4)])
    assert len(strategy.parents) == 6  # when all fail, the parents stay
