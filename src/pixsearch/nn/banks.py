"""Which weights the members of a space share, as wide as the space allows, and which of them a member is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import nn

from pixsearch.errors import UsageError
from pixsearch.nn.cell import build_edge, build_merge
from pixsearch.nn.ops import build_layer
from pixsearch.nn.reparam import Branches
from pixsearch.space import dag
from pixsearch.space.base import Space
from pixsearch.space.cell import CellSpace
from pixsearch.space.chain import HEADS, OPS, Layer, MobileGenotype, first_width
from pixsearch.space.dag_cost import first
from pixsearch.space.mobile import MobileSpace


class Banks(ABC):
    """The shared weights of one space."""

    def __init__(self, space: Any, branches: Branches) -> None:
        self.space, self.branches = space, branches

    @abstractmethod
    def modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Each bank, freshly drawn from torch's generator, and its name."""

    @abstractmethod
    def places(self, genotype: Any, name: str) -> list[str]:
        """The shared weights that the parameter `name` of a member's body is made of, one behind another along its input channels."""


class ChainBanks(Banks):
    """A bank for each head, position in the chain and operator."""

    def modules(self) -> Iterator[tuple[str, nn.Module]]:
        """`plain/3/conv3`."""
        limits = self.space.limits
        for head in HEADS:
            for position in range(limits.depth[1]):
                width = limits.width[1] if position else first_width(MobileGenotype((), head=head), self.space.signature)
                for op in OPS:
                    layer = Layer(op, limits.width[1], "prelu", limits.hidden[1])
                    yield f"{head}/{position}/{op}", build_layer(layer, width, self.branches, first=position == 0)

    def places(self, genotype: MobileGenotype, name: str) -> list[str]:
        """`layers.3.0.weight` is at `plain/3/conv3/0.weight`."""
        _, position, inner = name.split(".", 2)
        return [f"{genotype.head}/{position}/{genotype.layers[int(position)].op}/{inner}"]


class CellBanks(Banks):
    """A bank for the layer before the cells, for each cell, node, source and operator, and for each node that a cell may end with."""

    def modules(self) -> Iterator[tuple[str, nn.Module]]:
        """`first`, `2/1/0/conv3` (cell, node, source, operator), `2/end/1` (cell, node)."""
        widest = replace(self.space.largest(), act="prelu")
        yield "first", build_layer(first(widest), self.space.signature.in_channels, self.branches, first=True)
        for cell in range(self.space.limits.cells[1]):
            for node in range(dag.MAX_NODES):
                for source in range(node + 1):
                    for op in dag.OPS:
                        yield f"{cell}/{node}/{source}/{op}", build_edge(op, widest, self.branches)
                yield f"{cell}/end/{node}", build_merge(widest.width, widest.width, bias=node == 0)

    def places(self, genotype: dag.CellGenotype, name: str) -> list[str]:
        """`layers.3.nodes.1.0.0.weight` is at `2/1/0/conv3/0.weight`; a cell's last kernel is made of those of the nodes it ends with."""
        _, position, inner = name.split(".", 2)
        cell = int(position) - 1
        match inner.split(".", 3):
            case ["merge", "weight"]:
                return [f"{cell}/end/{node}/weight" for node in dag.loose_ends(genotype.nodes)]
            case ["merge", value]:
                return [f"{cell}/end/0/{value}"]
            case ["nodes", node, place, rest]:
                edge = genotype.nodes[int(node)][int(place)]
                return [f"{cell}/{node}/{edge.source}/{edge.op}/{rest}"]
        return [f"first/{inner}"]


def banks_of(space: Space[Any], branches: Branches) -> Banks:
    """The banks of `space`; `UsageError` when there are none."""
    match space:
        case MobileSpace() if not set(space.limits.ops) <= set(OPS):
            raise UsageError("Weights are shared by static operators alone. Search `mobile-dynamic` with another strategy, as `nsga2`.")
        case MobileSpace():
            return ChainBanks(space, branches)
        case CellSpace() if not set(space.limits.ops) <= set(dag.OPS):
            raise UsageError(
                "The weights of cells are shared by static operators alone. Search `cell-dynamic` with another strategy, as `nsga2`."
            )
        case CellSpace():
            return CellBanks(space, branches)
    raise UsageError(f"Weights are shared within the spaces `mobile` and `cell` alone, not `{space.name}`. Choose another strategy.")
