"""NSGA-II finds more than random search on a space whose best is known, and its operators do what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pixsearch.search.front import members, volume
from pixsearch.search.pareto import Standing
from pixsearch.search.scored import Scored
from pixsearch.search.strategies.operators import binary_tournament, spread_sampler, vary_and_slim

REFERENCE = {"psnr": 30.0, "macs_720p": 300e6}


def reached(toy: Any, strategy: str, seed: int, generations: int = 50) -> float:
    """The hypervolume after `generations`."""
    toy = toy.but(strategy=strategy, seed=seed, population=16)
    chooser, evaluator = toy.make_strategy(), toy.formula()
    scored: list[Scored] = []
    for _ in range(generations):
        told = [evaluator.evaluate(g, toy.fidelity, {}) for g in chooser.ask(chooser.generation_size)]
        chooser.tell(told)
        scored += told
    return volume(members(scored, toy.objectives), toy.objectives, REFERENCE)


@pytest.mark.parametrize("seed", range(3))
def test_it_beats_random_search_at_equal_evaluations(toy: Any, seed: int) -> None:
    assert reached(toy, "nsga2", seed) > reached(toy, "random", seed) + 0.05


def test_it_finds_its_way_in_from_outside_a_measured_bound(toy: Any) -> None:
    name = "latency@local/1280x720/float/1t"
    toy = toy.but(objectives="psnr latency@local<=6ms")
    chooser, evaluator = toy.make_strategy(), toy.formula(lambda g, figures: {**figures, name: float(sum(g.digits)) / 3})
    feasible = []
    for _ in range(20):
        told = [evaluator.evaluate(g, toy.fidelity, {}) for g in chooser.ask(chooser.generation_size)]
        chooser.tell(told)
        feasible.append(sum(one.feasible(toy.objectives) for one in told) / len(told))
    assert np.mean(feasible[-5:]) > max(0.5, feasible[0])


def test_tournament_prefers_the_lower_front_then_the_lonelier() -> None:
    standings = [Standing(0, 1, 9.0), Standing(1, 0, 1.0), Standing(2, 0, 2.0)]
    rng = np.random.default_rng(0)
    wins = np.bincount([binary_tournament(standings, rng) for _ in range(900)], minlength=3) / 900
    assert wins == pytest.approx([1 / 9, 3 / 9, 5 / 9], abs=0.06)


def test_without_crossover_children_come_from_the_first_parent(toy: Any) -> None:
    rng = np.random.default_rng(0)
    first, second = toy.space.smallest(), toy.space.largest()
    alone, both = (vary_and_slim(toy.space, crossover_share=share, slim_share=0.0) for share in (0.0, 1.0))
    assert all(sum(d > 0 for d in alone(first, second, rng).digits) <= 1 for _ in range(50))
    assert any(sum(d == 15 for d in both(first, second, rng).digits) > 1 for _ in range(50))


def test_slimmed_children_reach_down_by_up_to_a_decade(toy: Any) -> None:
    rng = np.random.default_rng(0)
    parent = toy.space.largest()
    breed = vary_and_slim(toy.space, crossover_share=0.0, slim_share=1.0)
    decades = np.log10([toy.space.macs_720p(parent) / toy.space.macs_720p(breed(parent, parent, rng)) for _ in range(100)])
    assert 0.3 < np.median(decades) < 0.8
    assert decades.max() < 1.2


def test_samples_spread_over_the_decades_up_to_the_bound(toy: Any) -> None:
    rng = np.random.default_rng(0)
    sample = spread_sampler(toy.space, toy.objectives, lambda g: toy.space.macs_720p(g) <= 300e6)
    macs = np.array([toy.space.macs_720p(sample(rng)) for _ in range(200)])
    assert macs.max() <= 300e6
    assert (macs > 75e6).mean() > 0.4  # dense near the bound
    assert (macs < 10e6).mean() > 0.1  # and still some two decades below
