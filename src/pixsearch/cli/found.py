"""Model files and what lies beside them: found by the run or the path that a user names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pixsearch.config import merge, read_yaml
from pixsearch.errors import DataError, UsageError
from pixsearch.events import read_events

Settings = dict[str, Any]


def named_model(model: Path | None, place: int) -> Path:
    """The model file that was named, or that at `place` of those in the run that was named."""
    if model is None:
        raise UsageError("No model was named. Give a model.safetensors or a run that holds one.")
    return (find_models([model])[place] if model.is_dir() else model).absolute()


def find_models(paths: list[Path]) -> list[Path]:
    """Model files, with a run's folder standing for all it trained, in the order of its stages."""
    found: list[Path] = []
    for path in paths:
        inside = [path / name / "model.safetensors" for name in ("train", "prune", "qat")]
        present = [p for p in inside if p.exists()] if path.is_dir() else [path]
        if not present:
            raise DataError(f"`{path}` holds no trained model. Train one with `pixsearch train {path} --pick knee`.")
        found += present
    return existing(found, "a model.safetensors or a run that holds one")


def find_exports(paths: list[Path]) -> list[Path]:
    """ONNX files, with a run's folder standing for all it exported, in that order."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            exported = exported_files(path)
            if not exported:
                raise DataError(f"`{path}` holds no exported model. Export one with `pixsearch export {path}`.")
            found += exported
        else:
            found.append(path)
    return existing(found, "ONNX files or a run that exported some")


def exported_files(run: Path) -> list[Path]:
    """The ONNX files a run exported, in that order."""
    events = read_events(run / "export" / "events.jsonl")
    return list(dict.fromkeys(run / "export" / event["file"] for event in events if event["kind"] == "exported"))


def existing(files: list[Path], wanted: str) -> list[Path]:
    """`files`, when there are some and all of them exist."""
    if not files:
        raise UsageError(f"No model was named. Give {wanted}.")
    missing = [path for path in files if not path.exists()]
    if missing:
        raise DataError(f"There is no model file `{missing[0]}`. Check the path.")
    return files


def run_of(model: Path) -> Path:
    """The run a model file lies in (RUN/STAGE/file), or one named after the file."""
    stage = model.resolve().parent
    return model.parent.parent if (stage / "events.jsonl").exists() else Path("runs") / model.stem


def trained_on(model: Path, settings: Settings) -> Settings:
    """`settings` with the photos of the training that wrote `model`, where none are given."""
    if settings["data"].get("photos") or settings["data"].get("pairs"):
        return settings
    record = model.parent / "config.resolved.yaml"
    if not record.exists():
        raise UsageError(f"`{model}` lies beside no record of its training. Name photos with `--data` (export: `--calibrate`).")
    return merge({"data": read_yaml(record)["data"]}, settings)


def digest(path: Path) -> str:
    """A hash of a file's content."""
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError as error:
        raise DataError(f"`{path}` cannot be read ({error.strerror}). Check the path.") from error


def check_unchanged(model: Path, recorded: str, what: str) -> None:
    """`DataError` when a model file is not the one a stage was begun with."""
    if digest(model) != recorded:
        raise DataError(f"`{model}` has changed since this {what} was begun. Start it anew with `--again`.")
