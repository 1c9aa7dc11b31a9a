"""Repeated blocks of the `nsc` space as torch modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pixsearch.nn.body import Body, check_skip
from pixsearch.nn.ops import build_layer, start
from pixsearch.nn.reparam import Branches
from pixsearch.signature import Signature
from pixsearch.space.chain import first_width
from pixsearch.space.nsc_code import Code, NscGenotype, loose_ends
from pixsearch.space.nsc_cost import first, joined, layer_of, tail


class Sum(nn.Module):
    """Two layers added: twice (N, width, H, W) → the same."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Their sum."""
        return first + second


class Joined(nn.Module):
    """Several layers joined, and a linear 1×1 of them: (N, width, H, W) each → the same; it has no branches."""

    def __init__(self, count: int, genotype: NscGenotype) -> None:
        super().__init__()
        conv = joined(count, genotype)
        self.conv = nn.Conv2d(conv.inputs, conv.outputs, 1)
        start(self.conv, 1.0)

    def forward(self, *layers: Tensor) -> Tensor:
        """Channels of the layers in their order."""
        out: Tensor = self.conv(torch.cat(layers, 1))
        return out


class Block(nn.Module):
    """One block: (N, width, H, W) → the same."""

    def __init__(self, genotype: NscGenotype, branches: Branches) -> None:
        super().__init__()
        self.sources = [code.sources for code in genotype.layers]
        self.loose = loose_ends(genotype.layers)
        self.layers = nn.ModuleList(build_code(code, genotype, branches) for code in genotype.layers)
        self.joined = Joined(len(self.loose), genotype) if len(self.loose) > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """Layer by layer; what no other reads is the output."""
        values = [x]
        for sources, layer in zip(self.sources, self.layers, strict=True):
            values.append(layer(*(values[source] for source in sources)))
        loose = [values[number] for number in self.loose]
        out: Tensor = loose[0] if self.joined is None else self.joined(*loose)
        return out


def build_code(code: Code, genotype: NscGenotype, branches: Branches) -> nn.Module:
    """One layer of a block."""
    match code.type:
        case "identity":
            return nn.Identity()
        case "add":
            return Sum()
        case "concat":
            return Joined(2, genotype)
        case _:
            return build_layer(layer_of(code, genotype), genotype.width, branches)


def build_nsc(genotype: NscGenotype, signature: Signature, branches: Branches) -> nn.Module:
    """The network with weights freshly drawn from torch's generator; `UsageError` for a task that no global skip fits."""
    check_skip(signature, "nsc")
    layers = nn.ModuleList([build_layer(first(genotype), first_width(genotype, signature), branches, first=True)])
    layers.extend(Block(genotype, branches) for _ in range(genotype.blocks))
    return Body(layers, tail(genotype, signature), genotype, signature, branches)
