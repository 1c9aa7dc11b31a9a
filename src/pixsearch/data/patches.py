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
from pixsearch.tasks.base import Batch, Planes, Task


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
        truth = turned(self.task.encode_truth(self._cut(self.cache.truths, places, (side + 2 * rim) * scale)), turns)
        if inputs:
            return Batch(inputs, truth)
        inputs = self.task.draw(truth, rng if parts == 1 else stream(self.seed, "noise", step, part))
        return Batch({name: _inner(planes, rim) for name, planes in inputs.items()}, _inner(truth, rim * scale))

    def _cut(self, views: list[Picture], picks: list[tuple[int, int, int]], side: int) -> Picture:
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
        sizes = np.array([view.shape[:2] for view in self.cache.truths], np.int64) // self.task.scale
        rims = 2 * self._rim
        fits = sizes.min(axis=1) >= side + rims
        small = [self.cache.names[i] for i in np.flatnonzero(~fits)]
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
