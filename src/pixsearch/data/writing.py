"""Photos become pairs on disk: one file of pixels, written photo by photo, and a JSON index of where each array stands."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from pixsearch.data.index import listed
from pixsearch.data.photo import Photo, read_clean, unchanged
from pixsearch.data.progress import Note, Progress
from pixsearch.data.workers import in_order
from pixsearch.errors import DataError
from pixsearch.pixels.types import Picture
from pixsearch.rundir import write_json
from pixsearch.tasks.base import Pair, Task

PIXELS, INDEX = "pixels.bin", "index.json"
VERSION = 1


def make_pair(photo: Photo, task: Task) -> Pair:
    """The pair of one photo: made by `task.degrade`, or the user's own where `photo.input` is given."""
    clean = read_clean(photo)
    if photo.input is None:
        return task.degrade(clean)
    return Pair({task.signature.inputs[0].name: read_clean(photo.input)}, task.fit(clean))


def pair_bytes(photo: Photo, task: Task) -> int:
    """How many bytes the pair of one photo takes."""
    width, height = (side // task.scale for side in photo.used_size)
    stored = 0 if task.draws and photo.input is None else len(task.signature.inputs)
    return 3 * width * height * photo.count * (task.scale**2 + stored)


def write_pairs(photos: Sequence[Photo], task: Task, folder: Path, note: Note) -> None:
    """Write `pixels.bin` and `index.json` into `folder`, holding a few pictures in memory at a time.

    Raises `DataError` naming the photos that have changed or vanished since they were indexed.
    """
    require_unchanged(photos)
    progress = Progress(note, "cache", len(photos))
    entries = []
    with (folder / PIXELS).open("wb") as file:
        for photo, pair in zip(photos, in_order(lambda photo: make_pair(photo, task), photos), strict=True):
            arrays = {name: _append(file, picture) for name, picture in pair.inputs.items()}
            entries.append({"key": photo.key, "inputs": arrays, "truth": _append(file, pair.truth)})
            progress.advance()
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
    write_json(folder / INDEX, {"version": VERSION, "task": task.pair_key, "bytes": size, "entries": entries})


def require_unchanged(photos: Sequence[Photo]) -> None:
    """Raise `DataError` naming every photo (or input of one) that is not what was indexed."""
    files = [file for photo in photos for file in (photo, photo.input) if file is not None]
    faults = []
    for file in files:
        if not unchanged(file):
            try:
                read_clean(file)  # a new time alone does no harm
            except DataError as error:
                faults.append(str(error))
    if faults:
        raise DataError(f"Photos changed while they were being used:\n{listed(faults)}\nLeave the folder alone and start again.")


def _append(file: IO[bytes], picture: Picture) -> dict[str, Any]:
    start = file.tell()
    file.write(np.ascontiguousarray(picture).data)
    return {"offset": start, "shape": list(picture.shape)}
