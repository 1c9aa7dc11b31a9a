"""Batches of patches: what is drawn at a step depends on the seed and the step alone, so a resumed run draws on as if unbroken."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixsearch.data.cache import PairCache
from pixsearch.data.progress import Note, silent
from pixsearch.errors import DataError
from pixsearch.pixels.types import Picture
from pixsearch.rng import stream
from pixsearch.space.sequence import offsets as space_offsets
from pixsearch.tasks.base import Batch, Planes, Task
from pixsearch.tasks.video import Video

Place = tuple[int, int, int]
"""Picture, top, left."""


class _Fitting(NamedTuple):
    """The pictures that hold a patch, with the running sum of their areas (input pixels) and their sizes."""

    ids: list[int]
    areas: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


class Patches:
    """Seeded batches of square patches, turned and mirrored at random, out of a cache.

    `patch` is the side of the input in pixels; the truth's is `scale` times that. A picture is chosen by its area, a place in it
    evenly. Pictures that a patch does not fit into are left out, said by an event `warning`; `DataError` when none is left.
    With a `share` (i, n) each batch is the i-th of n equal parts of the one that n times `batch` patches would make, so n
    processes see together what one would. Safe to share between threads.
    """

    def __init__(
        self, cache: PairCache, task: Task, *, batch: int, patch: int, seed: int, share: tuple[int, int] = (0, 1), note: Note = silent
    ) -> None:
        self.cache, self.task = cache, task
        self.batch, self.patch, self.seed, self.share = batch, patch, seed, share
        self._note = note
        self._known: dict[int, _Fitting] = {}
        self._rim = 0 if cache.inputs else task.margin // task.scale
        self._fitting(patch)

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which has no record to write to."""
        return {**self.__dict__, "_note": silent}

    def draw(self, step: int, batch: int | None = None, patch: int | None = None) -> Batch:
        """The batch of this step, a pure function of seed, step and sizes: planes (N, C, patch, patch) and truth's."""
        part, parts = self.share
        own, side, scale = batch or self.batch, patch or self.patch, self.task.scale
        fitting, count, mine, rim = self._fitting(side), own * parts, slice(part * own, (part + 1) * own), self._rim
        rng = stream(self.seed, "batch", step)
        chosen = np.searchsorted(fitting.areas, rng.integers(fitting.areas[-1], size=count), side="right")
        corners = (rng.random((count, 2)) * (fitting.sizes[chosen] - side - 2 * rim + 1)).astype(np.int64).tolist()
        picks = [(fitting.ids[i], *corner) for i, corner in zip(chosen[mine].tolist(), corners[mine], strict=True)]
        turns = rng.integers(8, size=count)[mine]
        inputs = {name: turned(self.task.encode(name, self._cut(views, picks, side)), turns) for name, views in self.cache.inputs.items()}
        places = [(index, top * scale, left * scale) for index, top, left in picks]
        if inputs:
            return Batch(inputs, turned(self.task.encode_truth(self._cut(self.cache.truths, places, side * scale)), turns))
        drawn = self._drawn(places, (side + 2 * rim) * scale, turns, rng if parts == 1 else stream(self.seed, "noise", step, part))
        return Batch({name: _inner(planes, rim) for name, planes in drawn.inputs.items()}, _inner(drawn.truth, rim * scale))

    def _drawn(self, places: list[Place], side: int, turns: npt.NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """The batch whose inputs are drawn for the patches of truth at `places`; those out of clips go by themselves."""
        if not isinstance(self.task, Video):
            return self.task.batch(turned(self.task.encode_truth(self._cut(self.cache.truths, places, side)), turns), rng)
        truths, task = self.cache.truths, self.task
        moving = [number for number, (index, *_) in enumerate(places) if truths[index].ndim == 4]
        still = [number for number in range(len(places)) if number not in set(moving)]
        batches = []
        if still:
            batches.append(task.batch(turned(task.encode_truth(self._cut(truths, [places[n] for n in still], side)), turns[still]), rng))
        if moving:
            batches.append(task.batch(turned(self._sequences([places[n] for n in moving], side, rng), turns[moving]), rng))
        order = np.argsort([*still, *moving])
        inputs = {name: np.concatenate([batch.inputs[name] for batch in batches])[order] for name in batches[0].inputs}
        return Batch(inputs, np.concatenate([batch.truth for batch in batches])[order])

    def _sequences(self, places: list[Place], side: int, rng: np.random.Generator) -> Planes:
        """As many frames as the task wants out of each clip, at random times, forwards or backwards: (N, L·C, side, side)."""
        assert isinstance(self.task, Video)
        offsets = np.array(space_offsets(self.task.length))
        planes = []
        for index, top, left in places:
            clip = self.cache.truths[index]
            times = int(rng.integers(len(clip))) + offsets * (1 if rng.random() < 0.5 else -1)
            frames = clip[np.clip(times, 0, len(clip) - 1), top : top + side, left : left + side]
            self.cache.touch(len(frames) * side * clip.strides[1])
            planes.append(np.concatenate(list(self.task.encode_truth(frames))))
        return np.stack(planes)

    def _cut(self, views: list[Picture], picks: list[Place], side: int) -> Picture:
        """The patches whose corners are `picks` (picture, top, left): (N, side, side, 3)."""
        patches = np.empty((len(picks), side, side, 3), np.uint8)
        touched = 0
        for (index, top, left), target in zip(picks, patches, strict=True):
            view = views[index]
            target[...] = view[top : top + side, left : left + side]
            touched += side * view.strides[0]
        self.cache.touch(touched)
        return patches

    def _fitting(self, side: int) -> _Fitting:
        if side not in self._known:
            self._known[side] = self._find_fitting(side)
        return self._known[side]

    def _find_fitting(self, side: int) -> _Fitting:
        sizes = np.array([view.shape[-3:-1] for view in self.cache.truths], np.int64) // self.task.scale
        rims = 2 * self._rim
        fits = sizes.min(axis=1) >= side + rims
        small = [self.cache.entries[i] for i in np.flatnonzero(~fits)]
        if not fits.any():
            height, width = sizes[sizes.min(axis=1).argmax()]
            raise DataError(
                f"No picture holds a patch of {side}×{side}: the largest input is {width}×{height}. "
                f"Lower `--patch` to {min(width, height) - rims} or give larger photos."
            )
        if small:
            shown = ", ".join(small[:5]) + (" …" if len(small) > 5 else "")
            self._note(
                "warning", text=f"{len(small)} of {len(sizes)} pictures are smaller than a patch of {side}×{side} and left out: {shown}"
            )
        return _Fitting(np.flatnonzero(fits).tolist(), np.cumsum(sizes[fits].prod(axis=1)), sizes[fits])


def _inner(planes: Planes, rim: int) -> Planes:
    return np.ascontiguousarray(planes[..., rim : planes.shape[-2] - rim, rim : planes.shape[-1] - rim]) if rim else planes


def turned(planes: Planes, turns: npt.NDArray[np.int64]) -> Planes:
    """Square planes (N, C, side, side), each laid on itself in one of eight ways, 0 to 7; in place.

    The bits of a turn say whether columns, then rows are reversed, and whether both are then exchanged.
    """
    for bit, turn in enumerate((_reverse_columns, _reverse_rows, _transpose)):
        chosen = np.flatnonzero(turns >> bit & 1)
        planes[chosen] = turn(planes[chosen])
    return planes


def _reverse_columns(planes: Planes) -> Planes:
    return planes[..., ::-1]


def _reverse_rows(planes: Planes) -> Planes:
    return planes[..., ::-1, :]


def _transpose(planes: Planes) -> Planes:
    return planes.swapaxes(-1, -2)
