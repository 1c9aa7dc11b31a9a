"""The plan of a search: true costs, an estimate that says what it rests on, and no plan for what cannot be."""

from __future__ import annotations

import pytest

from pixsearch.errors import InfeasibleError
from pixsearch.search.config import SearchConfig
from pixsearch.search.plan import plan
from pixsearch.space.mobile import MobileSpace
from pixsearch.tasks.config import TaskConfig

TASK = TaskConfig().make()


def test_the_plan_names_members_in_order_of_cost() -> None:
    result = plan(TASK, SearchConfig(evaluations=30, proxy_batch=2, proxy_patch=16, objectives=("psnr", "macs_720p<=100M")))
    space = MobileSpace(TASK.signature)
    members = result["members"]
    assert members["smallest"]["macs_720p"] == space.macs_720p(space.smallest())
    assert members["largest"]["params"] == space.params(space.largest())
    assert members["smallest"]["macs_720p"] < members["typical"]["macs_720p"] <= 1e8 < members["median"]["macs_720p"] < 2.6e11
    assert result["size"] == space.size()
    assert members["typical"]["description"]


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A millisecond a step and a tenth of a second a score, whatever else the machine does."""
    monkeypatch.setattr("pixsearch.search.plan._seconds_a_step", lambda *_: 1e-3)
    monkeypatch.setattr("pixsearch.search.plan._seconds_to_score", lambda *_: 0.1)


@pytest.mark.usefixtures("clocked")
def test_the_estimate_grows_with_what_is_asked_for() -> None:
    short, long = (plan(TASK, SearchConfig(evaluations=10, proxy_steps=steps, proxy_batch=2, proxy_patch=16)) for steps in (10, 100_000))
    assert long["estimate"]["seconds"] > 10 * short["estimate"]["seconds"]
    assert short["estimate"]["candidates"] == 10
    assert short["estimate"]["seconds"] == pytest.approx(10 * short["estimate"]["seconds_per_candidate"])


def test_a_time_says_how_many_candidates_it_is_enough_for() -> None:
    timed = plan(TASK, SearchConfig(budget_s="10m", proxy_batch=2, proxy_patch=16))["estimate"]
    assert timed["seconds"] == 600
    assert timed["candidates"] == round(600 / timed["seconds_per_candidate"])
    assert "Timed here and now" in timed["basis"]


@pytest.mark.usefixtures("clocked")
def test_shared_weights_are_warmed_up_once_and_trained_by_the_generation() -> None:
    settings = {"strategy": "cars", "evaluations": 10, "proxy_batch": 2, "proxy_patch": 16, "warmup_steps": 10**6}
    short = plan(TASK, SearchConfig(**settings, generation_steps=1))["estimate"]
    assert short["seconds"] == pytest.approx(1e6 * 1e-3 + 10 * short["seconds_per_candidate"], rel=1e-4)
    assert "of warm-up first" in short["basis"]


def test_what_cannot_be_is_not_planned() -> None:
    with pytest.raises(InfeasibleError):
        plan(TASK, SearchConfig(evaluations=1, objectives=("psnr", "params<=5")))
