"""`train` under torchrun: several processes, one record, one model, one document."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import Ended

from pixsearch.events import read_events
from pixsearch.nn.modelfile import load_model


def torchrun(processes: int, *arguments: object) -> Ended:
    """Run `torchrun -m pixsearch.cli ARGUMENTS` and wait for it."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m", "pixsearch.cli"]
    done = subprocess.run(
        [*launcher, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
        timeout=500,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
def test_two_processes_leave_one_record_and_one_model(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = ["--device", "cpu", "--steps", 12, "--batch", 3, "--patch", 16, "--optimizer", "sgd", "--ema", 0.9]
    ended = torchrun(
        2, "train", "--arch", "plain-m1c4", "--data", photos / "train", "--val", photos / "select", *settings, "--out", run, "--json"
    )
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["step"] == 12
    kinds = [event["kind"] for event in read_events(run / "train" / "events.jsonl")]
    assert [kinds.count(kind) for kind in ("photos", "start", "checkpoint", "done")] == [2, 1, 1, 1]
    assert len(list(run.rglob("*.safetensors"))) == 2, "the model and one checkpoint"
    _, card = load_model(run / "train" / "model.safetensors")
    assert card.training["compute"]["processes"] == 2
    assert card.training["settings"]["batch"] == 3
    assert (card.training["settings"]["optimizer"], card.training["settings"]["ema"]) == ("sgd", 0.9)


@pytest.mark.slow
def test_a_refusal_is_said_once(photos: Path, tmp_path: Path) -> None:
    ended = torchrun(2, "train", "--arch", "plain-m1c4", "--data", tmp_path / "none", "--out", tmp_path / "run", "--steps", 2, "--json")
    assert ended.code != 0
    assert ended.err.count("pixsearch: ") == 1
    assert "exitcode  : 3" in ended.err
    assert ended.document["exit_code"] == 3
