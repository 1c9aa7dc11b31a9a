"""Score a network on whole pictures, as a phone would run it: branches merged, float32, padded to the sizes it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pixsearch.data.cache import PairCache
from pixsearch.infer.tiles import Span, spans
from pixsearch.nn.build import Network, deploy
from pixsearch.nn.dynamic import mean, predictors
from pixsearch.registry import SPACES
from pixsearch.tasks.base import Planes, Scores, Task

STRIP_PIXELS = 2**20
"""Input pixels that go through a network at once; taller pictures go in overlapping strips, with the same result."""

EXACT_DB = 100.0
"""What a picture that equals its truth counts as, so that means stay numbers."""

Figures = dict[str, Any]


def validate(network: Network, cache: PairCache, task: Task) -> Figures:
    """{psnr_db, ssim, pictures: {name: {psnr_db, ssim}}} of `network` by the task's convention; means are over pictures."""
    plain = deploy(network).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    scores = {}
    for index, name in enumerate(cache.names):
        pair = cache.pair(index)
        planes = {port.name: task.encode(port.name, pair.inputs[port.name]) for port in task.signature.inputs}
        scores[name] = task.score(run_whole(plain, planes), pair.truth)
    return summary(scores)


def score_baseline(cache: PairCache, task: Task) -> Figures:
    """The same figures of the task's trivial method."""
    pairs = ((name, cache.pair(index)) for index, name in enumerate(cache.names))
    return summary({name: task.score(task.baseline(pair.inputs), pair.truth) for name, pair in pairs})


def summary(scores: dict[str, Scores]) -> Figures:
    """Scores by picture, and their means."""
    pictures = {name: {"psnr_db": min(score.psnr_db, EXACT_DB), "ssim": score.ssim} for name, score in scores.items()}
    means = {key: float(np.mean([figures[key] for figures in pictures.values()])) for key in ("psnr_db", "ssim")}
    return {**means, "pictures": pictures}


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
    found = predictors(network) if len(parts) > 1 else []
    for predictor in found:
        total, rows = torch.zeros(1, predictor.linear.in_features, dtype=torch.float64), 0
        for cut, part in zip(cuts, parts, strict=True):
            features = network.body.stem(network.body.head(torch.cat(list(part), dim=1)))  # type: ignore[operator]
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
