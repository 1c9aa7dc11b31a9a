"""The room's front door: from the user's folders to the pairs to train on and to select by, with all that was left out said."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pixsearch.data.cache import PairCache, build_cache
from pixsearch.data.clips import scan_clips
from pixsearch.data.config import DataConfig, default_cache_folder
from pixsearch.data.index import Index, Photo, Rejected, grouped, scan, split
from pixsearch.data.pairs import find_pairs
from pixsearch.data.progress import Note, silent
from pixsearch.errors import DataError, UsageError
from pixsearch.tasks.base import Task


@dataclass(frozen=True)
class Data:
    """What a stage learns from: `train` in the order of contents, `val` in the order of paths.

    `index` holds all photos of both, and the rejected files. `summary` and `val_summary` are the fields of the `photos` events
    that were noted.
    """

    train: PairCache
    val: PairCache
    index: Index
    summary: dict[str, Any]
    val_summary: dict[str, Any]


def open_data(config: DataConfig, task: Task, note: Note = silent) -> Data:
    """The pairs to train on and to select by; tells `note` two events `photos`, of role `train` and `val`.

    No photo of `train` has a near-duplicate in `val`. Raises `UsageError` when no source was named, `DataError` listing the
    reasons when nothing usable is left on a side, and what `build_cache` raises.
    """
    folder = config.cache or default_cache_folder()
    found = _train_sources(config, task, folder, note).require()
    given = _val_sources(config, task, folder, note)
    left_out: list[Photo] = []
    if given is None:
        train, val = hold_out(found, config.holdout, config.holdout_most)
        train = replace(train, rejected=found.rejected)
    else:
        train, val, left_out = _apart(found, _real(given.require()))
    in_order = Index(tuple(sorted(train, key=lambda photo: photo.key)), train.rejected)
    val = Index(tuple(sorted(val, key=lambda photo: str(photo.path))), val.rejected)
    summary = summarize(in_order, "train", held_out=len(val) if given is None else 0, left_out_as_duplicates_of_val=_shown(left_out))
    val_summary = summarize(val, "val")
    note("photos", **summary)
    note("photos", **val_summary)
    caches = [build_cache(side, task, folder, config.cache_cap_bytes, note) for side in (in_order, val)]
    alike = [Rejected(photo.path, "is a photo to select by, or a near-duplicate of one.") for photo in left_out]
    both = Index((*in_order, *val), (*in_order.rejected, *alike, *val.rejected))
    return Data(caches[0], caches[1], both, summary, val_summary)


def open_pictures(paths: Iterable[Path], task: Task, config: DataConfig, note: Note = silent, *, role: str = "report") -> PairCache:
    """Pairs of whole pictures to score or to calibrate on, in the order of their paths.

    Of `config` only `reduce`, `min_side` and the cache's settings count, its own photos are not looked at. Tells `note` an
    event `photos` of this role. Raises `DataError` listing the reasons when none is usable.
    """
    folder = config.cache or default_cache_folder()
    found = scan_for(task, paths, reduce=config.reduce, min_side=config.min_side, memo=folder, note=note).require()
    index = Index(tuple(sorted(found, key=lambda photo: str(photo.path))), found.rejected)
    note("photos", **summarize(index, role))
    return build_cache(index, task, folder, config.cache_cap_bytes, note)


def scan_for(
    task: Task, sources: Iterable[Path], *, reduce: str = "auto", min_side: int = 64, memo: Path | None = None, note: Note = silent
) -> Index:
    """What `task` can use in `sources`: photos, and for tasks of clips those, too."""
    look = scan_clips if task.takes == "clips" else scan
    return look(sources, reduce=reduce, min_side=min_side, memo=memo, note=note)


def hold_out(found: Index, share: float, most: int | None = None) -> tuple[Index, Index]:
    """`found` in two, as `index.split` does it; where there are clips, clips alone are held out, a made one proves less."""
    clips, photos = (Index(tuple(photo for photo in found if photo.is_clip is side)) for side in (True, False))
    if not clips.photos:
        return split(found, share, most)
    if len(clips.groups) == 1:
        return (photos, clips) if photos.photos else split(clips, share, most)
    kept, out = split(clips, share, most)
    return Index((*kept, *photos)), out


def _real(given: Index) -> Index:
    """Of what was given to select by the clips alone, where there are some."""
    clips = tuple(photo for photo in given if photo.is_clip)
    return Index(clips, given.rejected) if clips else given


def summarize(index: Index, role: str, **more: Any) -> dict[str, Any]:
    """The fields of a `photos` event: what is used and what is not; plain JSON values."""
    return {
        "role": role,
        "used": len(index),
        "pixels": index.pixels,
        **({"clips": sum(photo.is_clip for photo in index)} if any(photo.is_clip for photo in index) else {}),
        "rejected": [{"path": shown(item.path), "reason": item.reason} for item in index.rejected],
        "groups": len(index.groups),
        "duplicates": len(index) - len(index.groups),
        "reduced": dict(Counter(str(photo.reduce) for photo in index if photo.reduce > 1)),
        "contents": contents(index),
        **more,
    }


def contents(index: Index) -> str:
    """16 hexadecimal digits that change when any photo's pixels do, wherever the files lie: what a resumed run compares."""
    keys = "\n".join(sorted(photo.key for photo in index))
    return hashlib.blake2b(keys.encode(), digest_size=8).hexdigest()


def shown(path: Path) -> str:
    """A path as text that can be printed, whatever bytes its name has."""
    return os.fsencode(path).decode("utf-8", "replace")


def _shown(photos: Iterable[Photo]) -> list[str]:
    return [shown(photo.path) for photo in photos]


def _train_sources(config: DataConfig, task: Task, folder: Path, note: Note) -> Index:
    if config.pairs:
        return find_pairs(config.pairs, task, min_side=config.min_side, memo=folder, note=note)
    if not config.photos:
        raise UsageError("No photos were named to train on. Give folders or files, or your own pairs by `--pairs INPUTS TRUTHS`.")
    return scan_for(task, config.photos, reduce=config.reduce, min_side=config.min_side, memo=folder, note=note)


def _val_sources(config: DataConfig, task: Task, folder: Path, note: Note) -> Index | None:
    """What was given to select by, None when some of the training photos are to be held out."""
    if config.val_pairs:
        return find_pairs(config.val_pairs, task, min_side=config.min_side, memo=folder, note=note)
    if config.val:
        return scan_for(task, config.val, reduce=config.reduce, min_side=config.min_side, memo=folder, note=note)
    return None


def _apart(train: Index, val: Index) -> tuple[Index, Index, list[Photo]]:
    """Both sides grouped together, and the training photos that share a group with one to select by, left out."""
    together = grouped([*train, *val])
    ours, theirs = together[: len(train)], together[len(train) :]
    taken = {photo.group for photo in theirs}
    left_out = [photo for photo in ours if photo.group in taken]
    kept = [photo for photo in ours if photo.group not in taken]
    if not kept:
        raise DataError(
            f"All {len(ours)} photos to train on are the photos to select by, or near-duplicates of them. Give other photos on one side."
        )
    return Index(tuple(kept), train.rejected), Index(tuple(theirs), val.rejected), left_out
