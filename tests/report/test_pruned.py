"""A pruning to several shares, as an evolution records it: table, curve, and what was tried."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pixsearch.config import Config
from pixsearch.report.console import prune_table
from pixsearch.report.html import assemble, render
from pixsearch.report.narrate import narrate
from pixsearch.report.plots.prune import curve_plot
from pixsearch.report.records import read_run
from pixsearch.rundir import Stage

BEFORE = {"macs_720p": 2.0e9, "params": 9000, "psnr_db": 33.0, "ssim": 0.93, "description": "conv3 16 relu ×4"}


class Nothing(Config):
    """A stage without settings."""


def side(share: float, psnr: float) -> dict[str, Any]:
    return {**BEFORE, "macs_720p": share * 2e9, "params": 9000 * share, "psnr_db": psnr}


@pytest.fixture
def curve(tmp_path: Path) -> Path:
    with Stage(tmp_path / "run", "prune", Nothing()) as stage:
        stage.note("evolution", objectives=["psnr", "macs_720p"], shares=[0.7, 0.5], fidelity="sliced", population=4)
        for number, (share, psnr) in enumerate([(0.7, 31.5), (0.5, 30.0), (0.49, 30.5)], 1):
            figures = {"psnr": psnr, "macs_720p": share * 2e9}
            more = {"genotype": {"space": "mobile"}, "description": "", "fidelity": "sliced", "feasible": True, "broke": [], "error": None}
            stage.note("candidate", number=number, id=f"c{number}", figures=figures, elapsed_s=number * 1.0, **more)
        for share, cut, tuned in ((0.5, 30.5, 32.4), (0.7, 31.5, 32.8)):
            stage.note("pruned", keep_macs=share, strategy="evolution", before=BEFORE, after=side(share, cut))
            stage.note("start", keep_macs=share, name=f"n-keep{share:g}", description="", params=1, macs_720p=1.0, steps=10)
            scores = {"psnr_db": tuned, "ssim": 0.92, "baseline_psnr_db": 31.0, "baseline_ssim": 0.89}
            stage.note("validation", keep_macs=share, step=10, progress=1.0, elapsed_s=1.0, **scores)
            stage.note("tuned", keep_macs=share, step=10, model=f"keep-{share:g}.safetensors", goal="10 steps", **scores)
        stage.note("done", keep_macs=0.5, psnr_db=32.4, ssim=0.92, model="model.safetensors", models=[])
    objectives = [{"name": "psnr", "direction": "max"}, {"name": "macs_720p", "direction": "min"}]
    member = {"id": "c1", "genotype": {"space": "mobile"}, "figures": {"psnr": 31.5, "macs_720p": 1.4e9}}
    (tmp_path / "run" / "prune" / "front.json").write_text(json.dumps({"objectives": objectives, "members": [member]}))
    return tmp_path / "run"


def test_every_share_has_its_own_training(curve: Path) -> None:
    prune = read_run(curve).prune
    assert prune
    assert (prune.keep_macs, prune.training.psnr_db) == (0.5, 32.4)
    assert [(name, size.psnr_db) for name, size in prune.rows] == [("before", 33.0), ("keep 0.7", 32.8), ("keep 0.5", 32.4)]
    assert [one.cut.psnr_db for one in prune.curve] == [31.5, 30.5]
    assert prune.chosen_words == "chosen by evolution, 3 candidates tried"
    assert prune.kept_words == ""
    assert len(prune_table(prune, 100).renderables) == 2


def test_the_curve_and_the_candidates_are_on_the_page(curve: Path) -> None:
    run = read_run(curve)
    assert run.prune
    page = assemble(run)
    assert {"prune-curve", "prune-front-0"} <= set(page.figures)
    assert '"c2"' in render(run)
    figure = curve_plot(run.prune)
    assert figure
    cut, tuned = figure["data"]
    assert list(zip(cut["x"], cut["y"], strict=True)) == [(1.4e9, 31.5), (1e9, 30.5)]
    assert list(zip(tuned["x"], tuned["y"], strict=True)) == [(2e9, 33.0), (1.4e9, 32.8), (1e9, 32.4)]


def test_a_curve_that_was_killed_shows_what_is_known(curve: Path) -> None:
    record = curve / "prune" / "events.jsonl"
    lines = record.read_text().splitlines(keepends=True)
    upto = next(number for number, line in enumerate(lines) if '"kind": "tuned"' in line)
    record.write_text("".join(lines[: upto + 2]))
    prune = read_run(curve).prune
    assert prune
    assert [(name, size.psnr_db) for name, size in prune.rows] == [("before", 33.0), ("keep 0.7, cut", 31.5), ("keep 0.5", 32.4)]
    assert render(read_run(curve))


def test_events_in_words() -> None:
    tuned = {"kind": "tuned", "keep_macs": 0.5, "psnr_db": 32.41, "model": "keep-0.5.safetensors"}
    assert narrate(tuned) == "fine-tuned, 0.5 of the multiply-adds kept: 32.41 dB, keep-0.5.safetensors"
    begun = {"kind": "evolution", "objectives": ["psnr", "macs_720p"], "shares": [0.7, 0.5], "fidelity": "sliced"}
    assert narrate(begun) == "evolution for psnr · macs_720p, at most 0.7 and 0.5 of the multiply-adds kept, sliced"
