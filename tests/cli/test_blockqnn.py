"""BlockQNN from the command line: a search repeats wherever it runs and resumes, and what it finds goes through the chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import Ended, pixsearch

QUICK = ["--strategy", "blockqnn", "--space", "nsc", "--population", 4, "--proxy-steps", 8, "--objective", "psnr", "--evaluations", 9]
BOUND = ["--objective", "macs_720p<=300M"]

pytestmark = pytest.mark.slow


def search(photos: Path, run: Path, *options: object) -> Ended:
    return pixsearch("search", photos / "train", "--val", photos / "select", "--out", run, *QUICK, *BOUND, *options)


def front(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "search" / "front.json").read_text())
    return found


@pytest.fixture(scope="module")
def searched(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("blockqnn") / "run"
    told = search(photos, run)
    assert told.code == 0, told.err
    return run


def test_workers_find_the_same(searched: Path, photos: Path, tmp_path: Path) -> None:
    told = search(photos, tmp_path / "pool", "--workers", 2)
    assert told.code == 0, told.err
    assert front(tmp_path / "pool") == front(searched)
    assert all(member["figures"]["macs_720p"] <= 300e6 for member in front(searched)["members"])


def test_what_it_finds_goes_through_the_chain(searched: Path, photos: Path, tmp_path: Path) -> None:
    for command in (
        ["train", searched, "--pick", "knee", "--steps", 60],
        ["export", searched, "--int8", "--gate", "3"],
        ["bench", searched, "--images", photos / "report", "--repeats", 2, "--size", "320x180"],
    ):
        told = pixsearch(*command)
        assert told.code == 0, told.err
    files = sorted((searched / "export").glob("*.onnx"))
    assert len(files) == 2
    told = pixsearch("apply", files[0], photos / "report" / "fig.png", tmp_path / "big.png")
    assert told.code == 0, told.err
    told = pixsearch("prune", searched, "--keep-macs", 0.8, "--steps", 4)
    assert told.code == 0, told.err


def test_other_spaces_are_refused(photos: Path, tmp_path: Path) -> None:
    told = search(photos, tmp_path / "run", "--space", "cell")
    assert told.code == 2
    assert "the space `cell` does not have" in " ".join(told.err.split())
