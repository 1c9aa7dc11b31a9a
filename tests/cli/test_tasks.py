"""Every task goes through the whole chain by the same commands, and its models know what they are for."""

from __future__ import annotations

import json

import onnx
import pytest
from command import pixsearch

TASKS = {
    "denoise": (("--sigma", "15-30"), {"noise": "gaussian", "sigma": [15, 30]}, "identity", []),
    "jdd": (("--noise", "none"), {"noise": "none"}, "bilinear", ["OpenCV VNG", "OpenCV EA", "Malvar 5×5"]),
    "enhance": ((), {}, "identity", ["unsharp mask"]),
}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_from_photos_to_the_table(task, photos, tmp_path):
    options, settings, trivial, others = TASKS[task]
    run = tmp_path / "run"
    train = ("train", "--task", task, *options, "--arch", "plain-m1c4", "--data", photos / "train", "--val", photos / "select")
    done = pixsearch(*train, "--steps", 12, "--patch", 16, "--cache", tmp_path / "cache", "--out", run)
    assert done.code == 0, done.err
    further = [("prune", run, "--keep-macs", 0.8, "--steps", 4)] if task == "jdd" else []
    for command in (
        *further,
        ("export", run, "--int8", "--gate", 9),
        ("bench", run, "--images", photos / "report", "--size", "64x48", "--repeats", 2),
    ):
        done = pixsearch(*command)
        assert done.code == 0, done.err
    bench = json.loads((run / "bench" / "bench.json").read_text())
    assert bench["task"] == task
    assert [row["label"] for row in bench["rows"] if row["kind"] == "baseline"] == [trivial, *others]
    assert len([row for row in bench["rows"] if row["kind"] == "model"]) == 2 + len(further)
    properties = {entry.key: entry.value for entry in onnx.load(run / "export" / "plain-m1c4.onnx").metadata_props}
    signature = json.loads(properties["pixsearch"])["signature"]
    assert signature["task"] == task
    assert signature["settings"] == settings


def test_a_search_for_a_denoiser(photos, tmp_path):
    command = (
        "search",
        photos / "train",
        "--val",
        photos / "select",
        "--task",
        "denoise",
        "--objective",
        "psnr",
        "--objective",
        "macs_720p<=3G",
    )
    done = pixsearch(
        *command, "--evaluations", 2, "--population", 2, "--proxy-steps", 4, "--cache", tmp_path / "c", "--out", tmp_path / "run"
    )
    assert done.code == 0, done.err
    front = json.loads((tmp_path / "run" / "search" / "front.json").read_text())
    assert front["task"] == "denoise"
    done = pixsearch("train", tmp_path / "run", "--pick", "knee", "--steps", 4, "--patch", 16)
    assert done.code == 0, done.err
    assert "over the baseline" in done.err + done.out


FAULTS = {
    ("--task", "denois"): "there is no such task. Did you mean `denoise`?",
    ("--task", "denoise", "--scale", "2"): "`denoise` knows no scale `2`. Choose one of 1",
    ("--task", "jdd", "--color", "y"): "`y` is no colour of `jdd`. Choose one of rgb",
    ("--task", "sr", "--sigma", "9"): "`sigma` is not a setting",
    ("--task", "jdd", "--noise", "gaussian"): "`noise` is `gaussian`: Input should be 'camera' or 'none'",
}


@pytest.mark.parametrize(("options", "message"), FAULTS.items(), ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_faults_of_a_task_are_usage_errors(options, message, photos, tmp_path):
    done = pixsearch("train", *options, "--arch", "plain-m1c4", "--data", photos / "train", "--steps", 2, "--out", tmp_path / "run")
    assert done.code == 2
    assert message in done.err
