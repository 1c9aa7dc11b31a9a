"""Batches of patches: what is drawn at a step depends on the seed and the step alone, so a resumed run draws on as if unbroken."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixsearch.data.cache import PairCache
from pixsearch.data.operations import suited
from pixsearch.data.policies import Plan, Policies
from pixsearch.data.progress import Note, silent
from pixsearch.errors import DataError
from pixsearch.pixels.resize import resize
from pixsearch.pixels.types import Picture, Samples
from pixsearch.rng import stream
from pixsearch.space.sequence import offsets as space_offsets
from pixsearch.tasks.base import Batch, Planes, Task
from pixsearch.tasks.video import Video

RIM = 4  # input pixels around a patch of a shrunken picture that are degraded with it: as far as bicubic kernels reach
Place = tuple[int, int, int]
"""Picture, top, left."""


class _Fitting(NamedTuple):
    """The pictures that hold a patch, with the running sum of their areas (input pixels) and their sizes."""

    ids: list[int]
    areas: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


class Patches:
    """Seeded batches of square patches, turned and mirrored at random unless `turns` is False, out of a cache.

    `patch` is the side of the input in pixels; the truth's is `scale` times that. A picture is chosen by its area, a place in it
    evenly. Pictures that a patch does not fit into are left out, said by an event `warning`; `DataError` when none is left.
    With a `share` (i, n) each batch is the i-th of n equal parts of the one that n times `batch` patches would make, so n
    processes see together what one would. `policies` say what else befalls the patches; other patches that they mix in are of
    the same share. Safe to share between threads, as far as `policies` are.
    """

    def __init__(
        self,
        cache: PairCache,
        task: Task,
        *,
        batch: int,
        patch: int,
        seed: int,
        share: tuple[int, int] = (0, 1),
        turns: bool = True,
        policies: Policies | None = None,
        note: Note = silent,
    ) -> None:
        self.cache, self.task = cache, task
        self.batch, self.patch, self.seed, self.share = batch, patch, seed, share
        self._turns, self._policies, self._note = turns, policies, note
        self._operations = suited(task, cache.origin)
        self._known: dict[int, _Fitting] = {}
        self._rim = 0 if cache.inputs else task.margin // task.scale
        self._fitting(patch)

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which has no record to write to."""
        return {**self.__dict__, "_note": silent}

    def draw(self, step: int, batch: int | None = None, patch: int | None = None) -> Batch:
        """The batch of this step, a pure function of seed, step, sizes and policies: planes (N, C, patch, patch) and truth's."""
        part, parts = self.share
        own, side, scale = batch or self.batch, patch or self.patch, self.task.scale
        fitting, count, mine, rim = self._fitting(side), own * parts, slice(part * own, (part + 1) * own), self._rim
        rng = stream(self.seed, "batch", step)
        chosen = np.searchsorted(fitting.areas, rng.integers(fitting.areas[-1], size=count), side="right")
        corners = (rng.random((count, 2)) * (fitting.sizes[chosen] - side - 2 * rim + 1)).astype(np.int64).tolist()
        picks = [(fitting.ids[i], *corner) for i, corner in zip(chosen[mine].tolist(), corners[mine], strict=True)]
        turns = rng.integers(8, size=count)[mine] * self._turns
        plan = Plan(self._operations, self._policies and self._policies(step), step, own, self.seed, part, self.cache.origin)
        places = [(index, top * scale, left * scale) for index, top, left in picks]
        if self.cache.inputs:
            return self._cached(picks, places, side, turns, plan)
        drawn = self._drawn(places, (side + 2 * rim) * scale, turns, plan, rng if parts == 1 else stream(self.seed, "noise", step, part))
        inner = Batch({name: _inner(planes, rim) for name, planes in drawn.inputs.items()}, _inner(drawn.truth, rim * scale))
        plan.after(inner, self.task)
        return inner

    def _cached(self, picks: list[Place], places: list[Place], side: int, turns: npt.NDArray[np.int64], plan: Plan) -> Batch:
        """The batch of pairs out of the cache: inputs cut at `picks`, truths at `places`."""
        seen = {name: self._cut(views, picks, side) for name, views in self.cache.inputs.items()}
        truths = self._cut(self.cache.truths, places, side * self.task.scale)
        for number, factor in plan.shrunk().items():
            self._shrink_pair(places[number], factor, {name: pictures[number] for name, pictures in seen.items()}, truths[number])
        inputs = {name: turned(self.task.encode(name, pictures), turns) for name, pictures in seen.items()}
        batch = Batch(inputs, turned(self.task.encode_truth(truths), turns))
        plan.before(batch, self.task)
        plan.after(batch, self.task)
        return batch

    def _drawn(self, places: list[Place], side: int, turns: npt.NDArray[np.int64], plan: Plan, rng: np.random.Generator) -> Batch:
        """The batch whose inputs are drawn for the patches of truth at `places`; those out of clips go by themselves."""
        truths, task = self.cache.truths, self.task
        moving = [number for number, (index, *_) in enumerate(places) if truths[index].ndim == 4]
        still = [number for number in range(len(places)) if number not in set(moving)]
        batches, shrunk = [], plan.shrunk()
        for numbers, cut in ((still, self._stills), (moving, self._sequences)):
            if numbers:
                factors = [shrunk.get(number, 1.0) for number in numbers]
                planes = turned(cut([places[number] for number in numbers], side, factors, rng), turns[numbers])
                plan.before(Batch({}, planes), task, np.array(numbers))
                batches.append(task.batch(planes, rng))
        if len(batches) == 1:
            return batches[0]
        order = np.argsort([*still, *moving])
        inputs = {name: np.concatenate([batch.inputs[name] for batch in batches])[order] for name in batches[0].inputs}
        return Batch(inputs, np.concatenate([batch.truth for batch in batches])[order])

    def _stills(self, places: list[Place], side: int, factors: list[float], _rng: np.random.Generator) -> Planes:
        """Patches of photos, cut from so many times smaller ones: (N, C, side, side)."""
        pictures = self._cut(self.cache.truths, places, side)
        for place, factor, picture in zip(places, factors, pictures, strict=True):
            if factor > 1:
                picture[...] = self._smaller(place, side, factor)
        return self.task.encode_truth(pictures)

    def _smaller(self, place: Place, side: int, factor: float) -> Picture:
        """A patch of the picture made `factor` times smaller (as far as it holds one then), by MATLAB's bicubic: (side, side, 3)."""
        index, top, left = place
        view = self.cache.truths[index]
        height, width = view.shape[:2]
        span = min(round(side * factor), height, width)
        top, left = min(top, height - span), min(left, width - span)
        self.cache.touch(span * view.strides[0])
        return resize(np.ascontiguousarray(view[top : top + span, left : left + span]), side, side)

    def _shrink_pair(self, place: Place, factor: float, inputs: dict[str, Picture], truth: Picture) -> None:
        """Put a patch of a smaller picture into `truth`, and what the task makes of it, of its surroundings too, into `inputs`."""
        rim, scale = RIM, self.task.scale
        side = len(truth) + 2 * rim * scale
        if min(self.cache.truths[place[0]].shape[:2]) < side or factor <= 1:
            return
        pair = self.task.degrade(self._smaller(place, side, factor))
        truth[...] = _within(pair.truth, rim * scale)
        for name, picture in inputs.items():
            picture[...] = _within(pair.inputs[name], rim)

    def _sequences(self, places: list[Place], side: int, _factors: list[float], rng: np.random.Generator) -> Planes:
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


def _within(picture: Samples, rim: int) -> Samples:
    return picture[rim : picture.shape[0] - rim, rim : picture.shape[1] - rim]


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
