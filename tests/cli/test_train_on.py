"""`train MODEL` goes on with a trained model, `train --teacher` learns from one; and what cannot be meant by either."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from pixsearch.cli import main
from pixsearch.events import read_events
from pixsearch.nn.modelfile import load_model

SMALL = ("--batch", 2, "--patch", 12, "--threads", 1, "--rate", 1e-5)


def run(*arguments: object) -> int:
    return main.run([str(argument) for argument in arguments])


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [event for event in read_events(folder / "train" / "events.jsonl") if event["kind"] == kind]


@pytest.fixture(scope="module")
def model(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learned a little."""
    folder = tmp_path_factory.mktemp("first") / "first"
    where = ("--data", photos / "train", "--val", photos / "select", "--out", folder)
    assert run("train", "--arch", "plain-m1c4", *where, "--steps", 60, *SMALL, "--rate", 5e-3) == 0
    return folder / "train" / "model.safetensors"


def test_a_model_is_trained_on_in_another_run_on_its_photos(model: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "on"
    assert run("train", model, "--out", out, "--steps", 2, *SMALL) == 0
    (before,), (after,) = events(model.parent.parent, "done"), events(out, "done")
    assert after["psnr_db"] == pytest.approx(before["psnr_db"], abs=0.02)  # two tiny steps from where it stood, not from nothing
    network, card = load_model(out / "train" / "model.safetensors")
    assert card.training["made_from"]["stage"] == "trained"
    assert network.genotype == load_model(model)[0].genotype
    assert str(photos) not in card.dumps()


def test_a_model_with_its_last_share_in_full_precision(model: Path, tmp_path: Path) -> None:
    """The last share alone differs: a share of one is float32 throughout, and none is not."""
    found = {}
    for share in ("0", "0.5", "1"):
        out = tmp_path / share
        options = ("--precision", "bfloat16", "--full-precision", share)
        assert run("train", model, "--out", out, "--steps", 6, *SMALL, "--rate", 1e-2, *options) == 0
        found[share] = digest(out)
    assert run("train", model, "--out", tmp_path / "full", "--steps", 6, *SMALL, "--rate", 1e-2, "--precision", "float32") == 0
    assert found["1"] == digest(tmp_path / "full")
    assert len(set(found.values())) == 3


def digest(out: Path) -> str:
    """A hash of a run's weights."""
    tensors = load_model(out / "train" / "model.safetensors")[0].state_dict().values()
    return hashlib.blake2b(b"".join(value.numpy().tobytes() for value in tensors)).hexdigest()


def test_a_teacher_is_named_by_its_run_and_stands_on_record(model: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "pupil"
    where = ("--data", photos / "train", "--val", photos / "select", "--out", out)
    assert run("train", "--arch", "plain-m1c3", *where, "--teacher", model.parent.parent, "--teacher-share", 0.7, "--steps", 4, *SMALL) == 0
    (start,) = events(out, "start")
    genotype = load_model(model)[1].genotype
    assert start["teacher"]["genotype"] == genotype
    training = load_model(out / "train" / "model.safetensors")[1].training
    assert training["teacher"]["genotype"] == genotype
    assert training["settings"]["teacher_share"] == 0.7
    assert run("train", "--resume", out, "--steps", 6) == 0


def test_a_teacher_that_has_changed_is_missed(model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, out = tmp_path / "teacher.safetensors", tmp_path / "pupil"
    shutil.copyfile(model, own)
    where = ("--data", photos / "train", "--val", photos / "select", "--out", out)
    assert run("train", "--arch", "plain-m1c3", *where, "--teacher", own, "--steps", 4, *SMALL) == 0
    own.write_bytes(own.read_bytes() + b" ")
    assert run("train", "--resume", out, "--steps", 6) == 3
    assert "has changed since this training was begun" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("MODEL",), 2, "Add `--out RUN`"),
        (("MODEL", "--out", "OWN"), 2, "holds the model that is to be trained on"),
        (("MODEL", "--out", "x", "--pick", "knee"), 2, "`--pick` has nothing to choose"),
        (("MODEL", "--out", "x", "--from-scratch"), 2, "`--from-scratch` has nothing to choose"),
        (("MODEL", "--out", "x", "--arch", "fsrcnn"), 2, "Name either a run"),
        (("MODEL", "--out", "x", "--scale", 3), 2, "its scale is settled"),
        (("MODEL", "--out", "x", "--branches", "ecb"), 2, "its branches is settled"),
        (("MODEL", "--out", "x", "--teacher-share", 0.5), 2, "Add `--teacher MODEL`"),
        (("MODEL", "--out", "x", "--teacher", "none.safetensors"), 3, "none.safetensors` cannot be read"),
        (("MODEL", "--out", "x", "--full-precision", 2), 2, "full_precision"),
        (("--arch", "fsrcnn", "--scale", 3, "--data", "PHOTOS", "--out", "x", "--teacher", "MODEL"), 2, "its scale is `2`, and `3` is to"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    options: tuple[object, ...],
    code: int,
    said: str,
    model: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    stand_for = {"MODEL": model, "OWN": model.parent.parent, "PHOTOS": photos / "train"}
    assert run("train", *(stand_for.get(str(option), option) for option in options), "--steps", 2) == code
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "x").exists()
