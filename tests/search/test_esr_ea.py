"""ESR-EA: credits are what they say, they steer mutation and nothing else, and the search can be repeated, resumed and shared out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from toys import SIGNATURE, Word

from pixsearch.errors import InfeasibleError, UsageError
from pixsearch.registry import SPACES
from pixsearch.search.config import SearchConfig
from pixsearch.search.engine import Budget
from pixsearch.search.executors.base import Crew
from pixsearch.search.front import members, volume
from pixsearch.search.objectives import parse_objectives
from pixsearch.search.scored import Scored
from pixsearch.search.session import make_strategy
from pixsearch.search.strategies.credits import DOUBT, Credits, standings
from pixsearch.search.strategies.esr_ea import EsrEa

OBJECTIVES = parse_objectives(["psnr", "macs_720p"])
REFERENCE = {"psnr": 30.0, "macs_720p": 300e6}


def candidate(psnr: float, macs: float, **more: Any) -> Scored:
    return Scored(Word((0,)), {"psnr": psnr, "macs_720p": macs}, **more)


class TestStandings:
    def test_only_neighbours_in_cost_are_compared(self) -> None:
        cheap = [candidate(30 + i / 100, 1e6 * 1.01**i) for i in range(20)]
        dear = [candidate(40 + i / 100, 1e9 * 1.01**i) for i in range(20)]
        found = standings([*cheap, *dear], OBJECTIVES)
        assert found[:20] == pytest.approx(found[20:])
        assert found[0] == -0.5
        assert found[19] == 0.5
        assert abs(found[:20].mean()) < 0.05

    def test_what_failed_or_broke_a_bound_stands_last(self) -> None:
        objectives = parse_objectives(["psnr", "macs_720p<=100M"])
        scored = [candidate(30, 1e7), candidate(31, 1e7), candidate(0, 1e7, error="diverged"), candidate(50, 2e8)]
        assert standings(scored, objectives) == pytest.approx([-0.5, 0.5, -0.5, -0.5])

    def test_equals_stand_in_the_middle(self) -> None:
        assert standings([candidate(30, 1e7)] * 5, OBJECTIVES) == pytest.approx([0] * 5)
        assert standings([candidate(30, 1e7)], OBJECTIVES) == pytest.approx([0])
        assert len(standings([], OBJECTIVES)) == 0


class TestCredits:
    def test_a_kind_has_the_mean_of_its_candidates_drawn_to_zero(self) -> None:
        credits = Credits(["a", "b", "c"])
        credits.learn([("a", "a"), ("b",), ("a",)], np.array([0.5, -0.5, 0.2]))
        assert credits.of(7, "a") == pytest.approx((0.5 + 0.5 + 0.2) / (3 + DOUBT))
        assert credits.of(7, "b") == pytest.approx(-0.5 / (1 + DOUBT))
        assert credits.of(0, "c") == 0

    def test_a_position_has_its_own_mean_drawn_to_the_kinds(self) -> None:
        credits = Credits(["a", "b"])
        credits.learn([("a", "b"), ("b", "a")], np.array([0.4, -0.4]))
        assert credits.of(0, "a") == pytest.approx(0.4 / (1 + DOUBT))
        assert credits.of(1, "a") == pytest.approx(-0.4 / (1 + DOUBT))
        assert credits.of(2, "a") == 0


def taught(toy: Any, guidance: bool) -> EsrEa:
    """A strategy that has seen odd digits do well at position 2."""
    strategy = toy.but(strategy="esr-ea").make_strategy()
    assert isinstance(strategy, EsrEa)
    strategy.guidance = guidance
    rng, told = np.random.default_rng(0), []
    for _ in range(60):
        word = toy.space.sample(rng)
        odd = np.array(word.digits) % 2
        told.append(Scored(word, {"psnr": 30.0 + odd[2], "macs_720p": 1e7}))
    strategy.tell(told)
    return strategy


def exchanged(strategy: EsrEa, word: Word) -> list[int]:
    """How often each position's kind is another one in 600 mutants."""
    rng, before = np.random.default_rng(1), np.array(word.digits) % 2
    return sum((np.array(strategy.mutate(word, rng).digits) % 2 != before).astype(int) for _ in range(600)).tolist()


def test_credits_say_where_blocks_are_exchanged(toy: Any) -> None:
    guided, blind = (exchanged(taught(toy, guidance), Word((0,) * 8)) for guidance in (True, False))
    assert guided[2] > 1.5 * max(count for place, count in enumerate(guided) if place != 2)
    assert max(blind) < 1.6 * min(blind)


@pytest.mark.parametrize("guidance", [True, False])
def test_guidance_changes_nothing_but_weights(toy: Any, guidance: bool) -> None:
    config = SearchConfig(strategy="esr-ea", space="erdb", evaluations=8, guidance=guidance)
    space = SPACES.load("erdb")(SIGNATURE)
    strategy = make_strategy(space, parse_objectives(["psnr", "macs_720p<=2G"]), config)
    assert isinstance(strategy, EsrEa)
    assert strategy.guidance is guidance
    assert all(space.macs_720p(genotype) <= 2e9 for genotype in strategy.ask(16))


def test_it_finds_more_than_random_search(toy: Any) -> None:
    reached = {}
    for name in ("esr-ea", "random"):
        chooser, evaluator = toy.but(strategy=name, population=16).make_strategy(), toy.formula()
        scored: list[Scored] = []
        for _ in range(40):
            told = [evaluator.evaluate(g, toy.fidelity, {}) for g in chooser.ask(chooser.generation_size)]
            chooser.tell(told)
            scored += told
        reached[name] = volume(members(scored, toy.objectives), toy.objectives, REFERENCE)
    assert reached["esr-ea"] > reached["random"] + 0.05


def judged(scored: list[Scored]) -> list[Any]:
    return [(one.id, one.figures) for one in scored]


def test_a_resumed_search_is_the_unbroken_one(toy: Any, tmp_path: Any) -> None:
    toy = toy.but(strategy="esr-ea")
    whole = toy.but(folder=tmp_path / "whole").run()
    toy.but(budget=Budget(evaluations=17)).run()
    assert judged(toy.run(resume=True)) == judged(whole)


def test_workers_change_nothing(toy: Any, tmp_path: Any) -> None:
    toy = toy.but(strategy="esr-ea")
    alone = toy.but(folder=tmp_path / "alone").run()
    several = toy.but(executor="pool", crew=Crew(workers=2)).run()
    assert judged(several) == judged(alone)


@pytest.mark.parametrize("bounds", [["macs_720p<=1G"], ["params<=6K"], ["macs_720p<=3G", "params<=9K", "memory<=30MB"]])
@pytest.mark.parametrize("space_name", ["erdb", "mobile"])
def test_bounds_hold_exactly(space_name: str, bounds: list[str]) -> None:
    space, objectives = SPACES.load(space_name)(SIGNATURE), parse_objectives(["psnr", *bounds])
    strategy = make_strategy(space, objectives, SearchConfig(strategy="esr-ea", space=space_name, evaluations=8))
    rng = np.random.default_rng(0)
    for _ in range(4):
        asked = strategy.ask(8)
        assert len(asked) == 8
        figures = [
            {"macs_720p": space.macs_720p(g), "params": float(space.params(g)), "memory": float(space.memory_bytes(g))} for g in asked
        ]
        assert all(o.violation(one) == 0 for one in figures for o in objectives)
        strategy.tell([Scored(g, {"psnr": 30 + rng.random(), **one}) for g, one in zip(asked, figures, strict=True)])


def test_a_bound_that_no_member_keeps_is_named() -> None:
    from pixsearch.search.bounds import require_feasible

    objectives = parse_objectives(["psnr", "params<=700"])
    with pytest.raises(InfeasibleError, match="`params<=700`: it has 704"):
        require_feasible(SPACES.load("erdb")(SIGNATURE), objectives, np.random.default_rng(0))


def test_a_space_without_blocks_is_refused() -> None:
    config = SearchConfig(strategy="esr-ea", space="reference", evaluations=1)
    with pytest.raises(UsageError, match="the space `reference` has none of"):
        make_strategy(SPACES.load("reference")(SIGNATURE), parse_objectives(["psnr"]), config)
