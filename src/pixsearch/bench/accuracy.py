"""Score models on whole pictures by their task's convention, and say how sure a gain is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pixsearch.data.cache import PairCache
from pixsearch.infer.session import OnnxModel
from pixsearch.infer.streams import Stream, output_of
from pixsearch.infer.tiles import output_planes
from pixsearch.rng import stream
from pixsearch.tasks import base as tasks
from pixsearch.tasks.base import Pair, Planes, Scores, Task, beside
from pixsearch.tasks.video import Flicker

Method = Callable[[Pair], Planes]
"""From a pair's inputs to output planes; pairs of a clip come in the order of its frames."""
Look = Callable[[str, Pair, Planes], None]

DRAWS = 10_000
LEVEL = 0.95
WHOLE_PIXELS = 4_000_000  # input pixels up to which a picture is run whole; its activations take a few hundred MB
BEST_DB = 100.0  # what an exact picture counts as, since a record holds finite numbers only


@dataclass(frozen=True)
class Accuracy:
    """Scores of one method: by picture, and their means."""

    pictures: dict[str, Scores]

    @property
    def psnr_db(self) -> float:
        """Mean over pictures of each picture's PSNR, as the field does it."""
        return float(np.mean([scores.psnr_db for scores in self.pictures.values()]))

    @property
    def ssim(self) -> float:
        """Mean over pictures."""
        return float(np.mean([scores.ssim for scores in self.pictures.values()]))

    @property
    def flicker(self) -> float | None:
        """Mean over the frames of clips that follow another; None where there are none."""
        return beside(self.pictures.values()).get("flicker")

    def to_json(self) -> dict[str, Any]:
        """Plain values: psnr_db, ssim and those of `tasks.base.BESIDE` that there are; and all by picture."""
        pictures = {name: _plain(scores) for name, scores in self.pictures.items()}
        return {"psnr_db": self.psnr_db, "ssim": self.ssim, **beside(self.pictures.values()), "pictures": pictures}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Accuracy:
        """What `to_json` wrote."""
        known = [field.name for field in fields(Scores)]
        return cls({name: Scores(**{key: scores.get(key) for key in known}) for name, scores in data["pictures"].items()})


def _plain(scores: Scores) -> dict[str, float]:
    return {"psnr_db": scores.psnr_db, "ssim": scores.ssim, **beside([scores])}


def on_inputs(method: tasks.Method) -> Method:
    """A method that needs a pair's inputs alone."""
    return lambda pair: method(pair.inputs)


def model_method(model: OnnxModel, task: Task) -> Method:
    """The picture's inputs encoded, padded and run whole through `model`; huge ones window by window, equal up to rounding; so are
    all by a model that takes one shape. One with a state goes through clips frame by frame.
    """
    stream = Stream(model)

    def method(pair: Pair) -> Planes:
        if model.card.signature.state:
            return output_of(stream, task, pair)
        inputs = pair.inputs
        height, width = next(iter(inputs.values())).shape[:2]
        if height * width > WHOLE_PIXELS or model.card.shape is not None:
            return output_planes(model, task, inputs)
        return model.run({port.name: task.encode(port.name, inputs[port.name]) for port in task.signature.inputs})

    return method


def score(method: Method, task: Task, pairs: Mapping[str, Pair], look: Look | None = None) -> Accuracy:
    """`method` on every pair of `pairs` by picture name; `look` sees each (name, pair, output planes) while it is there.

    PSNR is capped at 100 dB, which an output equal to the truth gets.
    """
    pictures, flicker = {}, Flicker(task)
    for name, pair in pairs.items():
        output = method(pair)
        scores = task.score(output, pair.truth)
        pictures[name] = replace(scores, psnr_db=min(scores.psnr_db, BEST_DB), flicker=flicker.of(pair, output))
        if look is not None:
            look(name, pair, output)
    return Accuracy(pictures)


class Pairs(Mapping[str, Pair]):
    """The cache's pairs by picture name, each read when it is asked for; `without` leaves some out."""

    def __init__(self, cache: PairCache, without: Sequence[str] = ()) -> None:
        self._cache = cache
        self._index = {name: number for number, name in enumerate(cache.names) if name not in without}

    def __getitem__(self, name: str) -> Pair:
        return self._cache.pair(self._index[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)


@dataclass(frozen=True)
class Difference:
    """Mean of paired per-picture PSNR differences and its bootstrap interval; no interval from fewer than two pictures."""

    mean_db: float
    interval_db: tuple[float, float] | None


def difference(better: Accuracy, worse: Accuracy, seed: int) -> Difference:
    """`better` minus `worse` over the pictures both have, with the percentile interval (95 %) of the paired bootstrap.

    Pictures are drawn with replacement 10 000 times (Efron and Tibshirani 1993), clips as a whole, whose frames are alike; the same
    `seed` gives the same interval.
    """
    names = [name for name in better.pictures if name in worse.pictures]
    gains = np.array([better.pictures[name].psnr_db - worse.pictures[name].psnr_db for name in names])
    units = _units(names) if better.flicker is not None else np.arange(len(names))
    sums, counts = np.bincount(units, gains), np.bincount(units)
    if len(sums) < 2:
        return Difference(float(gains.mean()), None)
    drawn = stream(seed, "bootstrap", len(sums)).integers(0, len(sums), (DRAWS, len(sums)))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [tail, 1 - tail])
    return Difference(float(gains.mean()), (float(low), float(high)))


def _units(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """The number of the clip that each frame is of, by the name before its last `/`."""
    clips = {clip: number for number, clip in enumerate(dict.fromkeys(name.rpartition("/")[0] for name in names))}
    return np.array([clips[name.rpartition("/")[0]] for name in names])
