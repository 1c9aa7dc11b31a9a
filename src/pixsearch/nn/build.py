"""From a genotype to a network, and from its training form to the form that is deployed."""

from __future__ import annotations

import copy
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from pixsearch.nn.reparam import Branches, Folded
from pixsearch.registry import BUILDERS, SPACES
from pixsearch.signature import Signature
from pixsearch.space.base import Genotype


class Stepping(Protocol):
    """A body with a state."""

    def step(self, frame: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The output for one frame, and the next state."""
        ...


class Network(nn.Module):
    """A network and what it is: (N, C, H, W) planes of each input port → (N, C, H·scale, W·scale), in 0…1, not clipped.

    `branches` is the form it trains in; `none` is the deploy form. A network with a state takes it behind its inputs and gives
    (output, next state); without one it goes through a whole sequence of frames, stacked as channels as `space.sequence` says.
    """

    def __init__(self, body: nn.Module, genotype: Genotype, signature: Signature, branches: Branches) -> None:
        super().__init__()
        self.body = body
        self.genotype, self.signature, self.branches = genotype, signature, branches

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Inputs in the order of the signature's ports."""
        if len(inputs) > len(self.signature.inputs):
            return cast(Stepping, self.body).step(torch.cat(inputs[:-1], dim=1), inputs[-1])
        out: Tensor = self.body(inputs[0] if len(inputs) == 1 else torch.cat(inputs, dim=1))
        return out


def build(genotype: Any, signature: Signature, *, branches: Branches = "none", seed: int = 0) -> Network:
    """The network of `genotype` with fresh weights drawn from `seed`; the global generator is left as it was.

    Its signature is the genotype's border: what it takes of what `signature` offers.
    """
    builder = BUILDERS.load(genotype.space)
    signature = SPACES.load(genotype.space)(signature).border(genotype)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        body = builder(genotype, signature, branches)
    return Network(body, genotype, signature, branches)


def deploy(network: Network) -> Network:
    """A copy with every branched convolution merged into a plain one; its output differs by rounding alone."""
    body = copy.deepcopy(network.body)
    for name, module in list(body.named_modules()):
        if isinstance(module, Folded):
            parent, _, own = name.rpartition(".")
            setattr(body.get_submodule(parent), own, merged(module))
    return Network(body, network.genotype, network.signature, "none").train(network.training)


@torch.no_grad()
def merged(block: Folded) -> nn.Conv2d:
    """The plain convolution that equals a branched one."""
    weight, bias = block.fold()
    conv = nn.Conv2d(block.inputs, block.outputs, block.kernel, padding=block.kernel // 2, device="meta")
    conv.weight, conv.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
    return conv
