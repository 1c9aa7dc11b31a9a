"""Checkpoints: whole or absent, checked to the last byte, and the one before the newest takes its place."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pixsearch.errors import MachineError
from pixsearch.train import checkpoint
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.trainee import Packed

from .conftest import Notes


def state(step: int) -> Packed:
    torch.manual_seed(step)
    return Packed({"weight": torch.randn(16, 16), "adam_step": torch.tensor(float(step))}, {"progress": {"step": step}})


def step_of(packed: Packed | None) -> int:
    assert packed is not None
    return int(packed.values["progress"]["step"])


@pytest.fixture
def kept(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", "Go on with `--resume`.")


def test_what_was_saved_is_read_bit_for_bit(kept: Checkpoints) -> None:
    kept.save(state(100))
    read = kept.latest()
    assert read is not None
    assert read.values == state(100).values
    assert all(torch.equal(read.tensors[name], value) for name, value in state(100).tensors.items())


def test_no_checkpoint_is_none(kept: Checkpoints) -> None:
    assert kept.latest() is None


def test_the_last_two_are_kept(kept: Checkpoints) -> None:
    for step in (100, 900, 1000, 11000):
        kept.save(state(step))
    assert [path.name for path in kept.files()] == ["step-000011000.safetensors", "step-000001000.safetensors"]
    assert step_of(kept.latest()) == 11000


def test_parts_that_a_kill_left_are_cleared_away(kept: Checkpoints) -> None:
    kept.save(state(100))
    (kept.folder / ".step-000000200.safetensors.4711.part").write_bytes(b"half")
    kept.save(state(300))
    assert len(list(kept.folder.iterdir())) == 2


def damages() -> dict[str, object]:
    return {
        "cut short": lambda data: data[: len(data) // 2],
        "empty": lambda data: b"",
        "no checkpoint": lambda data: b"\x10" * 400,
        "one bit of a weight": lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:],
    }


@pytest.mark.parametrize("damage", damages())
def test_behind_a_damaged_one_stands_the_one_before(damage: str, kept: Checkpoints, notes: Notes) -> None:
    kept.save(state(100))
    newest = kept.save(state(200))
    newest.write_bytes(damages()[damage](newest.read_bytes()))  # type: ignore[operator]
    assert step_of(kept.latest(notes)) == 100
    (warning,) = notes.of("warning")
    assert newest.name in warning["text"]


def test_a_full_disk_is_said_and_the_last_one_stays(kept: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.save(state(100))
    monkeypatch.setattr("pixsearch.rundir.os.fsync", lambda _fd: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(MachineError, match="No space left on device"):
        kept.save(state(200))
    assert [path.name for path in kept.folder.iterdir()] == ["step-000000100.safetensors"]
    assert step_of(kept.latest()) == 100


def test_a_file_that_may_not_grow_leaves_the_last_one_good(kept: Checkpoints) -> None:
    """With a real limit on the size of files, in a process of its own."""
    kept.save(state(100))
    script = f"""
import resource, signal, sys, torch
from pathlib import Path
from pixsearch.errors import MachineError
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.trainee import Packed
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, {resource.RLIM_INFINITY}))
try:
    Checkpoints(Path({str(kept.folder)!r}), "").save(Packed({{"weight": torch.zeros(999)}}, {{"progress": {{"step": 200}}}}))
except MachineError as error:
    sys.exit(error.exit_code)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 6
    assert step_of(kept.latest()) == 100


def test_a_digest_is_of_names_and_values() -> None:
    same = checkpoint._digest(state(1).tensors)
    assert same == checkpoint._digest(dict(reversed(state(1).tensors.items())))
    assert same != checkpoint._digest({"other": state(1).tensors["weight"], "adam_step": torch.tensor(1.0)})
