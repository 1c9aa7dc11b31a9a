"""The pictures candidates are scored on: few enough to be quick, and whole, or where they are very large their fixed centre."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Protocol, cast

import numpy as np

from pixsearch.data.cache import PairCache
from pixsearch.tasks.base import Pair, Task

IN_A_ROW = 4
"""Frames of a clip that are scored, one after another: a state needs some to come into."""


class Pairs(Protocol):
    """Whole pairs by number, as the data room's cache gives them."""

    names: list[str]

    def __len__(self) -> int: ...

    def pair(self, index: int) -> Pair:
        """The pair of picture `index`."""
        ...


class Selection:
    """Some pictures of `pairs`, evenly spaced over their order, so always the same ones; of clips the first frames of some.

    At most `pictures` of them; the truth of one that is higher or wider than `window` pixels counts with its centre of at
    most `window`×`window`, the same at every look. Inputs that the task draws are kept once they were: every candidate is
    scored on them.
    """

    def __init__(self, pairs: Pairs, task: Task, *, pictures: int, window: int) -> None:
        self._pairs, self._scale, self.window = pairs, task.scale, window
        self._drawn: dict[int, Pair] | None = {} if task.draws else None
        self._ids = _spread(len(pairs), pictures) if task.takes != "clips" else _spread_clips(pairs.names, pictures)
        self.names = [pairs.names[i] for i in self._ids]

    def __len__(self) -> int:
        return len(self._ids)

    def pair(self, index: int) -> Pair:
        """The pair of picture `index`, or its centre."""
        number = self._ids[index]
        if self._drawn is None:
            return _centre(self._pairs.pair(number), self._scale, self.window)
        if number not in self._drawn:
            pair = _centre(self._pairs.pair(number), self._scale, self.window)
            self._drawn[number] = replace(pair, inputs={name: np.array(samples) for name, samples in pair.inputs.items()})
        return self._drawn[number]

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which draws anew: the same."""
        return {**self.__dict__, "_drawn": None if self._drawn is None else {}}

    def first(self, count: int) -> Selection:
        """Only the first `count` of them."""
        fewer = copy.copy(self)
        fewer._ids, fewer.names = self._ids[:count], self.names[:count]
        return fewer

    def as_cache(self) -> PairCache:
        """Itself, for those who ask for a cache and read names and pairs alone."""
        return cast(PairCache, self)

    def description(self) -> list[dict[str, Any]]:
        """Name and size of what is scored of each picture, for the record."""
        truths = [self.pair(i).truth for i in range(len(self))]
        return [{"name": n, "width": t.shape[1], "height": t.shape[0]} for n, t in zip(self.names, truths, strict=True)]


def _spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` numbers below `count`, evenly spaced."""
    kept = min(count, wanted)
    return [i * count // kept for i in range(kept)]


def _spread_clips(names: list[str], wanted: int) -> list[int]:
    """At least `wanted` frames: the first `IN_A_ROW` of clips evenly spaced; `names` are `CLIP/FRAME`, clip by clip."""
    clips: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        clips.setdefault(name.rpartition("/")[0], []).append(number)
    runs = [numbers[:IN_A_ROW] for numbers in clips.values()]
    return [number for place in _spread(len(runs), -(-wanted // IN_A_ROW)) for number in runs[place]]


def _centre(pair: Pair, scale: int, window: int) -> Pair:
    """The centre of a pair whose truth is larger than `window`, on whole input pixels; the pair itself when it is not."""
    height, width = pair.truth.shape[:2]
    if max(height, width) <= window:
        return pair
    rows, columns = (_middle(side // scale, window // scale) for side in (height, width))
    inputs = {name: view[rows, columns] for name, view in pair.inputs.items()}
    truth = pair.truth[rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale]
    return Pair(inputs, truth, pair.follows)


def _middle(side: int, wanted: int) -> slice:
    kept = min(side, wanted)
    start = (side - kept) // 2
    return slice(start, start + kept)
