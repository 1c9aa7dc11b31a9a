"""Every kind of failure ends with its exit code and a sentence that says what, which value and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import pixsearch


def test_a_typo_in_a_command_is_a_usage_error() -> None:
    ended = pixsearch("serch")
    assert (ended.code, "search" in ended.err) == (2, True)


def test_no_photos_named() -> None:
    ended = pixsearch("search")
    assert ended.code == 2
    assert "No photos were named" in ended.err


def test_all_faults_of_a_search_are_told_at_once(photos: Path) -> None:
    ended = pixsearch("search", photos, "--strategy", "nsga3", "--objective", "pnsr", "--scale", "9", "--evaluations", "0")
    assert ended.code == 2
    for part in ("`nsga2`", "psnr", "`task.scale` is `9`", "`search.evaluations` is `0`"):
        assert part in ended.err


def test_a_provider_of_phones_on_another_target(tmp_path: Path) -> None:
    ended = pixsearch("bench", tmp_path / "model.onnx", "--ep", "nnapi", "--images", tmp_path)
    assert ended.code == 2
    assert "`--target adb`" in ended.err


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    ended = pixsearch("search", tmp_path / "nowhere", "--evaluations", 2, "--out", tmp_path / "run")
    assert ended.code == 3
    assert "nowhere" in ended.err


def test_a_folder_without_a_usable_photo_names_each_file(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "notes.png").write_text("not a picture")
    (tmp_path / "photos" / "empty.jpg").write_bytes(b"")
    ended = pixsearch("search", tmp_path / "photos", "--evaluations", 2, "--out", tmp_path / "run")
    assert ended.code == 3
    assert "notes.png" in ended.err
    assert "empty.jpg" in ended.err


def test_bounds_nothing_can_meet(photos: Path, tmp_path: Path) -> None:
    ended = pixsearch(
        "search", photos / "train", "--objective", "psnr", "--objective", "macs_720p<=1K", "--evaluations", 2, "--out", tmp_path
    )
    assert ended.code == 4
    assert "macs_720p" in ended.err


def test_a_machine_reads_errors_as_json(tmp_path: Path) -> None:
    ended = pixsearch("train", tmp_path / "none", "--pick", "knee", "--json")
    assert ended.code == json.loads(ended.out)["exit_code"] != 0
    assert "front.json" in json.loads(ended.out)["error"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train"], "Name either a run"),
        (["train", "--arch", "plain-m4c16", "--pick", "knee"], "nothing to pick"),
        (["train", "--arch", "fsrcn", "--data", "x"], "fsrcnn"),
        (["train", "--arch", "plain-m4c16", "--data", "x", "--steps", "5", "--budget", "5s"], "steps"),
        (["train", "--resume", "nowhere"], "holds no train stage"),
        (["train", "--qat", "arm"], "No model was named"),
        (["train", "x.safetensors", "--qat", "arm", "--scale", "2"], "`--scale` has nothing to choose"),
        (["train", "x.safetensors", "--qat", "arm"], "x.safetensors"),
        (["train", "--resume", "nowhere", "--qat", "arm"], "holds no qat stage"),
        (["export", "x.safetensors", "--int8", "--for", "portabel", "--calibrate", "y"], "x.safetensors"),
        (["export", "x.onnx"], "Add `--check`"),
        (["export", "x.onnx", "--check"], "x.onnx"),
        (["prune", "nowhere.safetensors"], "nowhere.safetensors"),
        (["export"], "No model was named"),
        (["bench"], "No model was named"),
        (["bench", "x.onnx", "--images", "y"], "x.onnx"),
        (["report", "nowhere"], "nowhere"),
        (["apply", "x.onnx", "y.png", "z.png"], "y.png"),
        (["run"], "Nothing to run"),
        (["run", "none.yaml"], "none.yaml"),
        (["run", "--resume", "nowhere"], "was not begun by"),
    ],
    ids=" ".join,
)
def test_what_is_missing_is_named(arguments: list[str], said: str, tmp_path: Path) -> None:
    ended = pixsearch(*arguments, cwd=tmp_path)
    assert ended.code in {2, 3}, ended.err
    assert said in " ".join(ended.err.split())
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("photos: {train: [a.png], select: [a.png], report: [b.png]}", "`a.png` stands in both"),
        ("photos: {train: [a.png], select: [b.png]}", "`photos.report` is missing"),
        ("photos: {train: [a.png], select: [b.png], report: [c.png]}\nprun: {}", "Did you mean `prune`"),
        ("photos: {train: [a.png], select: [b.png], report: [c.png]}\nbench: {images: [x]}", "leave it out"),
    ],
)
def test_a_recipe_s_faults_are_explained(change: str, said: str, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"{change}\nsearch: {{evaluations: 2}}\ntrain: {{steps: 2}}\nfinetune: {{steps: 2}}\n")
    ended = pixsearch("run", recipe, "--dry-run")
    assert ended.code == 2
    assert said in " ".join(ended.err.split())
