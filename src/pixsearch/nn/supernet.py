"""Weights that all members of a space share: a member is a network whose parameters are slices of them.

There are banks of weights (`banks`) as wide as the space allows. A member takes the first channels (slimmable networks, Yu et al.
2019), times a constant of its size. Kernels of two sizes have banks of their own: the
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
from pixsearch.nn.banks import banks_of
from pixsearch.nn.build import Network, build
from pixsearch.nn.reparam import Branches, EdgeBlock, Folded, LinearBlock
from pixsearch.space.base import Space


class Supernet:
    """The weights that the members of `space` share, by name: `plain/3/conv3/0.weight`.

    `branches` is the form in which members train; their branches are folded in every pass, as in an ordinary network. First weights
    follow from `seed` alone. `UsageError` for a space whose members share nothing. Not safe to share between threads.
    """

    def __init__(self, space: Space[Any], *, branches: Branches = "none", seed: int = 0) -> None:
        self.signature, self.branches = space.signature, branches
        self.banks = banks_of(space, branches)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.weights = {name: value for prefix, module in self.banks.modules() for name, value in _named(prefix, module)}

    def inherit(self, genotype: Any, weights: dict[str, Tensor] | None = None) -> Network:
        """An ordinary network that has the member's slices of `weights` (the shared ones when left out), on the processor.

        Its tail is quiet, as a fresh network's is; `readout.refit` gives it the one that suits its features.
        """
        network = self.blank(genotype)
        with torch.no_grad():
            for part in self.parts(network):
                part.view.copy_(part.of(self.weights if weights is None else weights)).mul_(part.gain)
        return network

    def blank(self, genotype: Any) -> Network:
        """The member's network in its training form, with layers of no account and a quiet tail, alike for all of one shape."""
        if genotype.space != self.banks.space.name:
            raise UsageError(f"These weights are shared within the space `{self.banks.space.name}`, not `{genotype.space}`.")
        return build(genotype, self.signature, branches=self.branches)

    def parts(self, network: Network) -> list[Part]:
        """What the parameters of a member's layers are made of; `DataError` when the member is larger than what is shared."""
        parts = []
        for module_name, module in network.body.named_modules():
            for name, parameter in module.named_parameters(recurse=False) if module_name.startswith("layers.") else ():
                places = self.banks.places(network.genotype, f"{module_name}.{name}")
                views = parameter.detach().chunk(len(places), 1) if len(places) > 1 else [parameter.detach()]
                for place, view in zip(places, views, strict=True):
                    shared = self.weights.get(place)
                    if shared is None or any(want > have for want, have in zip(view.shape, shared.shape, strict=True)):
                        raise DataError(
                            f"`{network.genotype.id}` is larger than the networks that share these weights, at `{module_name}`."
                        )
                    parts.append(Part(parameter, view, place, gain(module, name)))
        return parts


@dataclass(frozen=True)
class Part:
    """A stretch of a member's parameter (`view`, which shares its memory): `gain` times a slice of the shared weight called `place`."""

    parameter: nn.Parameter
    view: Tensor
    place: str
    gain: float

    def of(self, weights: dict[str, Tensor]) -> Tensor:
        """The slice of `weights`; it shares memory with them."""
        return cut(weights[self.place], self.view.shape)


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
