"""Weights that all members of the `mobile` space share: a member is a network whose parameters are slices of them.

There is a bank of weights for each head, position in the chain and kind of operator, as large as the space allows. A member takes the
first channels and the centre of the kernel (slimmable networks, Yu et al. 2019; once-for-all, Cai et al. 2020). Only the member's own
path is ever computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from pixsearch.errors import UsageError
from pixsearch.nn.build import Network, build
from pixsearch.nn.mobile import QUIET
from pixsearch.nn.ops import build_layer, start
from pixsearch.nn.reparam import Branches, EdgeBlock, LinearBlock, convolution
from pixsearch.signature import Signature
from pixsearch.space.chain import HEADS, TAILS, Layer, MobileGenotype, first_width
from pixsearch.space.cost import tail
from pixsearch.space.vary import Limits

KINDS = {"conv1": "conv1", "conv3": "conv5", "conv5": "conv5", "dw3": "dw5", "dw5": "dw5", "ib3": "ib3"}
"""The operator whose bank an operator takes its weights from: a smaller kernel is the centre of the largest."""

TYPICAL = 16  # channels for which the banks' first weights are drawn: wider slices start louder, narrower ones quieter
TYPICAL_HIDDEN = 32


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
        layer = build_layer(Layer(kind, width, "prelu", hidden), inputs, self.branches, first=position == 0)
        for module in layer.modules():
            if isinstance(module, nn.Conv2d | LinearBlock | EdgeBlock) and getattr(module, "groups", 1) == 1:
                louder(module, math.sqrt(_inputs(module) / _typical(_inputs(module), width)))
        return layer

    def _tail(self, head: str) -> nn.Module:
        last = tail(MobileGenotype((Layer("conv1", self.limits.width[1], "relu"),), head=head, tail=max(TAILS)), self.signature)
        conv = convolution(last.inputs, last.outputs, last.kernel, self.branches, identity=False)
        start(conv, QUIET)
        return conv

    def member(self, genotype: MobileGenotype) -> Network:
        """The network of `genotype` in its training form; its parameters lie in the shared weights, so what it learns all learn."""
        return self._network(genotype, self.weights)

    def inherit(self, genotype: MobileGenotype, weights: dict[str, Tensor] | None = None) -> Network:
        """An ordinary network with copies of the member's slices of `weights` (the shared ones when left out), on the processor."""
        network = self._network(genotype, self.weights if weights is None else weights)
        for module in network.modules():
            for name, value in module._parameters.items():
                if value is not None:
                    module._parameters[name] = nn.Parameter(value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format))
            if isinstance(module, LinearBlock):
                own = LinearBlock(module.inputs, module.outputs, module.kernel, module.identity).factor
                module.project.data.mul_(module.factor / own)
                module.factor = own
        return network

    def _network(self, genotype: MobileGenotype, weights: dict[str, Tensor]) -> Network:
        if genotype.space != "mobile":
            raise UsageError(f"Weights are shared within the space `mobile` alone, not `{genotype.space}`. Choose another strategy.")
        network = build(genotype, self.signature, branches=self.branches)
        for module_name, module in network.named_modules():
            for name, value in module._parameters.items():
                if value is not None:
                    place = self.place(genotype, f"{module_name}.{name}".removeprefix("body."))
                    module._parameters[name] = nn.Parameter(cut(weights[place], value.shape))
            if isinstance(module, LinearBlock):
                module.factor = FACTOR
        return network.to(next(iter(weights.values())).device)

    def place(self, genotype: MobileGenotype, name: str) -> str:
        """The shared weight that the parameter `name` of a member's body (`layers.3.0.weight`, `tail.bias`) is a slice of."""
        if name.startswith("tail."):
            return f"{genotype.head}/tail/{name.removeprefix('tail.')}"
        _, position, inner = name.split(".", 2)
        return f"{genotype.head}/{position}/{KINDS[genotype.layers[int(position)].op]}/{inner}"


FACTOR = LinearBlock(TYPICAL, TYPICAL, 3, False).factor
"""The constant of all linear blocks that share factors; in an ordinary network it depends on the block's size."""


def cut(bank: Tensor, shape: torch.Size) -> Tensor:
    """The slice of a shared weight that a parameter of `shape` is: the first channels, and of a kernel the centre. It shares memory."""
    for dim, (have, want) in enumerate(zip(bank.shape, shape, strict=True)):
        is_kernel = bank.dim() == 4 and dim >= 2
        bank = bank.narrow(dim, (have - want) // 2 if is_kernel else 0, want)
    return bank.detach()


def _named(prefix: str, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, value in module.named_parameters():
        yield f"{prefix}/{name}", value.detach().clone()


def _inputs(conv: nn.Module) -> int:
    inputs = conv.in_channels if isinstance(conv, nn.Conv2d) else conv.inputs
    assert isinstance(inputs, int)
    return inputs


def _typical(inputs: int, width: int) -> int:
    return min(inputs, TYPICAL if inputs <= width else TYPICAL_HIDDEN)


@torch.no_grad()
def louder(conv: nn.Module, factor: float) -> None:
    """Multiply a convolution's output, its identity aside, by `factor`."""
    names = ["weight"]
    if isinstance(conv, LinearBlock):
        names = ["project"]
    elif isinstance(conv, EdgeBlock):
        names = ["weight", "after_weight", "edge_scale"]
    for name in names:
        conv.get_parameter(name).mul_(factor)
