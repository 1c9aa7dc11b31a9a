"""What would become of the user's photos and clips, for `pixsearch doctor`: used or not and why, groups, reductions, sizes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pixsearch.data.clips import clips_among
from pixsearch.data.index import Index, Photo, find_photos, grouped, without_copies
from pixsearch.data.open import shown, summarize
from pixsearch.data.photo import Rejected
from pixsearch.data.progress import Note, silent
from pixsearch.data.writing import pair_bytes
from pixsearch.pixels.videos import is_video
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
    (lists of paths), `formats` {name: count}, `smallest` and `largest` ({path, width, height} or None), `cache_bytes`; and of what a
    task of clips (`video-sr`) finds there, the frames of runs counted among the photos too: `clips` (how many), `clip_list`
    [{path, format, first, frames, width, height}] and `clip_cache_bytes`. A video that gives clips is not rejected. Nothing is
    written but what a scan remembers. Raises `DataError` for sources that do not exist; no usable photo shows in `used` = 0.
    """
    sources = list(sources)
    photos, rejected = find_photos(sources, reduce=reduce, min_side=min_side, memo=memo, note=note)
    with_clips = clips_among(photos, rejected, reduce=reduce, min_side=min_side)
    clips = [photo for photo in with_clips if photo.is_clip]
    index = _of_photos(photos, rejected, with_clips)
    by_size = sorted(index, key=lambda photo: photo.used_pixels)
    return {
        "sources": [shown(source) for source in sources],
        "files": len(index) + len(index.rejected) + len({clip.path for clip in clips if clip.span}),
        **summarize(index, "examined"),
        "reductions": [
            {"path": shown(photo.path), "reduce": photo.reduce, "reason": photo.reason_of_reduce} for photo in index if photo.reduce > 1
        ],
        "near_duplicates": _near_duplicates(index),
        "formats": dict(Counter(photo.format for photo in index)),
        "smallest": _sized(by_size[:1]),
        "largest": _sized(by_size[-1:]),
        "cache_bytes": sum(pair_bytes(photo, task or make_task("sr", 2, "y")) for photo in index),
        "clips": len(clips),
        "clip_list": [_clip(clip) for clip in clips],
        "clip_cache_bytes": sum(pair_bytes(clip, make_task("video-sr", 2, "y")) for clip in clips),
    }


def _of_photos(photos: list[Photo], rejected: list[Rejected], with_clips: Index) -> Index:
    """What a task of photos uses, and what no task does: of videos those that give no clip, with the reason why they do not."""
    films = {item.path for item in rejected if is_video(item.path)}
    left = [item for item in rejected if item.path not in films] + [item for item in with_clips.rejected if item.path in films]
    return Index(tuple(grouped(without_copies(photos, left))), tuple(left))


def _clip(clip: Photo) -> dict[str, Any]:
    """Where it is, from which frame on (a number in a video, a name in a folder), and what it holds."""
    width, height = clip.used_size
    first = clip.span[0] if clip.span else shown(Path(clip.frames[0].path.name))
    return {"path": shown(clip.path), "format": clip.format, "first": first, "frames": clip.count, "width": width, "height": height}


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
