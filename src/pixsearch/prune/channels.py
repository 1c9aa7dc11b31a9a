"""Structured pruning of chains: whole channels are removed, and what is left is again a genotype of its space, `mobile` or `video`.

Channels that must go together form a group: a layer's outputs (with those of the inverted bottlenecks that add to them by
a residual), or the hidden channels of one inverted bottleneck. Removing a channel means that its consumers see zero in
its place, after its activation. Of a recurrent network, the state is left as wide as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from pixsearch.errors import UsageError
from pixsearch.nn.build import Network
from pixsearch.nn.dynamic import DynamicConv
from pixsearch.space.base import Genotype
from pixsearch.space.chain import DYNAMIC, SEPARABLES, MobileGenotype
from pixsearch.space.video import VideoGenotype

PROBES = 4  # random directions of the output that an importance is averaged over

Place = tuple[int, str]
Group = tuple[Place, ...]
Kept = Mapping[Place, Sequence[int]]


@dataclass(frozen=True)
class Plan:
    """What pruning leaves: the genotype, and the channels that stay, in order, at each place of the network it is cut from.

    The place (i, `out`) are the outputs of layer i, (i, `hidden`) the hidden channels of an inverted bottleneck.
    """

    genotype: Genotype
    kept: Kept


def groups(genotype: MobileGenotype) -> list[Group]:
    """The places whose channels go together; channels that a residual ties to the network's input are in no group: they stay."""
    streams: list[list[Place]] = [[]]  # the first one begins with the input
    for number, layer in enumerate(genotype.layers):
        if not layer.residual:
            streams.append([])
        streams[-1].append((number, "out"))
    hidden: list[Group] = [((number, "hidden"),) for number, layer in enumerate(genotype.layers) if layer.op == "ib3"]
    return [*map(tuple, streams[1:]), *hidden]


def importance(network: Network, inputs: Sequence[Tensor], *, seed: int = 0) -> dict[Group, Tensor]:
    """How much the output changes when a channel goes, for each channel of each group: mean squared change, to first order.

    `inputs` are planes (N, C, H, W) in the order of the signature's ports, on the network's device: a few dozen patches of
    real pictures. For a random direction v of the output, the sum of a · ∂(v·y)/∂a over a channel's places and pixels
    is the share of v in the change that removing it makes; its square, averaged over directions and patches, is the
    size of that change. It is the Taylor criterion of Molchanov et al. (2019) with the output in the place of the loss:
    it needs no truth, does not vanish where the loss is at its minimum, and has one unit in all layers.
    """
    found, generator = groups(chain_of(network.genotype)), torch.Generator().manual_seed(seed)
    with torch.enable_grad(), _recorded(network) as values:
        output = network(*inputs)
        total = {group: torch.zeros(values[group[0]].shape[1]) for group in found}
        for _ in range(PROBES):
            direction = torch.randn(output.shape, generator=generator).to(output.device)
            slopes = torch.autograd.grad(output, list(values.values()), direction, retain_graph=True)
            moved = {place: (values[place] * slope).sum((2, 3)) for place, slope in zip(values, slopes, strict=True)}
            for group, score in total.items():
                score += torch.stack([moved[place] for place in group]).sum(0).detach().square().mean(0).cpu()
    return {group: score / (PROBES * output[0].numel()) for group, score in total.items()}


@contextmanager
def _recorded(network: Network) -> Iterator[dict[Place, Tensor]]:
    """What each place hands on during the next forward pass: behind its activation, and of a residual layer what it adds."""
    values: dict[Place, Tensor] = {}

    def keep(place: Place, module: nn.Module) -> Any:
        return module.register_forward_hook(lambda _module, _inputs, output: values.__setitem__(place, output))

    hooks = []
    for number, layer in enumerate(chain_of(network.genotype).layers):
        name = f"layers.{number}"
        hooks.append(keep((number, "out"), network.body.get_submodule(f"{name}.0.project" if layer.residual else name)))
        if layer.op == "ib3":
            hooks.append(keep((number, "hidden"), network.body.get_submodule(f"{name}.0.act2")))
    try:
        yield values
    finally:
        for hook in hooks:
            hook.remove()


def makers(genotype: MobileGenotype) -> dict[Place, str]:
    """The convolution that makes the channels of each place, by its name in the body, in the order they are computed in."""
    found: dict[Place, str] = {}
    for number, layer in enumerate(genotype.layers):
        name = f"layers.{number}.0"
        if layer.op == "ib3":
            found |= {(number, "hidden"): f"{name}.expand", (number, "out"): f"{name}.project"}
        else:
            separable = DYNAMIC.get(layer.op, layer.op) in SEPARABLES
            found[number, "out"] = f"{name}.pointwise" if separable else name
    return found


def magnitude(network: Network) -> dict[Group, Tensor]:
    """The sum of the absolute weights that make a channel, for each channel of each group (Li et al. 2017); of a deploy form."""
    named, found = makers(chain_of(network.genotype)), {}
    for group in groups(chain_of(network.genotype)):
        found[group] = torch.stack([_sums(network.body.get_submodule(named[place])) for place in group]).sum(0)
    return found


def _sums(conv: nn.Module) -> Tensor:
    """The sum of absolute weights of each output channel; of a dynamic kernel that of all its experts and the fixed one."""
    kernels = [conv.fixed, *conv.weights] if isinstance(conv, DynamicConv) else [conv.get_parameter("weight")]
    return torch.stack([kernel.detach().abs().flatten(1).sum(1) for kernel in kernels]).sum(0)


def by_place(genotype: MobileGenotype, kept: Mapping[Group, Sequence[int]]) -> dict[Place, list[int]]:
    """Channels that stay at every place, those in no group included."""
    places = {(number, "out"): list(range(layer.width)) for number, layer in enumerate(genotype.layers)}
    places |= {place: list(channels) for group, channels in kept.items() for place in group}
    return places


def narrowed(genotype: MobileGenotype, kept: Kept) -> MobileGenotype:
    """The genotype with only the kept channels."""
    layers = [
        replace(layer, width=len(kept[number, "out"]), hidden=len(kept[number, "hidden"]) if layer.op == "ib3" else 0)
        for number, layer in enumerate(genotype.layers)
    ]
    return replace(genotype, layers=tuple(layers))


def with_chain(genotype: Genotype, chain: MobileGenotype) -> Genotype:
    """The genotype with another chain in it."""
    return replace(genotype, chain=chain) if isinstance(genotype, VideoGenotype) else chain


def chain_of(genotype: Genotype) -> MobileGenotype:
    """The chain that a genotype is or holds; `UsageError` when there is none."""
    if isinstance(genotype, MobileGenotype):
        return genotype
    if isinstance(genotype, VideoGenotype):
        return genotype.chain
    name = genotype.to_json().get("name", genotype.id)
    raise UsageError(
        f"`{name}` cannot be pruned: only networks of the spaces `mobile` and `video` can, which are chains of layers "
        "(found by search, or `plain-mNcM` and `ecbsr-mNcM`)."
    )
