"""The search stage over the real rooms, small: what it records, what it refuses, and that its figures are true."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest

from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data
from pixsearch.errors import DataError, InfeasibleError, UsageError
from pixsearch.events import read_events
from pixsearch.nn.build import build
from pixsearch.nn.cost import count_macs, count_params
from pixsearch.rundir import Stage, read_json
from pixsearch.search.config import SearchConfig
from pixsearch.search.pick import pick_from_run
from pixsearch.search.record import Clock
from pixsearch.search.session import search_stage
from pixsearch.space.base import read_genotype
from pixsearch.tasks.base import Task
from pixsearch.tasks.config import TaskConfig

SMALL = {"evaluations": 6, "population": 4, "offspring": 2, "proxy_steps": 3, "proxy_batch": 2, "proxy_patch": 16, "threads": 1}
LATENCY = "latency@local/64x48/float/1t"


@pytest.fixture(scope="module")
def task() -> Task:
    return TaskConfig().make()


@pytest.fixture
def data(pieces: tuple[Path, Path], task: Task) -> Data:
    photos, val = pieces
    return open_data(DataConfig(photos=(photos,), val=(val,)), task)


def search(run: Path, data: Data, task: Task, *, resume: bool = False, clock: Clock = time.monotonic, **settings: Any) -> dict[str, Any]:
    config = SearchConfig(**{**SMALL, "objectives": ("psnr", "macs_720p<=300M"), **settings})
    with Stage(run, "search", config, resume=resume) as stage:
        return search_stage(data, task, config, stage, clock=clock)


def events(run: Path, kind: str) -> list[dict[str, Any]]:
    return [event for event in read_events(run / "search" / "events.jsonl") if event["kind"] == kind]


def test_the_record_tells_the_whole_search(tmp_path: Path, data: Data, task: Task) -> None:
    front = search(tmp_path, data, task)
    assert front == read_json(tmp_path / "search" / "front.json")
    kinds = [event["kind"] for event in read_events(tmp_path / "search" / "events.jsonl")]
    assert [kind for kind in kinds if kind not in ("begun", "warning")] == [
        "start",
        "baseline",
        *["candidate"] * 4,
        "generation",
        *["candidate"] * 2,
        "generation",
        "done",
    ]
    (start,), (baseline,) = events(tmp_path, "start"), events(tmp_path, "baseline")
    assert start["objectives"] == ["psnr", "macs_720p<=300M"]
    assert start["proxy"] == front["fidelity"] == "3 steps, batch 2, patch 16"
    assert 25 < baseline["psnr_db"] < 45
    assert baseline["name"] == front["baseline"]["name"] == "bicubic"
    assert front["reference_point"] == {"psnr": baseline["psnr_db"], "macs_720p": 300e6}


def test_figures_are_those_of_the_network(tmp_path: Path, data: Data, task: Task) -> None:
    front = search(tmp_path, data, task)
    for candidate in events(tmp_path, "candidate"):
        _, genotype = read_genotype(candidate["genotype"], task.signature)
        network = build(genotype, task.signature)
        assert candidate["figures"]["macs_720p"] == count_macs(network, 360, 640) <= 300e6
        assert candidate["figures"]["params"] == count_params(network)
        assert genotype.id == candidate["id"]
        assert candidate["error"] is None
        assert candidate["cpu_s"] > 0
    best = max(front["members"], key=lambda member: member["figures"]["psnr"])
    assert best["figures"]["psnr"] == max(c["figures"]["psnr"] for c in events(tmp_path, "candidate"))
    assert pick_from_run(tmp_path, "best-under:macs_720p<=300M")["id"] == best["id"]
    assert pick_from_run(tmp_path, "knee")["id"] == front["knee"]


def test_more_training_is_more_quality(tmp_path: Path, data: Data, task: Task) -> None:
    """The proxy really trains: the same members after more steps are better."""
    settings = {"strategy": "random", "proxy_batch": 4, "evaluations": 4, "objectives": ("psnr", "macs_720p<=100M")}
    few, many = (search(tmp_path / str(n), data, task, proxy_steps=n, **settings) for n in (1, 60))
    scores = [{c["id"]: c["figures"]["psnr"] for c in events(tmp_path / str(n), "candidate")} for n in (1, 60)]
    assert scores[0].keys() == scores[1].keys()
    assert sum(scores[1].values()) > sum(scores[0].values()) + 0.2
    assert few["fidelity"] != many["fidelity"]


def test_a_candidate_scores_the_same_whatever_was_tried_before(tmp_path: Path, data: Data, task: Task) -> None:
    long, short = (search(tmp_path / str(n), data, task, strategy="random", population=2, evaluations=n) for n in (4, 2))
    del long, short
    by_id = [{c["id"]: c["figures"] for c in events(tmp_path / str(n), "candidate")} for n in (4, 2)]
    assert by_id[1].items() <= by_id[0].items()


def test_a_candidate_scores_the_same_wherever_it_is_trained(tmp_path: Path, data: Data, task: Task, executor_name: str) -> None:
    """Bit for bit, with rungs and all; a search may also go on elsewhere than it began."""
    rungs = {"rungs": (2, 4), "proxy_steps": 4, "keep": 0.5}
    alone = search(tmp_path / "alone", data, task, **rungs)
    search(tmp_path / "many", data, task, evaluations=3, **rungs)
    many = search(tmp_path / "many", data, task, executor=executor_name, resume=True, **rungs)
    assert many == alone
    assert alone["fidelity"] == "4 steps, batch 2, patch 16"
    figures = [{(c["id"], c["fidelity"]): c["figures"] for c in events(tmp_path / name, "candidate")} for name in ("alone", "many")]
    assert figures[0].items() <= figures[1].items()  # the shorter search let others climb
    assert not any(c["error"] for c in events(tmp_path / "many", "candidate"))


def test_when_nothing_climbed_the_budget_is_named(tmp_path: Path, data: Data, task: Task) -> None:
    def over() -> float:
        return 99.0 if events(tmp_path, "candidate") else 0.0

    with pytest.raises(InfeasibleError, match=r"None of the 1 candidates came to the highest rung \(4 steps.*larger budget"):
        search(tmp_path, data, task, rungs=(2, 4), proxy_steps=4, evaluations=None, budget_s=1, clock=over)


def test_going_on_with_other_photos_is_refused(tmp_path: Path, data: Data, task: Task, pieces: tuple[Path, Path]) -> None:
    search(tmp_path, data, task, evaluations=2)
    photos, val = pieces
    swapped = open_data(DataConfig(photos=(val,), val=(photos,)), task)
    with pytest.raises(UsageError, match="photos have changed"):
        search(tmp_path, swapped, task, resume=True)
    front = search(tmp_path, data, task, evaluations=4, resume=True)
    assert len(events(tmp_path, "candidate")) == 4
    assert events(tmp_path, "resume")[-1]["evaluated"] == 2
    assert front["members"]


def test_bounds_that_cannot_be_kept_end_it_before_any_training(tmp_path: Path, data: Data, task: Task) -> None:
    with pytest.raises(InfeasibleError, match="nearest miss.*breaks `macs_720p<=1M`"):
        search(tmp_path, data, task, objectives=("psnr", "macs_720p<=1M"))
    assert events(tmp_path, "candidate") == []


def test_a_quality_that_is_never_reached_names_the_nearest_miss(tmp_path: Path, data: Data, task: Task) -> None:
    with pytest.raises(InfeasibleError) as caught:
        search(tmp_path, data, task, objectives=("psnr>=90", "macs_720p<=300M"))
    tried = events(tmp_path, "candidate")
    best = max(tried, key=lambda c: c["figures"]["psnr"])
    assert f"`{best['id']}`" in str(caught.value)
    assert f"`psnr>=90dB`: it has {best['figures']['psnr']:.2f} dB" in str(caught.value)
    assert all(c["broke"] == ["psnr>=90dB"] for c in tried)
    assert not (tmp_path / "search" / "front.json").exists()


def test_a_patch_larger_than_all_photos_is_an_error_of_the_data(tmp_path: Path, data: Data, task: Task) -> None:
    with pytest.raises(DataError, match="No picture holds a patch"):
        search(tmp_path, data, task, proxy_patch=200)


@pytest.mark.slow
def test_latency_is_measured_once_and_bounds_what_is_trained(
    tmp_path: Path, data: Data, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixsearch.export.quantize.refit", lambda *_: pytest.fail("a candidate that is only timed was refitted"))
    loose, int8, tight = LATENCY.replace("/float/1t", "<=10s"), "latency@local/64x48/int8", "latency@local/48x64<=0.0001ms"
    with pytest.raises(InfeasibleError, match=r"breaks `latency@local/48x64/float/1t<=0\.0001ms`: it has 0\.\d+ ms"):
        search(tmp_path, data, task, objectives=("psnr", "macs_720p<=20M", loose, int8, tight), evaluations=2, population=2)
    measured = events(tmp_path, "measured")
    assert [m["figure"] for m in measured] == [LATENCY, LATENCY.replace("float", "int8"), "latency@local/48x64/float/1t"] * 2
    for candidate in events(tmp_path, "candidate"):
        assert 0 < candidate["figures"][LATENCY] < 10_000
        assert "psnr" not in candidate["figures"]  # the tight bound was broken, so nothing was trained
        assert candidate["broke"] == ["latency@local/48x64/float/1t<=0.0001ms"]
    assert math.isclose(measured[0]["value"], events(tmp_path, "candidate")[0]["figures"][LATENCY])
