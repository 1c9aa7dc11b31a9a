"""Weights that all members of the `mobile` space share: a member is a network whose parameters are slices of them.

There is a bank of weights for each head, position in the chain and kind of operator, as large as the space allows. A member takes the
first channels and the centre of the kernel (slimmable networks, Yu et al. 2019; once-for-all, Cai et al. 2020), times a constant of
its size. Only the member's own path is ever computed.
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
from pixsearch.nn.mobile import QUIET
from pixsearch.nn.ops import build_layer, start
from pixsearch.nn.reparam import Branches, EdgeBlock, Folded, LinearBlock, convolution
from pixsearch.signature import Signature
from pixsearch.space.chain import HEADS, TAILS, Layer, MobileGenotype, first_width
from pixsearch.space.cost import tail
from pixsearch.space.vary import Limits

KINDS = {"conv1": "conv1", "conv3": "conv5", "conv5": "conv5", "dw3": "dw5", "dw5": "dw5", "ib3": "ib3"}
"""The operator whose bank an operator takes its weights from: a smaller kernel is the centre of the largest."""


class Supernet:
    """The shared weights for one signature, by name: `plain/3/conv5/0.weight`.

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
                for kind in dict.fromkeys(KINDS.values()):
                    yield from _named(f"{head}/{position}/{kind}", self._layer(head, position, kind))
            yield from _named(f"{head}/tail", self._tail(head))

    def _layer(self, head: str, position: int, kind: str) -> nn.Module:
        width, hidden = self.limits.width[1], self.limits.hidden[1]
        inputs = first_width(MobileGenotype((), head=head), self.signature) if position == 0 else width
        return build_layer(Layer(kind, width, "prelu", hidden), inputs, self.branches, first=position == 0)

    def _tail(self, head: str) -> nn.Module:
        last = tail(MobileGenotype((Layer("conv1", self.limits.width[1], "relu"),), head=head, tail=max(TAILS)), self.signature)
        conv = convolution(last.inputs, last.outputs, last.kernel, self.branches, identity=False)
        start(conv, QUIET)
        return conv

    def inherit(self, genotype: MobileGenotype, weights: dict[str, Tensor] | None = None) -> Network:
        """An ordinary network that has the member's slices of `weights` (the shared ones when left out), on the processor."""
        network = self.blank(genotype)
        with torch.no_grad():
            for part in self.parts(network):
                part.parameter.copy_(part.of(self.weights if weights is None else weights)).mul_(part.gain)
        return network

    def blank(self, genotype: MobileGenotype) -> Network:
        """The member's network in its training form, with weights of no account."""
        if genotype.space != "mobile":
            raise UsageError(f"Weights are shared within the space `mobile` alone, not `{genotype.space}`. Choose another strategy.")
        return build(genotype, self.signature, branches=self.branches)

    def parts(self, network: Network) -> list[Part]:
        """What each parameter of a member's network is a slice of; `DataError` when the member is larger than what is shared."""
        parts = []
        for module_name, module in network.body.named_modules():
            for name, parameter in module.named_parameters(recurse=False):
                place = self.place(network.genotype, f"{module_name}.{name}")
                shared = self.weights.get(place)
                if shared is None or any(want > have for want, have in zip(parameter.shape, shared.shape, strict=True)):
                    raise DataError(f"`{network.genotype.id}` is larger than the networks that share these weights, at `{module_name}`.")
                parts.append(Part(parameter, place, gain(module, name)))
        return parts

    def place(self, genotype: Any, name: str) -> str:
        """The shared weight that the parameter `name` of a member's body (`layers.3.0.weight`, `tail.bias`) is a slice of."""
        if name.startswith("tail."):
            return f"{genotype.head}/tail/{name.removeprefix('tail.')}"
        _, position, inner = name.split(".", 2)
        return f"{genotype.head}/{position}/{KINDS[genotype.layers[int(position)].op]}/{inner}"


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

    A convolution of fewer channels or a smaller kernel sums up fewer products, so its kernel has to be larger to give a signal of the
    same size: shared kernels are those of a typical convolution, whatever is cut out of them.
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
    """The slice of a shared weight that a parameter of `shape` is: the first channels, and of a kernel the centre. It shares memory."""
    for dim, (have, want) in enumerate(zip(shared.shape, shape, strict=True)):
        is_kernel = shared.dim() == 4 and dim >= 2
        shared = shared.narrow(dim, (have - want) // 2 if is_kernel else 0, want)
    return shared


def _named(prefix: str, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """A freshly drawn bank, its kernels those of a typical convolution."""
    for module_name, inner in module.named_modules():
        for name, value in inner.named_parameters(recurse=False):
            yield "/".join((prefix, f"{module_name}.{name}".removeprefix("."))), value.detach() / gain(inner, name)
