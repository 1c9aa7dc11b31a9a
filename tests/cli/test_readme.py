"""What the README shows works: its CI script, its commands, the files it points to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import pixsearch

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def ci_script() -> str:
    found = re.search(r"<!-- ci-script -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def run_script(folder: Path, **variables: object) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **{name: str(value) for name, value in variables.items()}}
    return subprocess.run(["sh", "-c", ci_script()], cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_ci_script_passes_and_fails_by_the_measured_gain(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    where = ["--data", photos / "train", "--val", photos / "select", "--out", run]
    assert pixsearch("train", "--arch", "plain-m1c8", *where, "--steps", 300).code == 0
    passed = run_script(tmp_path, RUN=run, PHOTOS=photos / "report", MIN_GAIN="-1")
    assert passed.returncode == 0, passed.stderr
    assert re.search(r"best model: [+-]\d+\.\d\d dB over bicubic", passed.stdout)
    assert run_script(tmp_path, RUN=run, PHOTOS=photos / "report", MIN_GAIN="20").returncode == 1
    assert run_script(tmp_path, RUN=tmp_path / "none", PHOTOS=photos / "report", MIN_GAIN="1").returncode == 3


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_files_that_are_pointed_to_exist(target: str) -> None:
    assert (ROOT / target).exists()


def test_the_options_shown_are_known() -> None:
    shown = re.findall(r"pixsearch (search|train|prune|export|bench|run|apply|doctor|report)\b([^\n`|]*)", README)
    helps = {name: pixsearch(name, "--help").out for name in {name for name, _ in shown}}
    for name, line in shown:
        told = helps[name]
        assert all(option in told for option in re.findall(r"--[a-z0-9-]+", line)), line
