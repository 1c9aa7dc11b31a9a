"""BlockQNN: the reward is what it says, the table learns from it, ε follows the budget, and the search flows, repeats and resumes."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from toys import SIGNATURE, Formula, Word

from pixsearch.errors import Interrupted, MachineError, UsageError
from pixsearch.registry import SPACES
from pixsearch.search.config import SearchConfig
from pixsearch.search.engine import Budget
from pixsearch.search.executors.base import Crew
from pixsearch.search.objectives import parse_objectives
from pixsearch.search.scored import Fidelity, Scored
from pixsearch.search.session import make_strategy
from pixsearch.search.strategies.blockqnn import LEAST, MU, RHO, BlockQnn, epsilon, reward
from pixsearch.search.strategies.qtable import QTable


@pytest.fixture
def toy(toy: Any) -> Any:
    return toy.but(strategy="blockqnn")


def judged(scored: list[Scored]) -> list[Any]:
    return [(one.id, one.figures) for one in scored]


class TestReward:
    def test_costs_are_taken_off_by_their_logarithms(self) -> None:
        assert reward(33.0, math.e * 1e8, 1.0) == pytest.approx(reward(33.0, 1e8, 1.0) - MU)
        assert reward(33.0, 1e8, 2.0) == pytest.approx(reward(33.0, 1e8, 1.0) - RHO * math.log(2))

    def test_what_failed_or_was_not_judged_earns_the_least(self, toy: Any) -> None:
        strategy = toy.make_strategy()
        first, second, third = strategy.ask(3)
        strategy.tell([Scored(first, error="no")])
        assert strategy.table.memory == []
        strategy.tell(
            [Scored(first, {"psnr": 31.0}), Scored(second, {"psnr": 30.0}), Scored(third, {"macs_720p": 1e9}), Scored(third, error="no")]
        )
        rewards = [earned for _, earned in strategy.table.memory]
        assert rewards[0] == pytest.approx(reward(31.0, toy.space.macs_720p(first), 1.0))
        assert rewards[2] == rewards[3] == min(rewards[:2])

    def test_ssim_counts_in_decibels(self, toy: Any) -> None:
        strategy = toy.but(objectives="ssim macs_720p<=300M").make_strategy()
        (one,) = strategy.ask(1)
        strategy.tell([Scored(one, {"ssim": 0.99})])
        assert strategy.table.memory[0][1] == pytest.approx(reward(20.0, toy.space.macs_720p(one), 1.0))


class TestTable:
    def learned(self, trajectories: list[tuple[str, float]], times: int = 20) -> QTable:
        table, rng = QTable(), np.random.default_rng(0)
        for _ in range(times):
            for letters, earned in trajectories:
                table.learn(letters, earned, rng)
        return table

    def test_values_are_means_of_what_was_earned_after(self) -> None:
        table = self.learned([("ab", 4.0), ("ac", 2.0), ("dc", 0.0)], times=60)
        assert table.value("a", "b") == pytest.approx(4 - 2, rel=0.05)
        assert table.value(None, "a") == pytest.approx(1.0, abs=0.4)  # of 'ab' and 'ac' in turn
        assert table.value("b", "e") == 0

    def test_one_lucky_trial_counts_less_than_many_good_ones(self) -> None:
        good = [("ab", 1.0), ("dc", -1.0)]
        table = self.learned(good, times=20)
        table.learn("ax", 1.5, np.random.default_rng(1))
        assert table.best("a") == "b"

    def test_the_best_is_known_and_better_than_the_average(self) -> None:
        table = self.learned([("ab", 4.0), ("ac", 2.0), ("dc", 0.0)])
        assert table.best(None) == "a"
        assert table.best("a") == "b"
        assert table.best("d") is None
        assert table.best("never met") is None

    @pytest.mark.parametrize("level", [-300.0, 0.0, 300.0])
    def test_long_trajectories_are_no_better_for_being_long(self, level: float) -> None:
        table = self.learned([("abcdef", level + 1.0), ("ax", level + 2.0), ("y", level)])
        assert table.best("a") == "x"


def test_epsilon_falls_from_one_to_its_least() -> None:
    path = [epsilon(spent) for spent in np.linspace(0, 1.2, 50)]
    assert path[0] == 1
    assert path[-1] == pytest.approx(LEAST)
    assert all(after <= before for before, after in pairwise(path))


def test_epsilon_is_scaled_to_the_budget_the_search_was_begun_with(toy: Any) -> None:
    config = SearchConfig(strategy="blockqnn", space="nsc", evaluations=40)
    space, objectives = SPACES.load("nsc")(SIGNATURE), parse_objectives(["psnr"])
    by_count = make_strategy(space, objectives, config)
    by_time = make_strategy(space, objectives, SearchConfig(strategy="blockqnn", space="nsc", budget_s=60.0))
    assert isinstance(by_count, BlockQnn)
    assert isinstance(by_time, BlockQnn)
    for strategy in (by_count, by_time):
        told = strategy.ask(20)
        strategy.tell([Scored(one, {"psnr": 30.0}, elapsed_s=30.0 * (n + 1) / 20) for n, one in enumerate(told)])
        assert strategy.epsilon == pytest.approx(epsilon(0.5))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_it_has_learned_is_better_than_random(seed: int) -> None:
    """Quality by a formula: leaky activations and depthwise layers pay, whatever the size."""
    space, objectives = SPACES.load("nsc")(SIGNATURE), parse_objectives(["psnr", "macs_720p<=300M"])
    found = {}
    for name in ("blockqnn", "random"):
        strategy = make_strategy(space, objectives, SearchConfig(strategy=name, space="nsc", evaluations=120, seed=seed))
        earned = []
        for _ in range(120):
            (one,) = strategy.ask(1)
            macs = space.macs_720p(one)
            quality = MU * math.log(macs) + (one.act == "leaky") + 0.3 * sum(layer.type == "dw" for layer in one.layers)
            strategy.tell([Scored(one, {"psnr": quality, "macs_720p": macs})])
            earned.append(reward(quality, macs, space.density(one)))
        found[name] = np.mean(earned[-30:])
    assert found["blockqnn"] > found["random"] + 0.4


def test_other_spaces_are_refused() -> None:
    config = SearchConfig(strategy="blockqnn", space="mobile", evaluations=8)
    with pytest.raises(UsageError, match="`mobile` does not have. Search the space `nsc`"):
        make_strategy(SPACES.load("mobile")(SIGNATURE), parse_objectives(["psnr"]), config)


@pytest.mark.parametrize("bounds", [["macs_720p<=300M"], ["params<=3K"], ["macs_720p<=1G", "params<=6K", "memory<=30MB"]])
def test_bounds_hold_exactly(bounds: list[str]) -> None:
    space, objectives = SPACES.load("nsc")(SIGNATURE), parse_objectives(["psnr", *bounds])
    strategy = make_strategy(space, objectives, SearchConfig(strategy="blockqnn", space="nsc", evaluations=32))
    rng = np.random.default_rng(0)
    for _ in range(4):
        asked = strategy.ask(8)
        assert len(asked) == 8
        figures = [
            {"macs_720p": space.macs_720p(g), "params": float(space.params(g)), "memory": float(space.memory_bytes(g))} for g in asked
        ]
        assert all(o.violation(one) == 0 for one in figures for o in objectives)
        strategy.tell([Scored(g, {"psnr": 30 + rng.random(), **one}) for g, one in zip(asked, figures, strict=True)])


class Uneven(Formula):
    """Some candidates take longer than others, so that they end in another order than they were begun."""

    def evaluate(self, genotype: Word, fidelity: Fidelity, measured: Mapping[str, float]) -> Scored:
        time.sleep(int(genotype.id, 16) % 5 / 200)
        return super().evaluate(genotype, fidelity, measured)


class TestFlow:
    def test_each_is_asked_for_once_the_oldest_was_told(self, toy: Any) -> None:
        strategy, log = toy.make_strategy(), []

        def tell(scored: Any) -> None:
            log.extend(("told", one.id) for one in scored)
            BlockQnn.tell(strategy, scored)

        def ask(n: int) -> Any:
            asked = BlockQnn.ask(strategy, n)
            log.extend(("asked", one.id) for one in asked)
            return asked

        strategy.tell, strategy.ask = tell, ask
        object.__setattr__(toy, "make_strategy", lambda: strategy)
        toy.run()
        order = [id for what, id in log if what == "asked"]
        assert [what for what, _ in log] == ["asked"] * 4 + ["told", "asked"] * 36 + ["told"] * 4
        assert [id for what, id in log if what == "told"] == order

    def test_workers_change_nothing(self, toy: Any, tmp_path: Any) -> None:
        alone = toy.but(folder=tmp_path / "alone").run()
        for workers in (1, 3):
            several = toy.but(executor="pool", crew=Crew(workers=workers), folder=tmp_path / str(workers))
            assert judged(several.run(Uneven(toy.space))) == judged(alone)

    def test_a_resumed_search_is_the_unbroken_one(self, toy: Any, tmp_path: Any) -> None:
        whole = toy.but(folder=tmp_path / "whole").run()
        toy.but(budget=Budget(evaluations=17)).run()
        resumed = toy.run(resume=True)
        assert judged(resumed) == judged(whole)
        assert len({one.id for one in resumed}) == 40
        assert len(toy.events("candidate")) == 40

    def test_one_stopped_anywhere_goes_on(self, toy: Any, tmp_path: Any) -> None:
        whole = toy.but(folder=tmp_path / "whole").run()

        def stop(genotype: Word, figures: dict[str, float]) -> dict[str, float]:
            if genotype.id == whole[22].id:
                raise Interrupted("stop")
            return figures

        with pytest.raises(Interrupted, match="22 candidates are recorded"):
            toy.run(toy.formula(stop))
        assert judged(toy.run(resume=True)) == judged(whole)

    def test_time_ends_it_without_loss(self, toy: Any) -> None:
        now = [0.0]

        def slow(genotype: Word, figures: dict[str, float]) -> dict[str, float]:
            now[0] += 1
            return figures

        timed = toy.but(budget=Budget(seconds=9.5))
        first = timed.run(toy.formula(slow), clock=lambda: now[0])
        assert len(first) == 10
        again = toy.but(budget=Budget(seconds=15.5)).run(toy.formula(slow), resume=True, clock=lambda: now[0])
        assert judged(again)[:10] == judged(first)
        assert len(again) == 16

    def test_a_search_in_which_all_fails_stops(self, toy: Any) -> None:
        with pytest.raises(MachineError, match="All 4 candidates"):
            toy.run(toy.formula(lambda genotype, figures: 1 / 0))
        assert len(toy.events("candidate")) < 12

    def test_an_exhausted_space_ends_it(self, tiny: Any) -> None:
        scored = tiny.but(strategy="blockqnn").run()
        assert 14 <= len(scored) <= 16
        assert "exhausted" in tiny.events("warning")[0]["text"]

    def test_what_must_be_measured_alone_comes_in_generations(self, toy: Any) -> None:
        assert len(toy.but(objectives="psnr macs_720p<=300M latency@local").run(toy.formula())) == 40
        assert [event["evaluated"] for event in toy.events("generation")] == [8, *range(12, 41, 4)]
