"""Score a network on whole pictures, as a phone would run it: branches merged, float32, padded to the sizes it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from pixsearch.data.cache import PairCache
from pixsearch.infer.tiles import spans
from pixsearch.nn.build import Network, deploy
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
    strips = []
    for rows in spans(inputs[0].shape[-2], tall, radius, multiple):
        part = [plane[..., rows.start : rows.stop, :].to(device, memory_format=torch.channels_last) for plane in inputs]
        strips.append(network(*part)[0, :, (rows.first - rows.start) * scale : (rows.last - rows.start) * scale].cpu().numpy())
    return np.ascontiguousarray(np.concatenate(strips, axis=1)[:, : height * scale, : width * scale])


def _padded(plane: torch.Tensor, multiple: int) -> torch.Tensor:
    below, right = -plane.shape[-2] % multiple, -plane.shape[-1] % multiple
    return F.pad(plane, (0, right, 0, below), mode="replicate") if below or right else plane
