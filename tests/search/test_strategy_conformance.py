"""What every strategy keeps, written once: fresh members (or parents) within the bounds, the same for the same past."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pixsearch.registry import STRATEGIES
from pixsearch.search.scored import Scored
from pixsearch.search.strategies.base import Strategy

Tell = Callable[[Sequence[Any]], list[Scored]]


def scores(toy: Any) -> Tell:
    evaluator = toy.formula()
    return lambda genotypes: [evaluator.evaluate(g, toy.fidelity, {}) for g in genotypes]


def play(toy: Any, rounds: int, strategy: Strategy | None = None) -> list[Any]:
    """All genotypes asked for in `rounds` generations, without the parents that are asked for again."""
    strategy = strategy or toy.make_strategy()
    asked: list[Any] = []
    for _ in range(rounds):
        parents = list(strategy.parents)
        generation = strategy.ask(strategy.generation_size)
        assert generation[: len(parents)] == parents
        strategy.tell(scores(toy)(generation))
        asked += generation[len(parents) :]
    return asked


@pytest.mark.parametrize("name", STRATEGIES.names())
class TestStrategy:
    @pytest.fixture(autouse=True)
    def named(self, toy: Any, name: str) -> None:
        toy.strategy = name

    def test_every_genotype_is_new_and_within_the_bounds(self, toy: Any) -> None:
        strategy = toy.make_strategy()
        asked = play(toy, 12, strategy)
        assert len({g.id for g in asked}) == len(asked) == 8 + 11 * 4
        assert all(toy.space.macs_720p(g) <= 300e6 for g in asked)

    def test_same_seed_and_same_past_give_the_same_future(self, toy: Any) -> None:
        assert play(toy, 6) == play(toy, 6)
        assert play(toy, 6) != play(toy.but(seed=1), 6)

    def test_asking_piecemeal_gives_the_same(self, toy: Any) -> None:
        whole, pieces = toy.make_strategy(), toy.make_strategy()
        assert whole.ask(8) == [g for _ in range(4) for g in pieces.ask(2)]
        told = scores(toy)(toy.make_strategy().ask(8))
        whole.tell(told)
        pieces.tell(told)
        size = whole.generation_size
        assert whole.ask(size) == pieces.ask(1) + pieces.ask(size - 1)

    def test_failed_and_infeasible_candidates_are_borne(self, toy: Any) -> None:
        strategy = toy.but(objectives="psnr>=99 macs_720p<=300M latency@local<=1ms").make_strategy()
        slow = {"latency@local/1280x720/float/1t": 5.0}
        for number in range(4):
            asked = strategy.ask(strategy.generation_size)
            strategy.tell([Scored(g, error="RuntimeError: no") if number == 0 else Scored(g, slow) for g in asked])
        assert len(strategy.ask(strategy.generation_size)) == len(strategy.parents) + 4

    def test_an_exhausted_space_ends_the_asking(self, toy: Any, tiny: Any) -> None:
        tiny.strategy = toy.strategy
        strategy = tiny.make_strategy()
        asked = play(tiny, 20, strategy)
        assert len(asked) == len(set(asked)) <= 16
        assert len(asked) >= 14
        assert strategy.ask(strategy.generation_size) == list(strategy.parents)

    def test_a_strategy_is_told_nothing_without_harm(self, toy: Any) -> None:
        strategy = toy.make_strategy()
        strategy.tell([])
        assert len(strategy.ask(3)) == 3

    def test_generations_are_the_population_first_and_offspring_after(self, toy: Any) -> None:
        strategy = toy.make_strategy()
        assert strategy.generation_size == 8
        strategy.tell(scores(toy)(strategy.ask(8)))
        assert strategy.generation_size == len(strategy.parents) + 4
        assert bool(strategy.parents) == strategy.shares_weights
