"""Score models on whole pictures by their task's convention, and say how sure a gain is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixsearch.data.cache import PairCache
from pixsearch.infer.session import OnnxModel
from pixsearch.infer.tiles import output_planes
from pixsearch.pixels.types import Picture
from pixsearch.rng import stream
from pixsearch.tasks.base import Pair, Planes, Scores, Task

Method = Callable[[dict[str, Picture]], Planes]
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

    def to_json(self) -> dict[str, Any]:
        """Plain values: psnr_db, ssim, and both by picture."""
        pictures = {name: {"psnr_db": scores.psnr_db, "ssim": scores.ssim} for name, scores in self.pictures.items()}
        return {"psnr_db": self.psnr_db, "ssim": self.ssim, "pictures": pictures}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Accuracy:
        """What `to_json` wrote."""
        return cls({name: Scores(scores["psnr_db"], scores["ssim"]) for name, scores in data["pictures"].items()})


def model_method(model: OnnxModel, task: Task) -> Method:
    """The picture's inputs encoded, padded and run whole through `model`; huge ones window by window, equal up to rounding; so are
    all by a model that takes one shape.
    """

    def method(inputs: dict[str, Picture]) -> Planes:
        height, width = next(iter(inputs.values())).shape[:2]
        if height * width > WHOLE_PIXELS or model.card.shape is not None:
            return output_planes(model, task, inputs)
        return model.run({port.name: task.encode(port.name, inputs[port.name]) for port in task.signature.inputs})

    return method


def score(method: Method, task: Task, pairs: Mapping[str, Pair], look: Look | None = None) -> Accuracy:
    """`method` on every pair of `pairs` by picture name; `look` sees each (name, pair, output planes) while it is there.

    PSNR is capped at 100 dB, which an output equal to the truth gets.
    """
    pictures = {}
    for name, pair in pairs.items():
        output = method(pair.inputs)
        scores = task.score(output, pair.truth)
        pictures[name] = Scores(min(scores.psnr_db, BEST_DB), scores.ssim)
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

    Pictures are drawn with replacement 10 000 times (Efron and Tibshirani 1993); the same `seed` gives the same interval.
    """
    names = [name for name in better.pictures if name in worse.pictures]
    gains = np.array([better.pictures[name].psnr_db - worse.pictures[name].psnr_db for name in names])
    if len(gains) < 2:
        return Difference(float(gains.mean()), None)
    drawn = stream(seed, "bootstrap", len(gains)).integers(0, len(gains), (DRAWS, len(gains)))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(gains[drawn].mean(axis=1), [tail, 1 - tail])
    return Difference(float(gains.mean()), (float(low), float(high)))
