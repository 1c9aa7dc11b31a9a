"""How repeated cells are drawn, varied, crossed and made cheaper; every function draws from the generator it is given alone.

What comes out may not be canonical, and its cell may compute nothing; the space sees to that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pixsearch.space.chain import ACTS, ATTENTIONS, EXPERTS, SKIP, SKIPS
from pixsearch.space.dag import MAX_EDGES, MAX_NODES, OPS, CellGenotype, Edge, Node, is_dynamic
from pixsearch.space.vary import below, beside, pick

# How likely each operator is drawn: plain 3×3 convolutions are what phones run best.
OP_WEIGHTS = {"conv3": 4.0, "conv5": 0.5, "dw3": 1.0, "dw5": 1.0, "dil3": 1.0, "ib3": 1.0, SKIP: 2.0, "dynconv3": 4.0, "dyndw3": 1.0}


@dataclass(frozen=True)
class Limits:
    """What the search may reach, ends of `cells` included; `ops` are the operators that it draws from."""

    cells: tuple[int, int] = (1, 6)
    widths: tuple[int, ...] = tuple(range(4, 49, 4))
    ops: tuple[str, ...] = OPS


def draw(rng: np.random.Generator, limits: Limits) -> CellGenotype:
    """A random member: few cells and narrow ones more often (evenly over the logarithm)."""
    counts = range(limits.cells[0], limits.cells[1] + 1)
    nodes = int(rng.integers(1, MAX_NODES + 1))
    return CellGenotype(
        nodes=tuple(draw_node(rng, number, limits.ops) for number in range(nodes)),
        cells=pick(rng, counts, [1 / count for count in counts]),
        width=pick(rng, limits.widths, [1 / width for width in limits.widths]),
        act=pick(rng, ACTS),
        skip=pick(rng, SKIPS),
    )


def draw_op(rng: np.random.Generator, ops: Sequence[str]) -> str:
    """One of these operators by its weight."""
    return pick(rng, ops, [OP_WEIGHTS[op] for op in ops])


def draw_edge(rng: np.random.Generator, number: int, ops: Sequence[str]) -> Edge:
    """A random edge of node `number` (from 0)."""
    return Edge(int(rng.integers(number + 1)), draw_op(rng, ops))


def draw_node(rng: np.random.Generator, number: int, ops: Sequence[str] = OPS) -> Node:
    """A random node at place `number`."""
    return tuple(draw_edge(rng, number, ops) for _ in range(int(rng.integers(1, MAX_EDGES + 1))))


def with_experts(genotype: CellGenotype, rng: np.random.Generator) -> CellGenotype:
    """The genotype, with experts drawn where it has a dynamic operator and none."""
    if genotype.experts or not is_dynamic(genotype):
        return genotype
    return replace(genotype, experts=pick(rng, EXPERTS), attention=pick(rng, ATTENTIONS))


def with_node(genotype: CellGenotype, number: int, node: Node) -> CellGenotype:
    """Other edges for one node."""
    return replace(genotype, nodes=(*genotype.nodes[:number], node, *genotype.nodes[number + 1 :]))


def without_node(genotype: CellGenotype, number: int) -> CellGenotype:
    """One node less: those that read it read what its first edge reads."""
    instead = genotype.nodes[number][0].source

    def moved(source: int) -> int:
        return instead if source == number + 1 else source - (source > number + 1)

    rest = [node for place, node in enumerate(genotype.nodes) if place != number]
    return replace(genotype, nodes=tuple(tuple(Edge(moved(edge.source), edge.op) for edge in node) for node in rest))


def change_edge(genotype: CellGenotype, rng: np.random.Generator, limits: Limits) -> CellGenotype:
    """Another operator or another source for one edge."""
    number = int(rng.integers(len(genotype.nodes)))
    node = list(genotype.nodes[number])
    place, new = int(rng.integers(len(node))), draw_edge(rng, number, limits.ops)
    node[place] = replace(node[place], op=new.op) if rng.random() < 0.6 else replace(node[place], source=new.source)
    return with_node(genotype, number, tuple(node))


def change_edges(genotype: CellGenotype, rng: np.random.Generator, limits: Limits) -> CellGenotype:
    """One edge more or less for one node."""
    number = int(rng.integers(len(genotype.nodes)))
    node = genotype.nodes[number]
    if len(node) < MAX_EDGES:
        return with_node(genotype, number, (*node, draw_edge(rng, number, limits.ops)))
    gone = int(rng.integers(len(node)))
    return with_node(genotype, number, (*node[:gone], *node[gone + 1 :]))


def insert_node(genotype: CellGenotype, rng: np.random.Generator, limits: Limits) -> CellGenotype:
    """One node more, the last."""
    count = len(genotype.nodes)
    return genotype if count >= MAX_NODES else replace(genotype, nodes=(*genotype.nodes, draw_node(rng, count, limits.ops)))


def remove_node(genotype: CellGenotype, rng: np.random.Generator, limits: Limits) -> CellGenotype:
    """One node less."""
    del limits
    return genotype if len(genotype.nodes) == 1 else without_node(genotype, int(rng.integers(len(genotype.nodes))))


def change_size(genotype: CellGenotype, rng: np.random.Generator, limits: Limits) -> CellGenotype:
    """A cell more or less, or another width, mostly a near one."""
    if rng.random() < 0.4:
        cells = genotype.cells + (1 if rng.random() < 0.5 else -1)
        return replace(genotype, cells=min(max(cells, limits.cells[0]), limits.cells[1]))
    return replace(genotype, width=beside(rng, genotype.width, limits.widths))


def change_ends(genotype: CellGenotype, rng: np.random.Generator, limits: Limits) -> CellGenotype:
    """Another activation or global skip, or of dynamic operators another attention or number of experts."""
    del limits
    if genotype.experts and rng.random() < 0.5:
        if rng.random() < 0.5:
            return replace(genotype, attention=pick(rng, ATTENTIONS))
        return replace(genotype, experts=pick(rng, EXPERTS))
    if rng.random() < 0.5:
        return replace(genotype, act=pick(rng, ACTS))
    return replace(genotype, skip=pick(rng, SKIPS))


MUTATIONS = (change_edge, change_edges, insert_node, remove_node, change_size, change_ends)
MUTATION_WEIGHTS = (4.0, 2.0, 1.0, 1.0, 3.0, 1.0)


def vary(genotype: CellGenotype, rng: np.random.Generator, limits: Limits) -> CellGenotype:
    """One mutation; it may come to nothing."""
    return with_experts(pick(rng, MUTATIONS, MUTATION_WEIGHTS)(genotype, rng, limits), rng)


def cross(first: CellGenotype, second: CellGenotype, rng: np.random.Generator) -> CellGenotype:
    """The first nodes of one parent and the later ones of the other; each other gene from either."""
    cut = int(rng.integers(len(first.nodes) + 1))
    genes = {name: getattr(pick(rng, [first, second]), name) for name in ("cells", "width", "act", "skip")}
    child = CellGenotype(nodes=first.nodes[:cut] + second.nodes[cut:], **genes)
    dynamic = [parent for parent in (first, second) if parent.experts]
    if not dynamic:
        return child
    like = pick(rng, dynamic)
    return replace(child, experts=like.experts, attention=like.attention)


def lighten(genotype: CellGenotype, rng: np.random.Generator, limits: Limits) -> CellGenotype:
    """One step that is likely to cost less: narrower, a cell less, or less in the cell."""
    match pick(rng, ("width", "cells", "inside"), (3, 2, 3)):
        case "width":
            return replace(genotype, width=below(genotype.width, limits.widths))
        case "cells":
            return replace(genotype, cells=max(genotype.cells - 1, limits.cells[0]))
        case _:
            return pick(rng, list(lighter(genotype, limits)))


def lighter(genotype: CellGenotype, limits: Limits) -> Iterator[CellGenotype]:
    """Neighbours in small steps; one at least costs less, unless nothing in the space does."""
    for number, node in enumerate(genotype.nodes):
        for place, edge in enumerate(node):
            others = (*node[:place], *node[place + 1 :])
            yield from (with_node(genotype, number, (replace(edge, op=op), *others)) for op in OPS if op != edge.op)
            if others:
                yield with_node(genotype, number, others)
        if len(genotype.nodes) > 1:
            yield without_node(genotype, number)
    yield replace(genotype, width=below(genotype.width, limits.widths))
    yield replace(genotype, cells=max(genotype.cells - 1, limits.cells[0]))
    yield from (replace(genotype, skip=skip) for skip in SKIPS)
    yield replace(genotype, act="relu")
    yield from (replace(genotype, experts=experts) for experts in EXPERTS if experts < genotype.experts)
