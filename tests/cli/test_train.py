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


def test_a_plateau_ends_a_training_and_more_steps_go_on_from_there(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main.run(train(photos, run, "--steps", 40, "--rate", 1e-12, "--patience", 2)) == 0
    (early,) = events(run, "early_stop")
    assert early["step"] == 12
    assert main.run(["train", "--resume", str(run), "--steps", "80"]) == 0
    (resumed,) = events(run, "resume")
    assert resumed["text"].startswith("Goes on after step 12, now for 80 steps instead of 40 steps: 15% of the new schedule is done")
    assert resumed["text"] in capsys.readouterr().err
    assert main.run(["train", "--resume", str(run), "--budget", "1s"]) == 0
    assert "now for 1.0 s instead of 80 steps" in events(run, "resume")[1]["text"]


@pytest.mark.slow
def test_photos_that_vanish_are_missed_only_when_it_is_resumed(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    assert main.run(["train", "--resume", str(run)]) == 3
    assert f"There is no `{own / 'train'}`" in capsys.readouterr().err
    shutil.copytree(photos / "train", own / "train")
    next((own / "train").iterdir()).unlink()
    assert main.run(["train", "--resume", str(run)]) == 3
    assert "there were 5 then and there are 4 now" in " ".join(capsys.readouterr().err.split())


def reach(run: Path, step: int, process: subprocess.Popen[str]) -> None:
    """Wait until so many steps are on record."""
    while not any(event["step"] >= step for event in events(run, "step")):
        assert process.poll() is None, "the command ended early"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_disk_that_fills_up_costs_only_what_came_after_the_last_checkpoint(photos: Path, tmp_path: Path) -> None:
    """No file may grow beyond 30 kB, which events do not reach and a checkpoint does."""
    run = tmp_path / "run"
    assert main.run(train(photos, run, "--steps", 5, arch="plain-m2c16")) == 0
    goes_on = ["train", "--resume", str(run), "--steps", "10", "--json"]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))

    full = subprocess.run([sys.executable, "-m", "pixsearch.cli", *goes_on], capture_output=True, text=True, check=False, preexec_fn=limit)
    assert full.returncode == 6, full.stderr
    assert "cannot be written" in json.loads(full.stdout)["error"]
    assert "checkpoints" in json.loads(full.stdout)["error"]
    assert main.run(goes_on) == 0
    assert [event["step"] for event in events(run, "resume")] == [5, 5]
    assert events(run, "done")[-1]["step"] == 10


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


def test_folders_that_cannot_be_written_are_named(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("no folder")
    assert main.run(train(photos, tmp_path / "file" / "run", "--steps", 2)) == 6
    assert str(tmp_path / "file") in capsys.readouterr().err
    assert main.run(train(photos, tmp_path / "run", "--steps", 2, "--cache", tmp_path / "file")) == 6
    assert "choose another folder by `--cache`" in " ".join(capsys.readouterr().err.split())


def test_a_model_carries_no_path_of_the_machine_it_was_trained_on(photos: Path, tmp_path: Path) -> None:
    genotype = tmp_path / "mine.json"
    genotype.write_text(json.dumps({"space": "mobile", "layers": [{"op": "conv1", "width": 4, "act": "relu"}]}))
    assert pixsearch(*train(photos, tmp_path / "run", "--steps", 2, arch=str(genotype))).code == 0
    model = (tmp_path / "run" / "train" / "model.safetensors").read_bytes()
    assert b"mine.json" in model
    assert str(tmp_path).encode() not in model


def test_curves_for_tensorboard_lie_beside_the_record(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed: `pip install tensorboard`")
    assert main.run(train(photos, tmp_path / "run", "--steps", 2, "--tensorboard")) == 0
    assert list((tmp_path / "run" / "train" / "tensorboard").iterdir())


def test_tensorboard_that_is_not_installed_is_asked_for_at_once(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    assert main.run(train(photos, tmp_path / "run", "--steps", 2, "--tensorboard")) == 6
    assert "pip install 'pixsearch[tensorboard]'" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run" / "train").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere: run the tests as another user")
def test_a_read_only_run_is_named(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o555)
    ended = pixsearch(*train(photos, tmp_path / "run", "--steps", 2))
    assert (ended.code, str(tmp_path / "run") in ended.err) == (6, True)


def test_a_training_against_policies_goes_on_with_them_and_with_no_others(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main.run(train(photos, run, "--steps", 60, "--augment", "adversarial")) == 0
    assert "policies at step" in capsys.readouterr().err
    told = events(run, "policy")
    assert {"cutblur", "mixup", "shrink"} <= set(told[-1]["operations"])
    assert main.run(["train", "--resume", str(run), "--augment", "flips"]) == 2
    assert "adversarial" in capsys.readouterr().err
    assert main.run(["train", "--resume", str(run), "--steps", "90"]) == 0
    assert events(run, "policy")[-1]["step"] > 60
    assert main.run(["report", str(run)]) == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "train-policies" in page
    assert "Operations of the policies" in page


def test_an_augmentation_that_there_is_not_is_a_usage_error(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(train(photos, tmp_path / "run", "--steps", 5, "--augment", "adverserial")) == 2
    assert "adversarial" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "task", [("denoise", "--sigma", "5-50", "--noise-level"), ("jdd",), ("enhance",), ("video-sr",), ("video-denoise", "--color", "y")]
)
def test_every_task_trains_against_policies(task: tuple[str, ...], photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main.run(train(photos, run, "--task", *task, "--steps", 55, "--augment", "adversarial")) == 0
    assert events(run, "policy")[-1]["clean_loss"] > 0
    assert (run / "train" / "model.safetensors").exists()
