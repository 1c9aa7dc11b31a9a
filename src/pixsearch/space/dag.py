"""Genotypes of the `cell` space: a small graph of operators, repeated, between a 3×3 convolution and a pixel-shuffle tail."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import permutations
from typing import Any, ClassVar

from pixsearch.errors import DataError
from pixsearch.signature import Signature
from pixsearch.space.base import Genotype
from pixsearch.space.chain import ACTS, ATTENTIONS, DYNAMIC, EXPERTS, SKIP, SKIPS
from pixsearch.space.genes import check_keys, integer, one_of

OPS = ("conv3", "conv5", "dw3", "dw5", "dil3", "ib3", SKIP)
ALL_OPS = (*OPS, *DYNAMIC)
MAX_NODES = 4
MAX_EDGES = 2  # of a node
EXPANSION = 2  # hidden channels of an inverted bottleneck for each of its input


@dataclass(frozen=True, order=True)
class Edge:
    """An operator and what it reads: 0 is the cell's input, n the output of node n − 1."""

    source: int
    op: str


Node = tuple[Edge, ...]
"""The edges whose outputs a node adds up."""


@dataclass(frozen=True)
class CellGenotype(Genotype):
    """3×3 to `width`, activation → `cells` times one cell → 3×3 → + global skip of the input → pixel-shuffle.

    A cell has 1 to 4 nodes, each the sum of one or two edges. `conv3 conv5` are convolutions, `dil3` a 3×3 of dilation 2, `dw3 dw5`
    a depthwise convolution and a 1×1, each with its activation; `ib3` is an inverted bottleneck of twice the width, linear at its end;
    `skip` is the identity. The nodes that no other node reads are joined, and a 1×1 of them is added to the cell's input. All cells
    have one structure and weights of their own (Zoph et al. 2018; Yang et al., CVPR 2020, without their pooling).

    The kernels of `dynconv3 dyndw3` adapt to the picture, as in a chain (`space.chain.Layer`): all of one network have as many
    `experts` and one kind of `attention`, and one predictor, which sees what enters the first cell.
    """

    space: ClassVar[str] = "cell"
    head: ClassVar[str] = "plain"
    nodes: tuple[Node, ...]
    cells: int
    width: int
    act: str = "leaky"
    skip: str = "nearest"
    experts: int = 0
    attention: str = ""

    def genes(self) -> dict[str, Any]:
        """Plain values; an edge is `[source, operator]`. A static network has neither experts nor attention."""
        nodes = [[[edge.source, edge.op] for edge in node] for node in self.nodes]
        dynamic = {"experts": self.experts, "attention": self.attention} if self.experts else {}
        return {"nodes": nodes, "cells": self.cells, "width": self.width, "act": self.act, "skip": self.skip, **dynamic}


def loose_ends(nodes: tuple[Node, ...]) -> list[int]:
    """The nodes, from 0, that no other reads."""
    read = {edge.source - 1 for node in nodes for edge in node}
    return [number for number in range(len(nodes)) if number not in read]


def is_dynamic(genotype: CellGenotype) -> bool:
    """Whether a kernel of the cell is computed."""
    return any(edge.op in DYNAMIC for node in genotype.nodes for edge in node)


def frozen(genotype: CellGenotype) -> CellGenotype:
    """The static network that `genotype` is with its coefficients fixed; its edges keep their order, and so may not be canonical."""
    nodes = tuple(tuple(Edge(edge.source, DYNAMIC.get(edge.op, edge.op)) for edge in node) for node in genotype.nodes)
    return replace(genotype, nodes=nodes, experts=0, attention="")


@lru_cache(maxsize=65536)
def canonical_nodes(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """The one way to write a cell: equal edges once, nodes that copy another left out, the least of all orders of the rest.

    Empty when nothing in the cell computes.
    """
    kept: list[Node] = []
    place = {0: 0}  # from numbers of sources to their numbers among those kept
    for number, node in enumerate(nodes, start=1):
        edges = tuple(sorted({Edge(place[edge.source], edge.op) for edge in node}))
        if len(edges) == 1 and edges[0].op == SKIP:
            place[number] = edges[0].source
        else:
            kept.append(edges)
            place[number] = len(kept)
    return min((ordered for order in permutations(range(len(kept))) if (ordered := _reorder(kept, order)) is not None), default=())


def _reorder(nodes: list[Node], order: tuple[int, ...]) -> tuple[Node, ...] | None:
    """The nodes in another order; None when one would come before what it reads."""
    place = {0: 0, **{old + 1: new for new, old in enumerate(order, start=1)}}
    ordered = []
    for new, old in enumerate(order, start=1):
        edges = tuple(sorted(Edge(place[edge.source], edge.op) for edge in nodes[old]))
        if any(edge.source >= new for edge in edges):
            return None
        ordered.append(edges)
    return tuple(ordered)


def canonical(genotype: CellGenotype, signature: Signature) -> CellGenotype:
    """The one way to write this network; at scale 1 both global skips are the identity, written `nearest`."""
    skip = "nearest" if signature.scale == 1 else genotype.skip
    written = replace(genotype, nodes=canonical_nodes(genotype.nodes), skip=skip)
    return written if is_dynamic(written) else replace(written, experts=0, attention="")


def parse_cell(genes: dict[str, Any], max_cells: int, max_width: int) -> CellGenotype:
    """The genotype with these genes, not yet canonical; `DataError` naming the gene that is wrong."""
    check_keys(genes, [field.name for field in fields(CellGenotype)], {"nodes", "cells", "width"}, "an architecture")
    nodes = genes["nodes"]
    if not isinstance(nodes, list | tuple) or not 1 <= len(nodes) <= MAX_NODES:
        raise DataError(f"`nodes` is `{nodes}`; it must be a list of 1 to {MAX_NODES} nodes.")
    parsed = tuple(_parse_node(f"nodes[{number}]", number, node) for number, node in enumerate(nodes))
    if not canonical_nodes(parsed):
        raise DataError("`nodes` holds nothing but copies of the cell's input; a node at least must compute something.")
    dynamic = is_dynamic(CellGenotype(canonical_nodes(parsed), 1, 1))
    return CellGenotype(
        nodes=parsed,
        cells=integer("cells", genes["cells"], 1, max_cells),
        width=integer("width", genes["width"], 1, max_width),
        act=one_of("act", genes.get("act", "leaky"), ACTS),
        skip=one_of("skip", genes.get("skip", "nearest"), SKIPS),
        experts=one_of("experts", genes.get("experts"), EXPERTS) if dynamic else 0,
        attention=one_of("attention", genes.get("attention", ATTENTIONS[0]), ATTENTIONS) if dynamic else "",
    )


def _parse_node(where: str, number: int, node: Any) -> Node:
    if not isinstance(node, list | tuple) or not 1 <= len(node) <= MAX_EDGES:
        raise DataError(f"`{where}` is `{node}`; it must be a list of 1 to {MAX_EDGES} edges `[source, operator]`.")
    return tuple(_parse_edge(f"{where}[{place}]", number, edge) for place, edge in enumerate(node))


def _parse_edge(where: str, number: int, edge: Any) -> Edge:
    if not isinstance(edge, list | tuple) or len(edge) != 2:
        raise DataError(f"`{where}` is `{edge}`; it must be `[source, operator]`.")
    return Edge(integer(f"{where}[0]", edge[0], 0, number), one_of(f"{where}[1]", edge[1], ALL_OPS))


def describe_cell(genotype: CellGenotype) -> str:
    """One line for people: `cell 16 leaky ×3: conv3(in)+skip(in), dw3(1); skip nearest`; nodes count from 1."""
    nodes = ", ".join("+".join(f"{edge.op}({edge.source or 'in'})" for edge in node) for node in genotype.nodes)
    experts = f"; {genotype.experts} experts, {genotype.attention}" if genotype.experts else ""
    return f"cell {genotype.width} {genotype.act} ×{genotype.cells}: {nodes}{experts}; skip {genotype.skip}"
