"""Repeated cells of the `cell` space as torch modules."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from pixsearch.nn.body import Body, check_skip
from pixsearch.nn.dynamic import build_predictor, run_layer
from pixsearch.nn.ops import activation, build_layer, gain, start
from pixsearch.nn.reparam import Branches
from pixsearch.signature import Signature
from pixsearch.space.chain import SKIP, first_width
from pixsearch.space.dag import CellGenotype, loose_ends
from pixsearch.space.dag_cost import all_convolutions, first, layer_of, merge, tail

FAINT = 0.1  # how loud what a cell adds to its input starts: many cells begin close to few


class Cell(nn.Module):
    """One cell: (N, width, H, W) → the same."""

    def __init__(self, genotype: CellGenotype, branches: Branches) -> None:
        super().__init__()
        self.sources = [[edge.source for edge in node] for node in genotype.nodes]
        self.loose = [number + 1 for number in loose_ends(genotype.nodes)]
        self.nodes = nn.ModuleList(nn.ModuleList(build_edge(edge.op, genotype, branches) for edge in node) for node in genotype.nodes)
        last = merge(genotype)
        self.merge = build_merge(last.inputs, last.outputs)

    def forward(self, x: Tensor, shares: Iterator[Tensor]) -> Tensor:
        """Node by node; only what the genotype has is computed. `shares` are the coefficients of the dynamic edges, in their order."""
        values = [x]
        for sources, edges in zip(self.sources, self.nodes, strict=True):
            assert isinstance(edges, nn.ModuleList)
            made = [run_layer(edge, values[source], shares) for source, edge in zip(sources, edges, strict=True)]
            values.append(made[0] if len(made) == 1 else made[0] + made[1])
        joined = [values[number] for number in self.loose]
        merged: Tensor = self.merge(torch.cat(joined, 1) if len(joined) > 1 else joined[0])
        return x + merged


def build_edge(op: str, genotype: CellGenotype, branches: Branches) -> nn.Module:
    """The operator of an edge; a dilated convolution has no branches."""
    if op == SKIP:
        return nn.Identity()
    if op == "dil3":
        dilated = nn.Conv2d(genotype.width, genotype.width, 3, padding=2, dilation=2)
        start(dilated, gain(genotype.act))
        return nn.Sequential(dilated, activation(genotype.act, genotype.width))
    return build_layer(layer_of(op, genotype), genotype.width, branches)


def build_merge(inputs: int, outputs: int, *, bias: bool = True) -> nn.Conv2d:
    """The 1×1 at the end of a cell; it has no branches."""
    conv = nn.Conv2d(inputs, outputs, 1, bias=bias)
    start(conv, FAINT)
    return conv


class Cells(Body):
    """The network of a `cell` genotype; its first layer is no cell."""

    def __init__(self, genotype: CellGenotype, signature: Signature, branches: Branches) -> None:
        layers = nn.ModuleList([build_layer(first(genotype), first_width(genotype, signature), branches, first=True)])
        layers.extend(Cell(genotype, branches) for _ in range(genotype.cells))
        super().__init__(layers, tail(genotype, signature), genotype, signature, branches)
        convs = [conv for conv in all_convolutions(genotype, signature) if conv.experts]
        self.predictor = build_predictor(genotype.width, convs, [genotype.attention] * len(convs))

    def entering(self, x: Tensor) -> Tensor:
        """What the predictor sees, for the network's input: what enters the first cell."""
        out: Tensor = self.layers[0](self.head(x))
        return out

    def features(self, folded: Tensor) -> Tensor:
        """What the tail sees: (N, width, H, W)."""
        entry, *cells = self.layers
        out: Tensor = entry(folded)
        shares = iter(() if self.predictor is None else self.predictor(out))
        for cell in cells:
            out = cell(out, shares)
        return out


def build_cell(genotype: CellGenotype, signature: Signature, branches: Branches) -> Cells:
    """The network with weights freshly drawn from torch's generator; `UsageError` for a task that no global skip fits."""
    check_skip(signature, "cell")
    return Cells(genotype, signature, branches)
