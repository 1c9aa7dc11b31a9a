"""Structured pruning of chains: whole channels are removed, and what is left is again a genotype of its space, `mobile` or `video`.

Channels that must go together form a group: a layer's outputs (with those of the inverted bottlenecks that add to them by
a residual), or the hidden channels of one inverted bottleneck. Removing a channel means that its consumers see zero in
its place, after its activation. Of a recurrent network, the state is left as wide as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from pixsearch.errors import InfeasibleError, UsageError
from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.dynamic import DynamicConv
from pixsearch.space.base import Genotype, Space
from pixsearch.space.chain import DYNAMIC, SEPARABLES, MobileGenotype, first_dynamic, input_widths
from pixsearch.space.video import VideoGenotype

LEAST = 2  # channels a group keeps, whatever is asked
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
    found, generator = groups(_genotype(network)), torch.Generator().manual_seed(seed)
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
    for number, layer in enumerate(_genotype(network).layers):
        name = f"layers.{number}"
        hooks.append(keep((number, "out"), network.body.get_submodule(f"{name}.0.project" if layer.residual else name)))
        if layer.op == "ib3":
            hooks.append(keep((number, "hidden"), network.body.get_submodule(f"{name}.0.act2")))
    try:
        yield values
    finally:
        for hook in hooks:
            hook.remove()


def plan(network: Network, space: Space[Any], keep_macs: float, inputs: Sequence[Tensor], *, seed: int = 0) -> Plan:
    """Which channels to remove so that at most a share `keep_macs` (0…1) of the multiply-adds is left.

    The channel with the least importance for each multiply-add it saves goes first, until the bound holds; then channels
    come back, the most important first, as long as the bound allows. Every group keeps `LEAST` channels (or what it has).
    `InfeasibleError` when even that is too much. See `importance` for `inputs`.
    """
    genotype = _genotype(network)
    scores = importance(network, inputs, seed=seed)
    before = space.macs_per_pixel(network.genotype)
    kept = {group: list(range(len(score))) for group, score in scores.items()}

    def macs(channels: Mapping[Group, Sequence[int]]) -> float:
        return space.macs_per_pixel(_with_chain(network, narrowed(genotype, _by_place(genotype, channels))))

    removed: list[tuple[Group, int]] = []
    while macs(kept) > keep_macs * before:
        step = _next(kept, scores, macs)
        if step is None:
            share = macs(kept) / before
            raise InfeasibleError(
                f"`--keep-macs {keep_macs:g}` cannot be reached: with {LEAST} channels a layer {share:.3f} of the multiply-adds are left. "
                f"Ask for {math.ceil(share * 1000) / 1000:g} or more, or train a smaller architecture."
            )
        group, channel = step
        kept[group].remove(channel)
        removed.append(step)
    for group, channel in sorted(removed, key=lambda step: -float(scores[step[0]][step[1]])):
        wider = {**kept, group: sorted([*kept[group], channel])}
        if macs(wider) <= keep_macs * before:
            kept = wider
    places = _by_place(genotype, kept)
    return Plan(_with_chain(network, narrowed(genotype, places)), places)


def _next(kept: Mapping[Group, list[int]], scores: Mapping[Group, Tensor], macs: Any) -> tuple[Group, int] | None:
    """The removal that costs the least importance for each multiply-add saved; None when every group is down to its least."""
    now, prices = macs(kept), {}
    for group, channels in kept.items():
        if len(channels) > LEAST:
            channel = min(channels, key=lambda c: float(scores[group][c]))
            prices[group, channel] = float(scores[group][channel]) / (now - macs({**kept, group: channels[1:]}))
    return min(prices, key=lambda step: prices[step]) if prices else None


def _by_place(genotype: MobileGenotype, kept: Mapping[Group, Sequence[int]]) -> dict[Place, list[int]]:
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


def slice_network(network: Network, kept: Kept) -> Network:
    """The network in its deploy form without the channels that are not kept.

    It equals the old one in which every removed channel is set to zero behind its activation: a layer's output behind the layer's
    activation, a hidden channel behind the activation that follows the depthwise convolution.
    """
    genotype, old = _genotype(network), deploy(network)
    new = build(_with_chain(network, narrowed(genotype, kept)), network.signature)
    target, tensors = new.body.state_dict(), old.body.state_dict()
    for name, (outputs, inputs) in _slices(genotype, kept).items():
        for part in ("weight", "bias"):
            key = f"{name}.{part}"
            if key in tensors:
                value = tensors[key] if outputs is None else tensors[key][list(outputs)]
                target[key] = value if inputs is None or part == "bias" else value[:, list(inputs)]
    target |= _dynamic_slices(old, genotype, kept)
    new.body.load_state_dict(target)
    return new.to(next(old.parameters()).device).train(network.training)


def _dynamic_slices(old: Network, genotype: MobileGenotype, kept: Kept) -> dict[str, Tensor]:
    """Experts and predictor of a dynamic chain with the channels that are kept; nothing of a static one.

    An output channel goes with all its experts and their coefficients, and the predictor no longer sees channels that are gone.
    """
    first = first_dynamic(genotype)
    if first is None:
        return {}
    entering = [
        list(range(input_widths(genotype, old.signature)[0])),
        *(list(kept[number, "out"]) for number in range(len(genotype.layers))),
    ]
    tensors, sliced, rows, begin = old.body.state_dict(), {}, [], 0
    for number, layer in enumerate(genotype.layers):
        if layer.op not in DYNAMIC:
            continue
        depthwise = DYNAMIC[layer.op] in SEPARABLES
        name = f"layers.{number}.0.depthwise" if depthwise else f"layers.{number}.0"
        conv = old.body.get_submodule(name)
        assert isinstance(conv, DynamicConv)
        outputs = entering[number] if depthwise else entering[number + 1]
        experts = [channel * conv.experts + expert for channel in outputs for expert in range(conv.experts)]
        weight = tensors[f"{name}.weight"][experts]
        sliced[f"{name}.weight"] = weight if depthwise else weight[:, entering[number]]
        rows += [begin + row for row in experts]
        begin += conv.outputs * conv.experts
    linear = "predictor.linear"
    sliced[f"{linear}.weight"] = tensors[f"{linear}.weight"][rows][:, entering[first]]
    sliced[f"{linear}.bias"] = tensors[f"{linear}.bias"][rows]
    return sliced


Slice = tuple[Sequence[int] | None, Sequence[int] | None]


def _slices(genotype: MobileGenotype, kept: Kept) -> dict[str, Slice]:
    """Output and input channels that stay, for each module that has some (None: all)."""
    found: dict[str, Slice] = {}
    inputs: Sequence[int] | None = None
    for number, layer in enumerate(genotype.layers):
        name, outputs = f"layers.{number}", kept[number, "out"]
        found[f"{name}.1"] = (outputs, None)
        if layer.op == "ib3":
            hidden = kept[number, "hidden"]
            found[f"{name}.0.expand"] = (hidden, inputs)
            found[f"{name}.0.project"] = (outputs, hidden)
            found |= {f"{name}.0.{part}": (hidden, None) for part in ("act1", "depthwise", "act2")}
        elif layer.op in DYNAMIC:
            if DYNAMIC[layer.op] in SEPARABLES:
                found[f"{name}.0.pointwise"] = (outputs, inputs)
            else:
                found[f"{name}.0"] = (outputs, inputs)
        elif layer.op in SEPARABLES:
            found[f"{name}.0.depthwise"] = (inputs, None)
            found[f"{name}.0.pointwise"] = (outputs, inputs)
        else:
            found[f"{name}.0"] = (outputs, inputs)
        inputs = outputs
    return {**found, "tail": (None, inputs), "state": (None, inputs)}


def _with_chain(network: Network, chain: MobileGenotype) -> Genotype:
    """The network's genotype with another chain in it."""
    return replace(network.genotype, chain=chain) if isinstance(network.genotype, VideoGenotype) else chain


def _genotype(network: Network) -> MobileGenotype:
    """The network's chain; `UsageError` when it is none."""
    if isinstance(network.genotype, MobileGenotype):
        return network.genotype
    if isinstance(network.genotype, VideoGenotype):
        return network.genotype.chain
    name = network.genotype.to_json().get("name", network.genotype.id)
    raise UsageError(
        f"`{name}` cannot be pruned: only networks of the spaces `mobile` and `video` can, which are chains of layers "
        "(found by search, or `plain-mNcM` and `ecbsr-mNcM`)."
    )
