"""What would become of the user's photos, for `pixsearch doctor`: used or not and why, groups, reductions, sizes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pixsearch.data.index import Index, Photo, scan
from pixsearch.data.open import shown, summarize
from pixsearch.data.progress import Note, silent
from pixsearch.data.writing import pair_bytes
from pixsearch.tasks.base import Task, make_task


def examine(
    sources: Iterable[Path],
    *,
    reduce: str = "auto",
    min_side: int = 64,
    task: Task | None = None,
    memo: Path | None = None,
    note: Note = silent,
) -> dict[str, Any]:
    """A report of plain JSON values on the photos in `sources`; `task` (`sr` ×2 by default) decides the size of the cache.

    Beside the fields of a `photos` event: `sources`, `files` (found), `reductions` [{path, reduce, reason}], `near_duplicates`
    (lists of paths), `formats` {name: count}, `smallest` and `largest` ({path, width, height} or None), `cache_bytes`. Nothing is
    written but what a scan remembers. Raises `DataError` for sources that do not exist; no usable photo shows in `used` = 0.
    """
    sources = list(sources)
    index = scan(sources, reduce=reduce, min_side=min_side, memo=memo, note=note)
    by_size = sorted(index, key=lambda photo: photo.used_pixels)
    return {
        "sources": [shown(source) for source in sources],
        "files": len(index) + len(index.rejected),
        **summarize(index, "examined"),
        "reductions": [
            {"path": shown(photo.path), "reduce": photo.reduce, "reason": photo.reason_of_reduce} for photo in index if photo.reduce > 1
        ],
        "near_duplicates": _near_duplicates(index),
        "formats": dict(Counter(photo.format for photo in index)),
        "smallest": _sized(by_size[:1]),
        "largest": _sized(by_size[-1:]),
        "cache_bytes": sum(pair_bytes(photo, task or make_task("sr", 2, "y")) for photo in index),
    }


def _near_duplicates(index: Index) -> list[list[str]]:
    members: dict[str, list[str]] = defaultdict(list)
    for photo in index:
        members[photo.group].append(shown(photo.path))
    return [paths for paths in members.values() if len(paths) > 1]


def _sized(photos: list[Photo]) -> dict[str, Any] | None:
    for photo in photos:
        width, height = photo.used_size
        return {"path": shown(photo.path), "width": width, "height": height}
    return None
