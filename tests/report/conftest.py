"""A small recorded run, whole and killed, that tests copy and change."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pixsearch.rundir import STAGES

sys.path.insert(0, str(Path(__file__).parent))

from recorded_bench import write_bench
from recording import Clock, write_export, write_search, write_training


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run `demo` with all its stages, and the run `killed`; written once, to be copied."""
    folder, clock = tmp_path_factory.mktemp("recorded"), Clock()
    run = folder / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pixsearch.events.time.time", clock)
        patch.setattr("os.fsync", lambda _file: None)
        write_search(run, clock)
        write_training(run, clock, "train")
        write_training(run, clock, "prune", steps=600, macs=1.38e9)
        write_training(run, clock, "qat", steps=400, macs=1.38e9)
        write_export(run, clock)
        write_bench(run, clock)
        write_search(folder / "killed", clock, finish=False)
    with (folder / "killed" / "search" / "events.jsonl").open("ab") as file:
        file.write(b'{"kind": "candidate", "number": 48, "id": "ab')
    return folder


@pytest.fixture
def write_run(recorded: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes RUN with all stages, or with those that are named."""

    def write(*stages: str) -> Path:
        for name in stages or STAGES:
            shutil.copytree(recorded / "demo" / name, tmp_path / "demo" / name)
        return tmp_path / "demo"

    return write


@pytest.fixture
def killed_search(recorded: Path, tmp_path: Path) -> Path:
    """A run whose search was killed before it wrote its front, in the middle of a line."""
    shutil.copytree(recorded / "killed", tmp_path / "killed")
    return tmp_path / "killed"
