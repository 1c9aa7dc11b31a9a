"""`train` when things go wrong: photos, disks, folders and losses; and what it says when it goes on."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import pixsearch

from pixsearch.cli import main
from pixsearch.data.patches import Patches
from pixsearch.events import read_events
from pixsearch.tasks.base import Batch

SMALL = ("--batch", 2, "--patch", 12)


def train(photos: Path, run: Path, *options: object, arch: str = "plain-m1c4") -> list[str]:
    where = ["--data", photos / "train", "--val", photos / "select", "--out", run]
    return [str(part) for part in ("train", "--arch", arch, *where, *SMALL, *options)]


def events(run: Path, kind: str) -> list[dict[str, Any]]:
    return [event for event in read_events(run / "train" / "events.jsonl") if event["kind"] == kind]


@pytest.mark.slow
def test_a_plateau_ends_a_training_and_more_steps_go_on_from_there(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    ended = pixsearch(*train(photos, run, "--steps", 40, "--rate", 1e-12, "--patience", 2), "--tensorboard")
    assert ended.code == 0, ended.err
    (early,) = events(run, "early_stop")
    assert early["step"] == 12
    assert list((run / "train" / "tensorboard").iterdir())
    ended = pixsearch("train", "--resume", run, "--steps", 80)
    assert ended.code == 0, ended.err
    (resumed,) = events(run, "resume")
    assert resumed["text"].startswith("Goes on after step 12, now for 80 steps instead of 40 steps: 15% of the new schedule is done")
    assert resumed["text"] in ended.err
    ended = pixsearch("train", "--resume", run, "--budget", "1s")
    assert ended.code == 0, ended.err
    assert "now for 1.0 s instead of 80 steps" in events(run, "resume")[1]["text"]


@pytest.mark.slow
def test_photos_that_vanish_are_missed_only_when_it_is_resumed(photos: Path, tmp_path: Path) -> None:
    own, run = tmp_path / "photos", tmp_path / "run"
    shutil.copytree(photos, own)
    command = [sys.executable, "-m", "pixsearch.cli", *train(own, run, "--steps", 10**6)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    reach(run, 1, process)
    shutil.rmtree(own / "train")
    reach(run, events(run, "step")[-1]["step"] + 1, process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    ended = pixsearch("train", "--resume", run)
    assert (ended.code, f"There is no `{own / 'train'}`" in ended.err) == (3, True)
    shutil.copytree(photos / "train", own / "train")
    next((own / "train").iterdir()).unlink()
    ended = pixsearch("train", "--resume", run)
    assert (ended.code, "there were 5 then and there are 4 now" in " ".join(ended.err.split())) == (3, True)


def reach(run: Path, step: int, process: subprocess.Popen[str]) -> None:
    """Wait until so many steps are on record."""
    while not any(event["step"] >= step for event in events(run, "step")):
        assert process.poll() is None, "the command ended early"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_disk_that_fills_up_costs_only_what_came_after_the_last_checkpoint(photos: Path, tmp_path: Path) -> None:
    """No file may grow beyond 30 kB, which events do not reach and a checkpoint does."""
    run = tmp_path / "run"
    assert pixsearch(*train(photos, run, "--steps", 5, arch="plain-m2c16")).code == 0
    command = [sys.executable, "-m", "pixsearch.cli", "train", "--resume", str(run), "--steps", "10", "--json"]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))

    full = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert full.returncode == 6, full.stderr
    assert "cannot be written" in json.loads(full.stdout)["error"]
    assert "checkpoints" in json.loads(full.stdout)["error"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert [event["step"] for event in events(run, "resume")] == [5, 5]
    assert json.loads(ended.stdout)["step"] == 10


def test_a_loss_that_keeps_exploding_ends_with_5(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No real setting of a small network explodes often enough, so batches are spoilt."""
    draw = Patches.draw

    def spoilt(self: Patches, step: int) -> Batch:
        batch = draw(self, step)
        return batch if step < 150 else Batch(batch.inputs, np.full_like(batch.truth, np.nan))

    monkeypatch.setattr(Patches, "draw", spoilt)
    run = tmp_path / "run"
    assert main.run(train(photos, run, "--steps", 400)) == 5
    assert "Train anew with a `rate` below" in " ".join(capsys.readouterr().err.split())
    warnings = [event["text"] for event in events(run, "warning")]
    assert ["with half the rate, " + rate in text for rate, text in zip(("0.0025", "0.0013", "0.0006"), warnings, strict=True)] == [
        True
    ] * 3
    assert "exploded 4 times" in events(run, "stopped")[0]["error"]


def test_folders_that_cannot_be_written_are_named(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    ended = pixsearch(*train(photos, tmp_path / "file" / "run", "--steps", 2))
    assert (ended.code, str(tmp_path / "file") in ended.err) == (6, True)
    ended = pixsearch(*train(photos, tmp_path / "run", "--steps", 2, "--cache", tmp_path / "file"))
    assert (ended.code, "choose another folder by `--cache`" in " ".join(ended.err.split())) == (6, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere: run the tests as another user")
def test_a_read_only_run_is_named(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o555)
    ended = pixsearch(*train(photos, tmp_path / "run", "--steps", 2))
    assert (ended.code, str(tmp_path / "run") in ended.err) == (6, True)
