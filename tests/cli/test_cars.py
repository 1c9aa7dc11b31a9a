"""Shared weights from the command line: a search by them is repeatable wherever it runs, and trainings start from what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import pixsearch

from pixsearch.events import read_events

BOUNDS = ["--objective", "psnr", "--objective", "macs_720p<=200M"]
QUICK = ["--strategy", "cars", "--population", 3, "--warmup-steps", 6, "--generation-steps", 3, *BOUNDS]


def search(photos: Path, run: Path, *options: object) -> dict[str, Any]:
    told = pixsearch("search", photos / "train", "--val", photos / "select", "--out", run, *QUICK, *options)
    assert told.code == 0, told.err
    return front(run)


def front(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "search" / "front.json").read_text())
    return found


@pytest.fixture(scope="module")
def searched(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three generations: three members, then twice these with three of their offspring."""
    run = tmp_path_factory.mktemp("cars") / "run"
    assert search(photos, run, "--evaluations", 15)["fidelity"] == "supernet-v2"
    return run


def test_candidates_are_scored_by_one_version_a_generation(searched: Path) -> None:
    tried = [event for event in read_events(searched / "search" / "events.jsonl") if event["kind"] == "candidate"]
    assert [one["fidelity"] for one in tried] == ["supernet-v0"] * 3 + ["supernet-v1"] * 6 + ["supernet-v2"] * 6
    assert all("psnr_growth" in one["figures"] for one in tried[3:])


def test_a_resumed_search_and_one_with_workers_find_the_same(searched: Path, photos: Path, tmp_path: Path) -> None:
    assert search(photos, tmp_path / "pool", "--evaluations", 15, "--workers", 2) == front(searched)
    search(photos, tmp_path / "short", "--evaluations", 9)
    told = pixsearch("search", "--resume", tmp_path / "short", "--evaluations", 15)
    assert told.code == 0, told.err
    assert front(tmp_path / "short") == front(searched)


def test_a_training_starts_from_shared_weights_unless_told_otherwise(searched: Path, photos: Path, tmp_path: Path) -> None:
    scores = {}
    for name, options in (("inherited", []), ("scratch", ["--from-scratch"])):
        told = pixsearch("train", searched, "--pick", "knee", "--steps", 1, "--rate", 1e-9, "--out", tmp_path / name, *options)
        assert told.code == 0, told.err
        (done,) = (event for event in read_events(tmp_path / name / "train" / "events.jsonl") if event["kind"] == "done")
        scores[name] = done["psnr_db"]
    knee = next(member for member in front(searched)["members"] if member["id"] == front(searched)["knee"])
    assert scores["inherited"] == pytest.approx(knee["figures"]["psnr"], abs=1e-3)
    assert scores["scratch"] != pytest.approx(scores["inherited"], abs=1e-3)
