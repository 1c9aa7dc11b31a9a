"""Every task goes through the whole chain by the same commands, and its models know what they are for."""

from __future__ import annotations

import json

import cv2
import numpy as np
import onnx
import pytest
from command import pixsearch

TASKS = {
    "denoise": (
        ("--sigma", "15-30", "--noise-level"),
        {"noise": "gaussian", "level": True, "sigma": [15, 30], "shot": None, "read": None},
        "identity",
        [],
    ),
    "jdd": (("--noise", "none"), {"noise": "none", "shot": None, "read": None}, "bilinear", ["OpenCV VNG", "OpenCV EA", "Malvar 5×5"]),
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
    if task == "denoise":
        photo, clean = photos / "report" / "chelsea.png", tmp_path / "clean.png"
        assert pixsearch("apply", run / "export" / "plain-m1c4.int8.onnx", photo, clean, "--sigma", 20).code == 0
        done = pixsearch("apply", run / "export" / "plain-m1c4.onnx", photo, clean)
        assert done.code == 2
        assert "Give `--sigma`, 15 to 30" in done.err


@pytest.fixture(scope="module")
def demosaicer(photos, tmp_path_factory):
    """A briefly trained model of the task `jdd`, exported."""
    run = tmp_path_factory.mktemp("jdd")
    train = ("train", "--task", "jdd", "--arch", "plain-m1c4", "--data", photos / "train", "--val", photos / "select")
    assert pixsearch(*train, "--steps", 2, "--patch", 16, "--cache", run / "cache", "--out", run).code == 0
    assert pixsearch("export", run).code == 0
    return run / "export" / "plain-m1c4.onnx"


def test_a_raw_frame_becomes_a_photo_of_its_size(demosaicer, photos, tmp_path):
    picture = cv2.imread(str(photos / "report" / "chelsea.png"))
    mosaic = np.where(np.indices(picture.shape[:2]).sum(0) % 2, picture[..., 1], picture[..., 0]).astype(np.uint16) * 4
    mosaic[::2, ::2] = picture[::2, ::2, 2].astype(np.uint16) * 4
    mosaic[:159, :191].tofile(tmp_path / "frame.raw")
    said = ("--raw-size", "191x159", "--raw-pattern", "rggb", "--raw-black", 0, "--raw-white", 1023, "--balance", "1,1,1")
    done = pixsearch("apply", demosaicer, tmp_path / "frame.raw", tmp_path / "photo.png", *said, "--json")
    assert done.code == 0, done.err
    (entry,) = done.document["photos"]
    assert (entry["width"], entry["height"]) == (191, 159)
    found = cv2.imread(str(tmp_path / "photo.png")).astype(np.float32)
    light = (found / 255) ** 2.2 * 255
    assert np.abs(light.mean((0, 1)) - picture.mean((0, 1))).max() < 15


def test_a_photo_is_no_raw_frame(demosaicer, photos, tmp_path):
    done = pixsearch("apply", demosaicer, photos / "report" / "chelsea.png", tmp_path / "o.png")
    assert done.code == 3
    assert "`chelsea.png` is no raw frame, which this model takes" in done.err
    assert not (tmp_path / "o.png").exists()


def test_doctor_measures_a_cameras_noise(tmp_path):
    rng = np.random.default_rng(0)
    for name, light in (("flat", 0.6), ("dark", 0.0)):
        signal = np.tile([[0.5, 1.0], [1.0, 0.6]], (128, 128)) * light * np.linspace(0.8, 1.1, 256)
        noisy = signal + np.sqrt(2e-3 * signal + 1e-5) * rng.standard_normal(signal.shape)
        np.save(tmp_path / f"{name}.npy", np.clip(np.round(64 + noisy * 959), 0, 1023).astype(np.uint16))
    said = ("--raw-pattern", "rggb", "--raw-black", 64, "--raw-white", 1023)
    done = pixsearch("doctor", "--noise", tmp_path / "flat.npy", "--noise", tmp_path / "dark.npy", *said, "--json")
    assert done.code == 0, done.err
    assert done.document["shot"] == pytest.approx(2e-3, rel=0.1)
    assert done.document["read"] == pytest.approx(1e-5, rel=0.1)
    done = pixsearch("doctor", "--noise", tmp_path / "dark.npy", *said)
    assert "not told by dark frames; add a flat one" in done.out
    done = pixsearch("doctor", "--noise", tmp_path / "dark.npy")
    assert done.code == 2
    assert "`--raw-pattern` and `--raw-black` and `--raw-white`" in done.err


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
