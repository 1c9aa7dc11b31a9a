"""The options that a record holds for a model, and `apply`, which runs the model with them."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from pixsearch.bench.config import BenchConfig
from pixsearch.bench.recorded import recorded
from pixsearch.bench.subjects import digest_of_file
from pixsearch.bench.targets.local import LocalTarget
from pixsearch.cli.main import app
from pixsearch.rundir import Stage

FOUND = {"threads": 1, "size": "1280x720", "gain": 0.05, "interval": [0.03, 0.07]}
OPTIONS = {"session.disable_prepacking": "1", "execution_mode": "ORT_PARALLEL"}


@pytest.fixture
def tuned_model(model, tmp_path):
    """RUN/export/model.onnx beside a record of its tuning with one thread, and an older one."""
    file = tmp_path / "run" / "export" / "model.onnx"
    file.parent.mkdir(parents=True)
    shutil.copy(model, file)
    told = [("", {"enable_mem_pattern": "0"}), ("", OPTIONS), ("another computer", {"enable_mem_pattern": "0"})]
    with Stage(tmp_path / "run", "bench", BenchConfig(images=(tmp_path,))) as stage:
        for machine, options in told:
            target, digest = machine or LocalTarget().label, digest_of_file(file)
            stage.note("session-tuned", label="small", digest=digest, target=target, tuned={**FOUND, "options": options})
    return file


def test_the_newest_of_this_file_machine_and_thread_count(tuned_model):
    found = recorded(tuned_model, 1)
    assert found.options == OPTIONS
    assert "5.0% faster at 1280x720" in found.text
    assert recorded(tuned_model, 2) is None
    tuned_model.write_bytes(tuned_model.read_bytes() + b"\0")
    assert recorded(tuned_model, 1) is None


def test_a_model_without_a_record(model):
    assert recorded(model, 1) is None


@pytest.mark.parametrize(("flag", "used"), [("--tuned", OPTIONS), ("--untuned", {})])
def test_apply_uses_them_and_says_so(tuned_model, photos, tmp_path, flag, used):
    source = photos / "chelsea.png"
    ended = CliRunner().invoke(app, ["apply", str(tuned_model), str(source), str(tmp_path / f"{flag}.png"), flag, "--json"])
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout)["session_options"] == used
    assert ("execution_mode=ORT_PARALLEL" in ended.stderr) is bool(used)
