"""The user's own pairs: a folder of inputs and one of truths, matched by name, sizes checked, faults named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pixsearch.data import phash
from pixsearch.data.index import Index, find_photos, grouped, without_copies
from pixsearch.data.photo import Photo, Rejected
from pixsearch.data.progress import Note, silent
from pixsearch.errors import UsageError
from pixsearch.registry import closest
from pixsearch.tasks.base import Task

UNLIKE = 20
"""An input whose hash differs from its truth's in more of the 64 bits shows something else: strangers differ in 32 ± 4."""


def find_pairs(
    folders: tuple[Path, Path],
    task: Task,
    *,
    min_side: int = 64,
    exclude: Iterable[Path] = (),
    memo: Path | None = None,
    note: Note = silent,
) -> Index:
    """The truths in `folders[1]` that have their `input` in `folders[0]`, grouped by near-duplicates, and what does not fit.

    A pair has the same path under both folders but for the suffix; `x2`, `_x2` or `-x2` for the scale may end a name. The
    truth is `scale` times as large as its input, but for less than `scale` pixels. Raises `UsageError` for a task of several inputs.
    """
    if task.takes == "clips":
        raise UsageError(f"`{task.name}` learns from clips, which pairs of pictures are not. Give clips or photos instead.")
    if len(task.signature.inputs) != 1:
        raise UsageError(f"`{task.name}` takes several inputs, which pairs cannot give. Give photos instead.")
    exclude = list(exclude)
    found = [
        find_photos([folder], reduce="1", min_side=side, exclude=exclude, memo=memo, note=note)
        for folder, side in zip(folders, (max(1, min_side // task.scale), min_side), strict=True)
    ]
    rejected = [item for _, items in found for item in items]
    inputs, truths = (_by_name(photos, folder, task.scale, rejected) for (photos, _), folder in zip(found, folders, strict=True))
    pairs = [replace(truths[name], input=inputs[name]) for name in truths if name in inputs]
    rejected += _alone(inputs, truths, "truth", folders[1]) + _alone(truths, inputs, "input", folders[0])
    fitting = []
    for pair in pairs:
        reason = _misfit(pair, task)
        if reason:
            rejected.append(Rejected(pair.path, reason))
        else:
            fitting.append(pair)
    return Index(tuple(grouped(without_copies(fitting, rejected))), tuple(rejected))


def _by_name(photos: Sequence[Photo], folder: Path, scale: int, rejected: list[Rejected]) -> dict[str, Photo]:
    named: dict[str, Photo] = {}
    for photo in photos:
        name = _name(photo.path, folder, scale)
        first = named.setdefault(name, photo)
        if first is not photo:
            rejected.append(Rejected(photo.path, f"has the same name as `{first.path.name}`. Rename or remove one."))
    return named


def _name(path: Path, folder: Path, scale: int) -> str:
    inner = path.relative_to(folder) if path != folder else Path(path.name)
    return re.sub(rf"[-_]?x{scale}$", "", inner.with_suffix("").as_posix())


def _alone(these: dict[str, Photo], those: dict[str, Photo], kind: str, folder: Path) -> list[Rejected]:
    """Those of `these` without a partner, with the unmatched partner that shows the same picture, or the closest name."""
    free = {name: photo for name, photo in those.items() if name not in these}
    return [
        Rejected(photo.path, f"has no {kind} called `{name}` in `{folder}`.{_hint(name, photo, free)}")
        for name, photo in these.items()
        if name not in those
    ]


def _hint(name: str, photo: Photo, free: dict[str, Photo]) -> str:
    alike = [other for other in free.values() if phash.distance(photo.phash, other.phash) <= phash.NEAR]
    if alike:
        return f" `{alike[0].path.name}` shows the same picture: give both one name."
    return closest(name, list(free))


def _misfit(pair: Photo, task: Task) -> str | None:
    """Why truth and input do not belong together."""
    assert pair.input is not None  # how pairs are made
    given, expected = (pair.input.width, pair.input.height), (pair.width // task.scale, pair.height // task.scale)
    if given != expected:
        sizes = (
            f"{given[0]}×{given[1]}, but {expected[0]}×{expected[1]} is its {pair.width}×{pair.height} divided by the scale {task.scale}"
        )
        return f"has an input `{pair.input.path.name}` of {sizes}. Give inputs of that size, or another `--scale`."
    bits = phash.distance(pair.phash, pair.input.phash)
    if bits > UNLIKE:
        return f"does not show what its input `{pair.input.path.name}` shows ({bits} of 64 bits of their hashes differ). Check the names."
    return None
