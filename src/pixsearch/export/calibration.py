"""The photos that int8 is made from: some to take ranges from, others held out to measure what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pixsearch.data.cache import PairCache, build_cache
from pixsearch.data.config import DEFAULT_CAP, default_cache_folder
from pixsearch.data.index import Index, split
from pixsearch.data.open import scan_for, summarize
from pixsearch.errors import UsageError
from pixsearch.export.config import ExportConfig
from pixsearch.rng import stream
from pixsearch.tasks.base import Task

MOST_PHOTOS = 32
"""As many photos at most give ranges: more do not move them."""

MOST_HELD_OUT = 12
_HOLDOUT = 0.3

Note = Callable[..., None]


@dataclass(frozen=True)
class Calibration:
    """Pictures to take ranges from, and pictures to measure the loss on; the same one when there is only one."""

    ranges: PairCache
    held_out: PairCache

    @property
    def is_shared(self) -> bool:
        """Whether the loss is measured on what the ranges were taken from."""
        return self.ranges is self.held_out


def open_calibration(config: ExportConfig, task: Task, note: Note, *, own_ranges: bool = False, what: str = "int8") -> Calibration:
    """A seeded choice of the usable photos of `config.calibrate`; near-duplicates never stand on both sides.

    Tells `note` two events `photos`, of role `calibrate` and `measure int8 on`, and a `warning` when all photos are
    near-duplicates, so that both sides are the same. Raises `UsageError` when no photos were named, `DataError` when none
    is usable. With `own_ranges`, for a model that brings its ranges, all photos serve to measure.
    """
    if not config.calibrate:
        raise UsageError(f"{what} needs photos to take its ranges from. Name some with `--calibrate PHOTOS`.")
    folder = config.cache or default_cache_folder()
    found = scan_for(task, config.calibrate, reduce=config.reduce, memo=folder, note=note).require()
    if own_ranges:
        measured = _some(found, config.seed, MOST_HELD_OUT)
        note("photos", **summarize(Index(measured.photos, found.rejected), "measure int8 on"))
        cache = build_cache(measured, task, folder, DEFAULT_CAP, note)
        return Calibration(cache, cache)
    alone = len(found.groups) < 2
    ranges, held_out = (found, found) if alone else split(found, _HOLDOUT, MOST_HELD_OUT)
    ranges = _some(ranges, config.seed)
    note("photos", **summarize(Index(ranges.photos, found.rejected), "calibrate", held_out=0 if alone else len(held_out)))
    caches = build_cache(ranges, task, folder, DEFAULT_CAP, note)
    if alone:
        note("warning", text=f"All photos to calibrate on are one scene ({ranges.paths[0].name}): the int8 loss is measured on it, too.")
        return Calibration(caches, caches)
    held_out = _some(held_out, config.seed, MOST_HELD_OUT)
    note("photos", **summarize(held_out, "measure int8 on"))
    return Calibration(caches, build_cache(held_out, task, folder, DEFAULT_CAP, note))


def _some(index: Index, seed: int, most: int = MOST_PHOTOS) -> Index:
    """At most `most` photos, chosen by contents and seed alone, in the order of their paths."""
    in_order = sorted(index, key=lambda photo: photo.key)
    chosen = stream(seed, "calibration photos").permutation(len(in_order))[:most]
    return Index(tuple(sorted((in_order[place] for place in chosen), key=lambda photo: str(photo.path))))
