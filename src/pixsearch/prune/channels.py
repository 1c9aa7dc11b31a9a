"""Structured pruning of chains: whole channels are removed, and what is left is again a genotype of `mobile`.

Channels that must go together form a group: a layer's outputs (with those of the inverted bottlenecks that add to them by
a residual), or the hidden channels of one inverted bottleneck. Removing a channel means that its consumers see zero in
its place, after its activation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from pixsearch.errors import InfeasibleError, UsageError
from pixsearch.nn.build import Network, build, deploy
from pixsearch.space.base import Space
from pixsearch.space.chain import SEPARABLES, Layer, MobileGenotype

LEAST = 2  # channels a group keeps, whatever is asked
PROBES = 4  # random directions of the output that an importance is averaged over

Place = tuple[int, str]
Group = tuple[Place, ...]
Kept = Mapping[Place, Sequence[int]]


@dataclass(frozen=True)
class Plan:
    """What pruning leaves.

    `kept` says which channels stay, in order, at each place: (layer, `out`) are the layer's outputs, (layer, `hidden`)
    the hidden channels of an inverted bottleneck.
    """

    genotype: MobileGenotype
    kept: Kept


def groups(genotype: MobileGenotype) -> list[Group]:
    """The places whose channels go together, but for those that a residual ties to the network's input: they stay."""
    found: list[Group] = []
    tied: list[Place] = []
    for number, layer in enumerate(genotype.layers):
        if layer.op == "ib3":
            found.append(((number, "hidden"),))
        if layer.residual:
            tied.append((number, "out"))
            continue
        found.append(tuple(tied))
        tied = [(number, "out")]
    first_is_input = genotype.layers[0].residual
    streams = [*found, tuple(tied)]
    if first_is_input:
        streams = [group for group in streams if (0, "out") not in group]
    return [group for group in streams if group]


def width(genotype: MobileGenotype, place: Place) -> int:
    """Channels at a place."""
    layer = genotype.layers[place[0]]
    return layer.hidden if place[1] == "hidden" else layer.width


def importance(network: Network, inputs: Sequence[Tensor], *, seed: int = 0) -> dict[Group, Tensor]:
    """For each channel of each group, how much the output changes when it goes: mean squared change, to first order.

    `inputs` are planes (N, C, H, W) of each port, on the network's device; a few dozen patches of real pictures do. For a random
    direction v of the output, Σ a·∂(v·y)/∂a over the channel's places and pixels is v times the output's linearised change; its square,
    averaged over directions and pictures, is the change's squared size. It is the Taylor criterion (Molchanov et al.
    2019) with the output in the loss's place: it needs no truth, is not blind at a minimum of the loss, and compares channels of different layers in
    one unit.
    """
    _check_prunable(network)
    chain, found = network.body, groups(network.genotype)  # type: ignore[arg-type]
    with _Recording(chain, found) as recording:
        output = network(*inputs)
    places = list(recording.values)
    generator = torch.Generator().manual_seed(seed)
    scores = {group: torch.zeros(recording.values[group[0]].shape[1]) for group in found}
    for probe in range(PROBES):
        direction = torch.randn(output.shape, generator=generator).to(output.device)
        grads = torch.autograd.grad(output, list(recording.values.values()), direction, retain_graph=probe + 1 < PROBES)
        moved = {p: (a * g).sum((2, 3)) for p, a, g in zip(places, recording.values.values(), grads, strict=True)}
        for group in found:
            change = torch.stack([moved[place] for place in group]).sum(0)
            scores[group] += (change.detach().square().mean(0) / (PROBES * output[0].numel())).cpu()
    return scores
