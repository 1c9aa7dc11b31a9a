"""What flows through a float graph on real photos: crops of them, seen one at a time so that memory stays small."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from pixsearch.card import ModelCard
from pixsearch.data.cache import PairCache
from pixsearch.export.graph import Graph
from pixsearch.infer.ports import empty_state, pad_to_multiple
from pixsearch.infer.session import open_session, session_options
from pixsearch.rng import stream
from pixsearch.signature import NEXT
from pixsearch.tasks.base import Planes, Task

INPUT_PIXELS = 400_000
"""Input pixels that are looked at in all; twice as many move the ranges of a trained network by less than 1 %."""

_MEMORY_BYTES = 64 * 2**20  # all tensors of one crop
_LONGEST = 128  # many places tell more than large ones
_LEAST = 32
_BINS = 4096

Feeds = dict[str, Planes]


@dataclass(frozen=True)
class Seen:
    """One tensor over all crops: counts of its values in equal steps from `low` to `high`."""

    low: float
    high: float
    counts: npt.NDArray[np.float64]

    @property
    def centers(self) -> npt.NDArray[np.float64]:
        """The value in the middle of each step."""
        edges = np.linspace(self.low, self.high, len(self.counts) + 1)
        return (edges[1:] + edges[:-1]) / 2


def observe(model: onnx.ModelProto, crops: Sequence[Feeds], tensors: Iterable[str] | None = None) -> Iterator[dict[str, Planes]]:
    """The activations called `tensors`, or all, and the inputs, by name: (1, C, H, W), crop by crop."""
    graph = Graph(model)
    names = [name for name in (graph.activations() if tensors is None else tensors) if name not in graph.inputs]
    opened = copy.deepcopy(model)
    del opened.graph.output[:]
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = open_session(opened.SerializeToString(), session_options(optimization="none"))
    for feeds in crops:
        yield {**feeds, **(dict(zip(names, session.run(names, feeds), strict=True)) if names else {})}


def histograms(model: onnx.ModelProto, crops: Sequence[Feeds]) -> dict[str, Seen]:
    """How the values of every activation are spread; two passes, the first for the ends."""
    ends: dict[str, tuple[float, float]] = {}
    for tensors in observe(model, crops):
        for name, values in tensors.items():
            low, high = ends.get(name, (math.inf, -math.inf))
            ends[name] = min(low, float(values.min())), max(high, float(values.max()))
    counts = {name: np.zeros(_BINS) for name in ends}
    for tensors in observe(model, crops):
        for name, values in tensors.items():
            counts[name] += _count(values, *ends[name])
    return {name: Seen(*ends[name], counts[name]) for name in ends}


def _count(values: Planes, low: float, high: float) -> npt.NDArray[np.float64]:
    """`np.histogram` in `_BINS` equal steps, ten times as fast."""
    step = (high - low) / _BINS or 1.0
    places = np.minimum(((values.ravel() - np.float32(low)) * np.float32(1 / step)).astype(np.int32), _BINS - 1)
    return np.bincount(np.maximum(places, 0), minlength=_BINS).astype(np.float64)


def choose_crops(model: onnx.ModelProto, card: ModelCard, task: Task, pictures: PairCache, seed: int) -> list[Feeds]:
    """Planes of seeded crops of `pictures`, equally many of each, `INPUT_PIXELS` in all; small pictures are taken whole."""
    if card.signature.state:
        return _crops_of_clips(model, card, task, pictures, seed)
    side = _crop_side(model, card)
    each = max(1, round(INPUT_PIXELS / side**2 / len(pictures)))
    rng = stream(seed, "calibration")
    crops = []
    for index in rng.permutation(len(pictures)):
        inputs = pictures.pair(int(index)).inputs
        height, width = next(iter(inputs.values())).shape[:2]
        for _ in range(each if max(height, width) > side else 1):
            top, left = (int(rng.integers(max(1, length - side + 1))) for length in (height, width))
            crop = {name: picture[top : top + side, left : left + side] for name, picture in inputs.items()}
            crops.append({name: _planes(task, name, picture, card) for name, picture in crop.items()})
        if len(crops) * side**2 >= INPUT_PIXELS:
            break
    return crops


def _crops_of_clips(model: onnx.ModelProto, card: ModelCard, task: Task, pictures: PairCache, seed: int) -> list[Feeds]:
    """One place of each clip, frame after frame, with the states that `model` comes to there; `INPUT_PIXELS` in all, over all clips."""
    side = min(_crop_side(model, card), max(_LEAST, math.isqrt(INPUT_PIXELS // len(pictures)))) // card.multiple * card.multiple
    rng, states = stream(seed, "calibration"), StateFeed(model, card)
    crops: list[Feeds] = []
    top = left = 0
    for index in range(min(len(pictures), INPUT_PIXELS // side**2)):
        pair = pictures.pair(index)
        height, width = next(iter(pair.inputs.values())).shape[:2]
        if not pair.follows:
            top, left = (int(rng.integers(max(1, length - side + 1))) for length in (height, width))
        crop = {name: picture[top : top + side, left : left + side] for name, picture in pair.inputs.items()}
        planes = {name: _planes(task, name, picture, card) for name, picture in crop.items()}
        crops.append(states.fed(planes, follows=pair.follows))
    return crops


class StateFeed:
    """Frames of clips with the states that a float graph comes to before each."""

    def __init__(self, model: onnx.ModelProto, card: ModelCard) -> None:
        self._card, self._session = card, open_session(model.SerializeToString(), session_options())
        self._names = [port.name for port in card.signature.state]
        self._state: Feeds = {}

    def fed(self, planes: Feeds, *, follows: bool) -> Feeds:
        """`planes` (1, C, H, W) of a frame and the state beside them, which is empty unless it `follows` the frame before."""
        height, width = next(iter(planes.values())).shape[-2:]
        feeds = {**planes, **(self._state if follows and self._state else empty_state(self._card, height, width))}
        following = self._session.run([f"{NEXT}{name}" for name in self._names], feeds) if self._names else []
        self._state = dict(zip(self._names, following, strict=True))
        return feeds


def _planes(task: Task, name: str, picture: npt.NDArray[np.uint8], card: ModelCard) -> Planes:
    return pad_to_multiple(task.encode(name, np.ascontiguousarray(picture)), card.multiple)[np.newaxis]


def _crop_side(model: onnx.ModelProto, card: ModelCard) -> int:
    """The largest side, up to `_LONGEST`, of a crop whose activations fit into `_MEMORY_BYTES` together."""
    side = _LEAST * card.multiple
    probe = {port.name: np.zeros((1, port.channels, side, side), np.float32) for port in card.signature.inputs}
    probe |= empty_state(card, side, side)
    bytes_per_pixel = sum(values.nbytes for values in next(observe(model, [probe])).values()) / side**2
    fitting = min(math.isqrt(int(_MEMORY_BYTES / bytes_per_pixel)), _LONGEST)
    return max(fitting, _LEAST) // card.multiple * card.multiple
