"""What a policy may do to training patches: operations on whole batches that leave every input what its truth would give.

Flips and rotations are none of them: all patches are turned in one of the eight ways anyway, and turning what is turned evenly changes
nothing. Where a task draws its inputs an operation works on the truth alone and the inputs are drawn from what became of it;
cached inputs are changed with their truths: by linear operations, and over the edges of squares as the task makes inputs of truths
(the user's own are cut at the places that both have). Amounts are bounded, and no truth leaves 0…1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import permutations
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pixsearch.pixels.resize import resize
from pixsearch.tasks.base import Batch, Planes, Task

Numbers = npt.NDArray[np.int64]
Inputs = Literal["drawn", "made", "given"]
"""Where the inputs of batches come from: drawn for each, made once of the photos, or the user's own."""

LEVELS = 10
"""Magnitudes of an operation, from one end of its span to the other."""


class Chosen(NamedTuple):
    """The patches `who` (K,) of a batch that an operation is done to, each by its `amount` (K, 1, 1, 1); chance comes from `rng`."""

    batch: Batch
    task: Task
    who: Numbers
    amount: Planes
    rng: np.random.Generator

    @property
    def arrays(self) -> list[Planes]:
        """Everything that is to change alike: cached inputs, if there are any, and the truth last."""
        return [*self.batch.inputs.values(), self.batch.truth]

    def partners(self) -> Numbers:
        """For each of `who` another patch of the batch; itself where there is none."""
        count = len(self.batch.truth)
        return (self.who + 1 + self.rng.integers(max(count - 1, 1), size=len(self.who))) % count


class Operation(NamedTuple):
    """One operation: `apply` changes a batch in place, by amounts of `span` from the lowest level to the highest.

    `suits` says whether a task has it when its inputs come from there. One that is done `after` needs the inputs; the others come
    before they are drawn. One that `cuts` makes edges, which a smaller input has in its own way. That of no `apply` is done where
    patches are cut: by the amount smaller a picture (`data.patches`).
    """

    name: str
    span: tuple[float, float]
    suits: Callable[[Task, Inputs], bool]
    apply: Callable[[Chosen], None] | None
    after: bool = False
    cuts: bool = False

    def amounts(self, levels: Numbers) -> Planes:
        """The amounts of `levels` (K,) from 0 to `LEVELS` - 1, evenly over the span."""
        low, high = self.span
        return (low + (high - low) * levels / (LEVELS - 1)).astype(np.float32)

    def do(self, chosen: Chosen, inputs: Inputs) -> None:
        """Change the batch. Inputs that were `made` of the truth follow it over an edge as they were made; given ones are cut alike."""
        assert self.apply is not None
        batch, who = chosen.batch, chosen.who
        if not self.cuts or inputs != "made" or not chosen.task.follows_changes:
            self.apply(chosen)
            return
        before = batch.truth[who]
        self.apply(chosen._replace(batch=Batch({}, batch.truth)))
        for name, change in chosen.task.follows(batch.truth[who] - before).items():
            batch.inputs[name][who] += change


def permute(chosen: Chosen) -> None:
    """Red, green and blue in another order."""
    orders = np.array(list(permutations(range(3)))[1:])[chosen.rng.integers(5, size=len(chosen.who))]
    for planes in chosen.arrays:
        own = planes[chosen.who]
        groups = own.reshape(len(own), -1, 3, *own.shape[-2:])
        planes[chosen.who] = np.take_along_axis(groups, orders[:, None, :, None, None], axis=2).reshape(own.shape)


def blend(chosen: Chosen) -> None:
    """So much of a grey laid over."""
    grey = _each(chosen.rng.random(len(chosen.who)))
    for planes in chosen.arrays:
        planes[chosen.who] += chosen.amount * (grey - planes[chosen.who])


def mixup(chosen: Chosen) -> None:
    """So much of another patch laid over (Zhang et al. 2018)."""
    others = chosen.partners()
    for planes in chosen.arrays:
        planes[chosen.who] += chosen.amount * (planes[others] - planes[chosen.who])


def cutmix(chosen: Chosen) -> None:
    """A square out of another patch, its side so much of the patch's (Yun et al. 2019)."""
    _put(chosen, np.float32(1))


def cutmixup(chosen: Chosen) -> None:
    """As `cutmix`, but another patch is laid half over the square (Yoo et al. 2020)."""
    _put(chosen, np.float32(0.5))


def cutout(chosen: Chosen) -> None:
    """A square becomes as grey as the patch is in the mean, in the input and in the truth (DeVries and Taylor 2017)."""
    grey = chosen.batch.truth[chosen.who].mean(axis=(1, 2, 3), keepdims=True)
    for planes, where in _regions(chosen):
        planes[chosen.who] = np.where(where, grey, planes[chosen.who])


def cutblur(chosen: Chosen) -> None:
    """A square of the input is given undamaged (Yoo et al. 2020): a network has to see where there is something to do."""
    clean = chosen.task.undamaged(chosen.batch.truth[chosen.who])
    side = chosen.batch.truth.shape[-1] // chosen.task.scale
    where = _square(chosen, side)
    for name, planes in chosen.batch.inputs.items():
        planes[chosen.who] = np.where(where, clean[name], planes[chosen.who])


def cutsmooth(chosen: Chosen) -> None:
    """CutBlur where inputs are smaller than truths, and a square of full detail has no place in them.

    A square of the truth is reduced and enlarged by bicubic, and the input is what that gives: a network has to see where there is
    nothing to sharpen.
    """
    for planes, where in _regions(chosen):
        scale = chosen.task.scale
        is_input = planes is not chosen.batch.truth
        smooth = _smoothing(planes.shape[-1], scale, is_input)
        planes[chosen.who] = np.where(where, smooth @ planes[chosen.who] @ smooth.T, planes[chosen.who])


def intensity(chosen: Chosen) -> None:
    """All values times the amount."""
    for planes in chosen.arrays:
        planes[chosen.who] *= chosen.amount


def contrast(chosen: Chosen) -> None:
    """The distance of all values from their mean times the amount."""
    mean = chosen.batch.truth[chosen.who].mean(axis=(1, 2, 3), keepdims=True)
    for planes in chosen.arrays:
        planes[chosen.who] = mean + chosen.amount * (planes[chosen.who] - mean)


def strength(chosen: Chosen) -> None:
    """What the degradation did, noise, blur and JPEG alike, times the amount; a level that a network is told goes with it."""
    clean = chosen.task.undamaged(chosen.batch.truth[chosen.who])
    for name, planes in chosen.batch.inputs.items():
        planes[chosen.who] = clean[name] + chosen.amount * (planes[chosen.who] - clean[name])


def _any(_task: Task, _inputs: Inputs) -> bool:
    return True


def _has_colours(task: Task, inputs: Inputs) -> bool:
    """Inputs that are not drawn have to be red, green and blue themselves; a mosaic is not."""
    return task.color == "rgb" and (inputs == "drawn" or all(port.channels % 3 == 0 for port in task.signature.inputs))


def _can_be_undamaged(task: Task, _inputs: Inputs) -> bool:
    return task.can_be_undamaged


def _is_reduced(task: Task, _inputs: Inputs) -> bool:
    return task.scale > 1 and not task.can_be_undamaged


def _is_damaged(task: Task, inputs: Inputs) -> bool:
    return inputs == "drawn" and task.can_be_undamaged


def _can_be_made(task: Task, inputs: Inputs) -> bool:
    """Of a picture of another size; frames of a clip keep theirs."""
    return inputs != "given" and task.takes != "clips"


OPERATIONS = (
    Operation("permute", (1.0, 1.0), _has_colours, permute),
    Operation("blend", (0.0, 0.3), _any, blend),
    Operation("mixup", (0.0, 0.4), _any, mixup),
    Operation("cutmix", (0.0, 0.7), _any, cutmix, cuts=True),
    Operation("cutmixup", (0.0, 0.7), _any, cutmixup, cuts=True),
    Operation("cutblur", (0.0, 0.7), _can_be_undamaged, cutblur, after=True),
    Operation("cutblur", (0.0, 0.7), _is_reduced, cutsmooth, cuts=True),
    Operation("cutout", (0.0, 0.25), _any, cutout, cuts=True),
    Operation("intensity", (0.7, 1.0), _any, intensity),
    Operation("contrast", (0.7, 1.0), _any, contrast),
    Operation("strength", (0.7, 1.3), _is_damaged, strength, after=True),
    Operation("shrink", (1.0, 1.6), _can_be_made, None),
)
"""All there are. Light and contrast are only ever lowered: errors grow in proportion to them, and whoever raises a loss would find
nothing else. A few sizes are what Dong et al. 2016 (FSRCNN) make of few photos."""


def suited(task: Task, inputs: Inputs) -> tuple[Operation, ...]:
    """The operations that `task` has, by where its `inputs` come from."""
    return tuple(operation for operation in OPERATIONS if operation.suits(task, inputs))


def _each(values: npt.NDArray[np.float64]) -> Planes:
    """(K,) → (K, 1, 1, 1)."""
    return values.astype(np.float32)[:, np.newaxis, np.newaxis, np.newaxis]


def _put(chosen: Chosen, share: np.float32) -> None:
    """A square of another patch, laid over with that share."""
    others = chosen.partners()
    for planes, where in _regions(chosen):
        planes[chosen.who] += np.where(where, share, np.float32(0)) * (planes[others] - planes[chosen.who])


def _regions(chosen: Chosen) -> list[tuple[Planes, npt.NDArray[np.bool_]]]:
    """Each array with its squares, (K, 1, H, W): the same places in all of them, their edges between the input's pixels."""
    cells = chosen.batch.truth.shape[-1] // chosen.task.scale
    where = _square(chosen, cells)
    return [(planes, where.repeat(planes.shape[-1] // cells, axis=2).repeat(planes.shape[-1] // cells, axis=3)) for planes in chosen.arrays]


def _square(chosen: Chosen, cells: int) -> npt.NDArray[np.bool_]:
    """A square for each patch on a grid of `cells` each way, its side the amount of it: (K, 1, cells, cells)."""
    sides = np.ceil(chosen.amount * cells)
    tops, lefts = (np.floor(_each(chosen.rng.random(len(chosen.who))) * (cells - sides + 1)) for _ in range(2))
    rows, columns = np.arange(cells)[:, np.newaxis], np.arange(cells)[np.newaxis]
    inside: npt.NDArray[np.bool_] = (rows >= tops) & (rows < tops + sides) & (columns >= lefts) & (columns < lefts + sides)
    return inside


@lru_cache(maxsize=32)
def _smoothing(side: int, scale: int, is_input: bool) -> Planes:
    """Along one axis: a truth reduced by `scale` and enlarged again, or an input enlarged and reduced again, (side, side)."""
    there = side * scale if is_input else side // scale
    one = np.eye(side, dtype=np.float32)
    smooth: Planes = resize(resize(one, there, side), side, side)
    return smooth
