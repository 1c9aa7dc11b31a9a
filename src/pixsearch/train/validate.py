"""Score a network on whole pictures, as a phone would run it: branches merged, float32, padded to the sizes it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pixsearch.data.cache import PairCache
from pixsearch.infer.tiles import Span, spans
from pixsearch.nn.build import Network, deploy
from pixsearch.nn.dynamic import Adaptive, mean, predictors
from pixsearch.nn.video import empty_state
from pixsearch.registry import SPACES
from pixsearch.tasks.base import Pair, Planes, Scores, Task, beside, task_for
from pixsearch.tasks.video import Flicker

STRIP_PIXELS = 2**20
"""Input pixels that go through a network at once; taller pictures go in overlapping strips, with the same result."""

EXACT_DB = 100.0
"""What a picture that equals its truth counts as, so that means stay numbers."""

Figures = dict[str, Any]


def validate(network: Network, cache: PairCache, task: Task) -> Figures:
    """{psnr_db, ssim, pictures: {name: {psnr_db, ssim}}} of `network` by the task's convention; means are over pictures."""
    plain = deploy(network).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    stream = Stepper(plain)
    own = task_for(plain.signature)

    def method(pair: Pair) -> Planes:
        planes = {port.name: own.encode(port.name, pair.inputs[port.name]) for port in own.signature.inputs}
        return stream.run(planes, follows=pair.follows) if plain.signature.state else run_whole(plain, planes)

    return _scored(method, cache, task)


def score_baseline(cache: PairCache, task: Task) -> Figures:
    """The same figures of the task's trivial method."""
    return _scored(lambda pair: task.baseline(pair.inputs), cache, task)


def _scored(method: Callable[[Pair], Planes], cache: PairCache, task: Task) -> Figures:
    scores, flicker = {}, Flicker(task)
    for index, name in enumerate(cache.names):
        pair = cache.pair(index)
        output = method(pair)
        scores[name] = replace(task.score(output, pair.truth), flicker=flicker.of(pair, output))
    return summary(scores)


def summary(scores: dict[str, Scores]) -> Figures:
    """Scores by picture, and their means; of clips also flicker, where the task asks for it also sharpness."""
    pictures = {name: {"psnr_db": min(score.psnr_db, EXACT_DB), "ssim": score.ssim} for name, score in scores.items()}
    means = {key: float(np.mean([figures[key] for figures in pictures.values()])) for key in ("psnr_db", "ssim")}
    return {**means, **beside(scores.values()), "pictures": pictures}


class Stepper:
    """A network in its deploy form on the frames of clips, in their order: it keeps the state from one to the next."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._state: torch.Tensor | None = None

    @torch.inference_mode()
    def run(self, planes: dict[str, Planes], *, follows: bool) -> Planes:
        """The output planes (C, H·scale, W·scale) of a frame (C, H, W) of any size; the state is empty unless it `follows` another."""
        network, signature = self._network, self._network.signature
        multiple = SPACES.load(network.genotype.space)(signature).multiple(network.genotype)
        device = next(network.parameters()).device
        inputs = [_padded(torch.from_numpy(planes[port.name])[None], multiple).to(device) for port in signature.inputs]
        height, width = planes[signature.inputs[0].name].shape[-2:]
        state = self._state if follows and self._state is not None else empty_state(inputs[0], signature.state_channels, multiple)
        output, self._state = network(*inputs, state)
        cropped = output[0, :, : height * signature.scale, : width * signature.scale]
        return np.ascontiguousarray(cropped.float().cpu().numpy())


@torch.inference_mode()
def run_whole(network: Network, planes: dict[str, Planes]) -> Planes:
    """The output planes (C, H·scale, W·scale) for input planes (C, H, W) of any size, rounded up by repeating the edge."""
    space = SPACES.load(network.genotype.space)(network.signature)
    multiple, radius = space.multiple(network.genotype), space.receptive_radius(network.genotype)
    scale, device = network.signature.scale, next(network.parameters()).device
    inputs = [_padded(torch.from_numpy(planes[port.name])[None], multiple) for port in network.signature.inputs]
    height, width = planes[network.signature.inputs[0].name].shape[-2:]
    tall = max(STRIP_PIXELS // inputs[0].shape[-1], 4 * radius + multiple) // multiple * multiple
    cuts = spans(inputs[0].shape[-2], tall, radius, multiple)
    parts = [[plane[..., cut.start : cut.stop, :] for plane in inputs] for cut in cuts]
    strips = []
    with _known_statistics(network, parts, cuts):
        for cut, part in zip(cuts, parts, strict=True):
            output = network(*(plane.to(device, memory_format=torch.channels_last) for plane in part))
            strips.append(output[0, :, (cut.first - cut.start) * scale : (cut.last - cut.start) * scale].cpu().numpy())
    return np.ascontiguousarray(np.concatenate(strips, axis=1)[:, : height * scale, : width * scale])


@contextmanager
def _known_statistics(network: Network, parts: Sequence[Sequence[Tensor]], cuts: Sequence[Span]) -> Iterator[None]:
    """Within it a dynamic network computes its kernels from the whole picture, which comes in `parts`."""
    found, body = predictors(network) if len(parts) > 1 else [], cast(Adaptive, network.body)
    for predictor in found:
        total, rows = torch.zeros(1, predictor.linear.in_features, dtype=torch.float64), 0
        for cut, part in zip(cuts, parts, strict=True):
            features = body.entering(torch.cat(list(part), dim=1))
            per_row = features.shape[2] / (cut.stop - cut.start)
            kept = features[:, :, round((cut.first - cut.start) * per_row) : round((cut.last - cut.start) * per_row)]
            total, rows = total + mean(kept).double().cpu() * kept.shape[2], rows + kept.shape[2]
        predictor.statistics = (total / rows).to(predictor.linear.weight)
    try:
        yield
    finally:
        for predictor in found:
            predictor.statistics = None


def _padded(plane: torch.Tensor, multiple: int) -> torch.Tensor:
    below, right = -plane.shape[-2] % multiple, -plane.shape[-1] % multiple
    return F.pad(plane, (0, right, 0, below), mode="replicate") if below or right else plane
