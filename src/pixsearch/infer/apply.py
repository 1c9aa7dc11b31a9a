"""A photo, a video or a folder of them in, the same out: files through a model, none of the inputs touched."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pixsearch.errors import DataError, UsageError
from pixsearch.infer.clips import apply_clip
from pixsearch.infer.deep import apply_decoded
from pixsearch.infer.frames import apply_frame
from pixsearch.infer.session import Adjust, OnnxModel
from pixsearch.infer.tiles import MEMORY_BYTES
from pixsearch.pixels.files import CONTAINERS, Decoded, read_decoded, write_picture
from pixsearch.pixels.raw import RawConfig, read_raw
from pixsearch.pixels.videos import CODECS, is_video
from pixsearch.tasks.base import task_for

Note = Callable[..., None]


@dataclass(frozen=True)
class How:
    """Threads of ONNX Runtime, what a window's arrays may take, and what files do not tell of themselves.

    `raw` is the layout of raw frames, which a model that demosaics takes, `sigma` how noisy pictures are, in levels of 255.
    `adjust` changes the options of the model's sessions.
    """

    threads: int = 1
    memory_bytes: int = MEMORY_BYTES
    raw: RawConfig = field(default_factory=RawConfig)
    sigma: float | None = None
    adjust: Adjust | None = None


ALONE = How()


def silent(kind: str, **fields: Any) -> None:
    """The listener that hears nothing."""


def apply_path(model: Path, source: Path, destination: Path, how: How = ALONE, note: Note = silent) -> dict[str, Any]:
    """`source`, a photo, a video or a folder, through the model in the file `model`: see `apply_file` and `apply_folder`.

    For a model that is made for clips, a folder is one: its frames. Returns {model, photos: [{source, file, width, height, seconds}]},
    the sizes those of the results; of clips with {frames, fps, sound, said} more.
    """
    if not source.exists():
        raise DataError(f"There is no `{source}`. Give a photo, a video or a folder of photos.")
    opened = OnnxModel.open(model, threads=how.threads, adjust=how.adjust)
    if task_for(opened.card.signature).takes == "clips":
        done = [_clip(opened, source, destination, how, note)]
    elif source.is_dir():
        done = apply_folder(opened, source, destination, how, note)
    else:
        done = [apply_file(opened, source, destination, how, note)]
    return {"model": str(model), "photos": done}


def _clip(model: OnnxModel, source: Path, destination: Path, how: How, note: Note) -> dict[str, Any]:
    if not source.is_dir() and not is_video(source):
        raise UsageError(f"`{source.name}` is a photo, but this model is made for clips. Give a video, or a folder of numbered frames.")
    target = destination / _written_name(source) if destination.is_dir() and not source.is_dir() else destination
    _refuse_inputs(target, {_identity(source)})
    return _streamed(model, source, target, how, note)


def _streamed(model: OnnxModel, source: Path, target: Path, how: How, note: Note) -> dict[str, Any]:
    task = task_for(model.card.signature)
    if task.takes == "raw frames":
        raise UsageError(f"`{source.name}` is a video, but this model takes raw frames. Give those.")
    target.parent.mkdir(parents=True, exist_ok=True)
    return apply_clip(model, task, source, target, sigma=how.sigma, memory_bytes=how.memory_bytes, note=note)


def apply_file(model: OnnxModel, source: Path, destination: Path, how: How = ALONE, note: Note = silent) -> dict[str, Any]:
    """One photo or video; the suffix of `destination` chooses the format, an existing folder takes it under its own name.

    16 bit, alpha and grey are kept where the format can hold them: 16 bit is reduced to 8 where it cannot, and alpha is
    refused. Raises UsageError when `destination` is the photo itself or has a suffix that cannot be written, DataError
    when the photo cannot be read.
    """
    target = destination / _written_name(source) if destination.is_dir() else destination
    if not is_video(source):
        _refuse_suffix(target)
    _refuse_inputs(target, {_identity(source)})
    return _one(model, source, target, how, note)


def apply_folder(model: OnnxModel, source: Path, destination: Path, how: How = ALONE, note: Note = silent) -> list[dict[str, Any]]:
    """Every photo and video under `source` to the same place under `destination`, in the same format where it can be written.

    A file that cannot be read is passed over; all of them are named with their reasons in one DataError at the end,
    when everything else is written. Raises UsageError when `destination` lies within `source`.
    """
    if destination.exists() and not destination.is_dir():
        raise UsageError(f"`{destination}` is a file, but `{source}` a folder. Name a folder to write to.")
    if destination.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"`{destination}` lies within `{source}`, whose photos are not touched. Choose a folder beside it.")
    files = sorted(_files(source))
    if not files:
        raise DataError(f"`{source}` holds no files. Give a folder of photos.")
    inputs = {_identity(file) for file in files}
    photos, failures = [], []
    for file in files:
        try:
            target = destination / file.relative_to(source).parent / _written_name(file)
            _refuse_inputs(target, inputs)
            photos.append(_one(model, file, target, how, note))
        except (DataError, UsageError) as error:
            failures.append(str(error).replace(f"`{file.name}`", f"`{file.relative_to(source)}`", 1))
            note("rejected", path=str(file), reason=str(error))
    if failures:
        lines = "\n".join(f"  {line}" for line in failures)
        raise DataError(f"{len(failures)} of {len(files)} files were left out, {len(photos)} are written to `{destination}`:\n{lines}")
    return photos


def _one(model: OnnxModel, source: Path, target: Path, how: How, note: Note) -> dict[str, Any]:
    if is_video(source):
        return _streamed(model, source, target, how, note)
    begun = time.perf_counter()
    result = _through(model, source, target, how)
    target.parent.mkdir(parents=True, exist_ok=True)
    height, width = result.pixels.shape[:2]
    write_picture(target, result.pixels, result.alpha, spend=True)
    done = {"source": str(source), "file": str(target), "width": width, "height": height, "seconds": time.perf_counter() - begun}
    note("applied", **done)
    return done


def _through(model: OnnxModel, source: Path, target: Path, how: How) -> Decoded:
    """The photo through the model, as the format of `target` can hold it; the photo itself is let go of before it is written."""
    task = task_for(model.card.signature)
    if task.takes == "raw frames":
        return Decoded(apply_frame(model, task, read_raw(source, how.raw), memory_bytes=how.memory_bytes), None, False)
    decoded = read_decoded(source)
    _refuse_alpha(target, decoded)
    return _fitting(target, apply_decoded(model, task, decoded, sigma=how.sigma, memory_bytes=how.memory_bytes))


def _files(folder: Path) -> Iterator[Path]:
    """Files at any depth but hidden ones; links to folders are not followed, so a loop of them is none."""
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(where) / name for name in names if not name.startswith("."))


def _written_name(source: Path) -> str:
    """The photo's name, with `.png` (a video's with `.mp4`) behind it where its own format cannot be written."""
    if is_video(source):
        return source.name if source.suffix.lower() in CODECS else f"{source.name}.mp4"
    return source.name if source.suffix.lower() in CONTAINERS else f"{source.name}.png"


def _identity(path: Path) -> tuple[int, int] | Path:
    try:
        found = path.stat()
    except OSError:
        return path.resolve()
    return found.st_dev, found.st_ino


def _refuse_inputs(target: Path, inputs: set[tuple[int, int] | Path]) -> None:
    if _identity(target) in inputs:
        raise UsageError(f"`{target}` is one of the photos read, and those are not overwritten. Choose another name or folder.")


def _refuse_suffix(target: Path) -> None:
    if target.suffix.lower() not in CONTAINERS:
        raise UsageError(f"`{target}` has a suffix that cannot be written. Use one of {', '.join(CONTAINERS)}.")


def _refuse_alpha(target: Path, decoded: Decoded) -> None:
    if decoded.alpha is not None and not CONTAINERS[target.suffix.lower()].alpha:
        raise DataError(f"`{target.name}` cannot hold the alpha of the photo. Write PNG, TIFF or WebP.")


def _fitting(target: Path, result: Decoded) -> Decoded:
    """`result` in 8 bits where the format of `target` holds no more."""
    if result.pixels.dtype == np.uint8 or CONTAINERS[target.suffix.lower()].deep:
        return result
    alpha = None if result.alpha is None else cv2.convertScaleAbs(result.alpha, alpha=1 / 257)
    return Decoded(cv2.convertScaleAbs(result.pixels, alpha=1 / 257), alpha, result.grey)
