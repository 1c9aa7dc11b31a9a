"""Weights that all members of the `mobile` space share: a member is a network whose parameters are slices of them.

There is a bank of weights for each head, position in the chain and operator, as wide as the space allows. A member takes the first
channels (slimmable networks, Yu et al. 2019), times a constant of its size. Kernels of two sizes have banks of their own: the
centre of a larger one would see brightness, to which first layers start blind. The tail is not shared: one set of weights cannot read
the features of every depth and operator. Each member has the best tail for its own features (`readout`). Only the member's own path is
ever computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pixsearch.errors import DataError, UsageError
from pixsearch.nn.build import Network, build
from pixsearch.nn.ops import build_layer
from pixsearch.nn.reparam import Branches, EdgeBlock, Folded, LinearBlock
from pixsearch.signature import Signature
from pixsearch.space.chain import HEADS, OPS, Layer, MobileGenotype, first_dynamic, first_width
from pixsearch.space.vary import Limits


class Supernet:
    """The shared weights for one signature, by name: `plain/3/conv3/0.weight`.

    `branches` is the form in which members train; their branches are folded in every pass, as in an ordinary network. First weights
    follow from `seed` alone. Not safe to share between threads.
    """

    def __init__(self, signature: Signature, *, branches: Branches = "none", limits: Limits | None = None, seed: int = 0) -> None:
        self.signature, self.branches = signature, branches
        self.limits = limits or Limits()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.weights: dict[str, Tensor] = dict(self._draw())

    def _draw(self) -> Iterator[tuple[str, Tensor]]:
        for head in HEADS:
            for position in range(self.limits.depth[1]):
                for op in OPS:
                    yield from _named(f"{head}/{position}/{op}", self._layer(head, position, op))

    def _layer(self, head: str, position: int, op: str) -> nn.Module:
        width, hidden = self.limits.width[1], self.limits.hidden[1]
        inputs = first_width(MobileGenotype((), head=head), self.signature) if position == 0 else width
        return build_layer(Layer(op, width, "prelu", hidden), inputs, self.branches, first=position == 0)

    def inherit(self, genotype: MobileGenotype, weights: dict[str, Tensor] | None = None) -> Network:
        """An ordinary network that has the member's slices of `weights` (the shared ones when left out), on the processor.

        Its tail is quiet, as a fresh network's is; `readout.refit` gives it the one that suits its features.
        """
        network = self.blank(genotype)
        with torch.no_grad():
            for part in self.parts(network):
                part.parameter.copy_(part.of(self.weights if weights is None else weights)).mul_(part.gain)
        return network

    def blank(self, genotype: MobileGenotype) -> Network:
        """The member's network in its training form, with layers of no account and a quiet tail, alike for all of one shape."""
        if genotype.space != "mobile":
            raise UsageError(f"Weights are shared within the space `mobile` alone, not `{genotype.space}`. Choose another strategy.")
        if first_dynamic(genotype) is not None:
            raise UsageError(f"Weights are shared by static operators alone, and `{genotype.id}` is dynamic. Choose another strategy.")
        return build(genotype, self.signature, branches=self.branches)

    def parts(self, network: Network) -> list[Part]:
        """What each parameter of a member's layers is a slice of; `DataError` when the member is larger than what is shared."""
        parts = []
        for module_name, module in network.body.named_modules():
            for name, parameter in module.named_parameters(recurse=False) if module_name.startswith("layers.") else ():
                place = self.place(network.genotype, f"{module_name}.{name}")
                shared = self.weights.get(place)
                if shared is None or any(want > have for want, have in zip(parameter.shape, shared.shape, strict=True)):
                    raise DataError(f"`{network.genotype.id}` is larger than the networks that share these weights, at `{module_name}`.")
                parts.append(Part(parameter, place, gain(module, name)))
        return parts

    def place(self, genotype: Any, name: str) -> str:
        """The shared weight that the parameter `name` of a member's body (`layers.3.0.weight`) is a slice of."""
        _, position, inner = name.split(".", 2)
        return f"{genotype.head}/{position}/{genotype.layers[int(position)].op}/{inner}"


@dataclass(frozen=True)
class Part:
    """A parameter of a member: `gain` times a slice of the shared weight called `place`."""

    parameter: nn.Parameter
    place: str
    gain: float

    def of(self, weights: dict[str, Tensor]) -> Tensor:
        """The slice of `weights`; it shares memory with them."""
        return cut(weights[self.place], self.parameter.shape)


def gain(module: nn.Module, name: str) -> float:
    """What a slice is multiplied by to become the parameter `name` of `module`.

    A convolution of fewer channels sums up fewer products, so its kernel has to be larger to give a signal of the same size: shared
    kernels are those of a typical convolution, whatever is cut out of them.
    """
    if not isinstance(module, nn.Conv2d | Folded) or name not in _scaled(module):
        return 1.0
    kernel, inputs = (module.kernel, module.inputs) if isinstance(module, Folded) else (module.kernel_size[0], module.weight.shape[1])
    narrower = math.sqrt(TYPICAL_SUM / (inputs * kernel**2))
    return narrower * FACTOR / module.factor if isinstance(module, LinearBlock) else narrower


def _scaled(module: nn.Module) -> tuple[str, ...]:
    """The parameters that a convolution's output, its identity and bias aside, is linear in, taken together."""
    if isinstance(module, LinearBlock):
        return ("project",)
    return ("weight", "after_weight", "edge_scale") if isinstance(module, EdgeBlock) else ("weight",)


TYPICAL_SUM = 16 * 3**2  # products that a typical convolution sums up
FACTOR = LinearBlock(16, 16, 3, False).factor  # the constant of all linear blocks that share factors; else it depends on a block's size


def cut(shared: Tensor, shape: torch.Size) -> Tensor:
    """The slice of a shared weight that a parameter of `shape` is: the first channels. It shares memory."""
    for dim, want in enumerate(shape):
        shared = shared.narrow(dim, 0, want)
    return shared


def _named(prefix: str, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """A freshly drawn bank, its kernels those of a typical convolution."""
    for module_name, inner in module.named_modules():
        for name, value in inner.named_parameters(recurse=False):
            yield "/".join((prefix, f"{module_name}.{name}".removeprefix("."))), value.detach() / gain(inner, name)
