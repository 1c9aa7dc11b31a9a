"""Pruning from the command line: several shares out of one evolution, killed and resumed, and what is refused."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
from command import pixsearch


@pytest.fixture(scope="module")
def model(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("trained") / "run"
    quick = ["--steps", 100, "--batch", 4, "--patch", 16, "--threads", 1]
    done = pixsearch("train", "--arch", "plain-m2c8", "--data", photos / "train", "--val", photos / "select", *quick, "--out", run)
    assert done.code == 0, done.err
    return run / "train" / "model.safetensors"


def weights(run: Path) -> dict[str, list[float]]:
    files = sorted((run / "prune").glob("*.safetensors"))
    return {f"{file.name}/{name}": value.tolist() for file in files for name, value in safetensors.torch.load_file(file).items()}


@pytest.mark.slow
def test_a_killed_evolution_ends_as_the_unbroken_one(model: Path, tmp_path: Path) -> None:
    asked = ["--strategy", "evolution", "--keep-macs", "0.7,0.5", "--evaluations", 8, "--population", 4, "--steps", 20]
    quick = ["--batch", 4, "--patch", 16, "--threads", 1]
    whole = pixsearch("prune", model, *asked, *quick, "--out", tmp_path / "whole", "--json")
    assert whole.code == 0, whole.err
    assert whole.document["models"] == ["keep-0.7.safetensors", "keep-0.5.safetensors"]
    assert Path(whole.document["model"]) == tmp_path / "whole" / "prune" / "model.safetensors"

    command = [sys.executable, "-m", "pixsearch.cli", "prune", model, *asked, *quick, "--out", tmp_path / "killed"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    record = tmp_path / "killed" / "prune" / "events.jsonl"
    while process.poll() is None and not (record.exists() and record.read_text().count('"kind": "candidate"') >= 3):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = pixsearch("prune", "--resume", tmp_path / "killed")
    assert resumed.code == 0, resumed.err
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    assert "keep 0.5" in resumed.out
    assert pixsearch("report", tmp_path / "killed").code == 0


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--strategy", "evolve"], 2, "importance"),
        (["--keep-macs", "0.5,1.5"], 2, "less than 1"),
        (["--objective", "psnr"], 2, "belongs to the strategy `evolution`"),
        (["--strategy", "evolution", "--objective", "psnr", "--objective", "parms"], 2, "Did you mean `params`"),
        (["--strategy", "uniform", "--keep-macs", "0.001"], 4, "Ask for"),
        (["--strategy", "evolution", "--objective", "psnr", "--objective", "params<=3"], 4, "params<=3"),
    ],
)
def test_what_cannot_be_is_refused(model: Path, tmp_path: Path, options: list[str], code: int, said: str) -> None:
    ended = pixsearch("prune", model, *options, "--steps", 5, "--out", tmp_path / "run")
    assert (ended.code, said in ended.err) == (code, True), ended.err
