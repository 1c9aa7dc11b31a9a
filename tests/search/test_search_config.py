"""Settings of a search: checked in full, written out in full."""

from __future__ import annotations

from typing import Any

import pytest

from pixsearch.config import validate
from pixsearch.errors import UsageError
from pixsearch.search.config import SearchConfig


def faults(**settings: Any) -> str:
    with pytest.raises(UsageError) as caught:
        validate(SearchConfig, settings, "the test")
    return str(caught.value)


def test_objectives_are_written_out_with_their_defaults() -> None:
    config = SearchConfig(evaluations=5, objectives=("psnr", "latency@local<=0.09s", "memory<=64MB"))
    assert config.to_json()["objectives"] == ["psnr", "latency@local/1280x720/float/1t<=90ms", "memory<=64MB"]
    assert SearchConfig(**config.to_json()) == config


def test_all_faults_are_said_at_once_with_what_was_meant() -> None:
    said = faults(strategy="nsga", objectives=["psnr", "params<=0"], population=1, proxy_step=3, evaluations=4)
    assert "Did you mean `nsga2`?" in said
    assert "`params<=0` has the bound `0`" in said
    assert "`population` is `1`" in said
    assert "`proxy_step` is not a setting. Did you mean `proxy_steps`?" in said


@pytest.mark.parametrize(("settings", "says"), [({}, "neither is given"), ({"evaluations": 3, "budget_s": "3m"}, "both are given")])
def test_exactly_one_budget(settings: dict[str, Any], says: str) -> None:
    assert says in faults(**settings)


def test_budgets_read_as_people_write_them_and_may_change_on_resume() -> None:
    assert SearchConfig(budget_s="1.5m").budget_s == 90.0
    assert "is not a duration" in faults(budget_s="soon")
    assert {"budget_s", "evaluations"} <= SearchConfig(evaluations=1).changeable()


def test_workers_or_an_address_name_their_executor_and_bring_one_thread_each() -> None:
    assert SearchConfig(evaluations=1).crew().workers is None
    assert SearchConfig(evaluations=1).threads_each is None
    pool = SearchConfig(evaluations=1, workers=3, candidate_limit_s="5m", candidate_memory_bytes="4GiB")
    assert (pool.executor, pool.threads_each) == ("pool", 1)
    assert (pool.crew().limit_s, pool.crew().memory_bytes) == (300.0, 2**32)
    assert SearchConfig(evaluations=1, address="auto", threads=2).crew().threads == 2
    assert SearchConfig(evaluations=1, address="auto").executor == "ray"


def test_rungs_end_at_the_proxy_steps() -> None:
    config = SearchConfig(evaluations=1, rungs="400,1600")
    assert (config.rungs, config.proxy_steps, config.steps) == ((400, 1600), 1600, (400, 1600))
    assert SearchConfig(**config.to_json()) == config
    assert SearchConfig(evaluations=1, proxy_steps=70).steps == (70,)
    assert "at least 2 items" in faults(evaluations=1, rungs=[400])
    assert "give steps that ascend" in faults(evaluations=1, rungs=[400, 400])
