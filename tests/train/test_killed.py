"""A training killed at random moments and resumed ends bit for bit as the unbroken one."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from pixsearch.events import read_events
from pixsearch.nn.modelfile import load_model
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.trainee import Packed

SCRIPT = Path(__file__).with_name("training.py")
STEPS = 700
KILLS = 3


def start(run: Path, pieces: tuple[Path, Path], augment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(SCRIPT), str(run), *map(str, pieces), str(STEPS), augment], stderr=subprocess.PIPE)


def kill_later(process: subprocess.Popen[bytes], run: Path, checkpoints: int, delay: float) -> None:
    """SIGKILL `delay` seconds after the process has written so many checkpoints."""
    wanted = saved(run) + checkpoints
    while process.poll() is None and saved(run) < wanted:
        time.sleep(0.002)
    time.sleep(delay)
    process.kill()
    process.communicate()


def saved(run: Path) -> int:
    return sum(event["kind"] == "checkpoint" for event in read_events(run / "train" / "events.jsonl"))


def finish(process: subprocess.Popen[bytes]) -> None:
    _, said = process.communicate()
    assert process.returncode == 0, said.decode()


def last_state(run: Path) -> Packed:
    packed = Checkpoints(run / "train" / "checkpoints", "").latest()
    assert packed is not None
    return packed


@pytest.mark.slow
@pytest.mark.parametrize("augment", ["flips", "adversarial"])
def test_killed_and_resumed_equals_unbroken(augment: str, tmp_path: Path, pieces: tuple[Path, Path]) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    chance, whole, broken = random.Random(seed), tmp_path / "whole", tmp_path / "broken"
    finish(start(whole, pieces, augment))
    for _ in range(KILLS):
        kill_later(start(broken, pieces, augment), broken, chance.randint(1, 2), chance.random() * 0.3)
    finish(start(broken, pieces, augment))

    resumed = [event for event in read_events(broken / "train" / "events.jsonl") if event["kind"] == "resume"]
    assert len(resumed) == KILLS, f"seed {seed}"
    assert all(event["step"] >= 100 and event["text"] == f"Goes on after step {event['step']}." for event in resumed)
    mine, other = last_state(whole), last_state(broken)
    assert mine.tensors.keys() == other.tensors.keys()
    assert any(name.startswith("adversary/") for name in mine.tensors) is (augment == "adversarial")
    for name, value in mine.tensors.items():
        assert torch.equal(value, other.tensors[name]), f"`{name}` differs, seed {seed}"
    numbers = [{**packed.values["progress"], "elapsed_s": 0} for packed in (mine, other)]
    assert numbers[0] == numbers[1]
    models = [load_model(run / "train" / "model.safetensors")[0].state_dict() for run in (whole, broken)]
    assert all(torch.equal(value, models[1][name]) for name, value in models[0].items())
