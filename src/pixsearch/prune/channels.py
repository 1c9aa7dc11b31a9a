"""How much each channel of a network matters: by what its removal changes, or by the weights that make it.

Removing a channel means that its consumers see zero in its place, after its activation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pixsearch.nn.build import Network
from pixsearch.nn.dynamic import DynamicConv
from pixsearch.prune.anatomy import Anatomy, Heard, Place, Strand, anatomy_of

PROBES = 4  # random directions of the output that an importance is averaged over

Scores = Mapping[Strand, Tensor]
"""A score for each channel of each strand."""


def importance(network: Network, inputs: Sequence[Tensor], *, seed: int = 0) -> dict[Strand, Tensor]:
    """How much the output changes when a channel goes, for each channel of each strand: mean squared change, to first order.

    `inputs` are planes (N, C, H, W) in the order of the signature's ports, on the network's device: a few dozen patches of
    real pictures. For a random direction v of the output, the sum of a · ∂(v·y)/∂a over a channel's places and pixels
    is the share of v in the change that removing it makes; its square, averaged over directions and patches, is the
    size of that change. It is the Taylor criterion of Molchanov et al. (2019) with the output in the place of the loss:
    it needs no truth, does not vanish where the loss is at its minimum, and has one unit in all layers.
    """
    anatomy, generator = anatomy_of(network.genotype, network.signature), torch.Generator().manual_seed(seed)
    with torch.enable_grad(), _recorded(network, anatomy) as values:
        output = network(*inputs)
        total = {strand: torch.zeros(anatomy.sizes[strand[0]]) for strand in anatomy.strands}
        for _ in range(PROBES):
            direction = torch.randn(output.shape, generator=generator).to(output.device)
            slopes = torch.autograd.grad(output, [value for _, value in values], direction, retain_graph=True)
            moved: dict[Place, Tensor] = {}
            for (place, value), slope in zip(values, slopes, strict=True):
                moved[place] = moved.get(place, torch.zeros(())) + (value * slope).sum((2, 3)).detach()
            for strand, score in total.items():
                score += torch.stack([moved[place] for place in strand]).sum(0).square().mean(0).cpu()
    return {strand: score / (PROBES * output[0].numel()) for strand, score in total.items()}


@contextmanager
def _recorded(network: Network, anatomy: Anatomy) -> Iterator[list[tuple[Place, Tensor]]]:
    """What each place hands on during the next forward pass, as often as it does: to every frame, or with weights used again."""
    values: list[tuple[Place, Tensor]] = []

    def listen(place: Place, heard: Heard) -> Any:
        module = network.body.get_submodule(heard.module)
        if heard.entering:
            return module.register_forward_pre_hook(lambda _module, inputs: values.append((place, inputs[0])))
        return module.register_forward_hook(lambda _module, _inputs, output: values.append((place, output)))

    free = {place for strand in anatomy.strands for place in strand}
    hooks = [listen(place, heard) for place, heard in anatomy.heard.items() if place in free]
    try:
        yield values
    finally:
        for hook in hooks:
            hook.remove()


def magnitude(network: Network) -> dict[Strand, Tensor]:
    """The sum of the absolute weights that make a channel, for each channel of each strand (Li et al. 2017); of a deploy form."""
    anatomy = anatomy_of(network.genotype, network.signature)
    return {
        strand: torch.stack([_sums(network.body.get_submodule(anatomy.makers[place])) for place in strand]).sum(0)
        for strand in anatomy.strands
    }


def _sums(conv: nn.Module) -> Tensor:
    """The sum of absolute weights of each output channel; of a dynamic kernel that of all its experts and the fixed one."""
    kernels = [conv.fixed, *conv.weights] if isinstance(conv, DynamicConv) else [conv.get_parameter("weight")]
    return torch.stack([kernel.detach().abs().flatten(1).sum(1) for kernel in kernels]).sum(0)
