"""The `cell` space: a small graph of operators, repeated, between a 3×3 convolution and a pixel-shuffle tail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from pixsearch.space import dag_cost, dag_vary
from pixsearch.space.base import BYTES, FRAME, SteppedSpace
from pixsearch.space.chain import ACTS, ATTENTIONS, EXPERTS, SKIPS
from pixsearch.space.cost import Conv, blending, macs_per_picture
from pixsearch.space.dag import ALL_OPS, MAX_NODES, CellGenotype, Edge, canonical, describe_cell, frozen, parse_cell
from pixsearch.space.dag_count import count_cells

__all__ = ["CellGenotype", "CellSpace", "DynamicCellSpace", "Edge"]


class CellSpace(SteppedSpace[CellGenotype]):
    """1 to 6 times one cell of 4 to 48 channels, for one signature; searching keeps to `limits`."""

    name: ClassVar[str] = "cell"
    limits: ClassVar[dag_vary.Limits] = dag_vary.Limits()

    def sample(self, rng: np.random.Generator) -> CellGenotype:
        """A random member; see `dag_vary.draw` for how likely which."""
        while not (genotype := self._canonical(dag_vary.draw(rng, self.limits))).nodes:
            pass
        return dag_vary.with_experts(genotype, rng)

    def vary(self, genotype: CellGenotype, rng: np.random.Generator) -> CellGenotype:
        """One mutation."""
        return self._member(dag_vary.vary(genotype, rng, self.limits), genotype)

    def lighten(self, genotype: CellGenotype, rng: np.random.Generator) -> CellGenotype:
        """Narrower, a cell less, or less in the cell."""
        return self._member(dag_vary.lighten(genotype, rng, self.limits), genotype)

    def lighter(self, genotype: CellGenotype) -> Iterator[CellGenotype]:
        """One gene changed."""
        return (self._member(neighbour, genotype) for neighbour in dag_vary.lighter(genotype, self.limits))

    def crossover(self, first: CellGenotype, second: CellGenotype, rng: np.random.Generator) -> CellGenotype:
        """The first nodes of one parent and the later ones of the other."""
        if rng.random() < 0.5:
            first, second = second, first
        return self._member(dag_vary.cross(first, second, rng), first)

    def smallest(self) -> CellGenotype:
        """One cell of the least width with one depthwise layer."""
        return min(self._like("relu", ((Edge(0, "dw3"),),), min), key=self.price)

    def largest(self) -> CellGenotype:
        """As many cells of the greatest width as there may be, all edges of which are the most expensive that differ."""
        inner = ((Edge(0, "conv3"), Edge(0, "conv5")), *[(Edge(0, "conv5"), Edge(1, "conv5"))] * (MAX_NODES - 1))
        return max(self._like("prelu", inner, max), key=self.price)

    def size(self) -> int:
        """How many genotypes lie within `limits`, each network counted once."""
        skips = 1 if self.signature.scale == 1 else len(SKIPS)
        low, high = self.limits.cells
        static = count_cells()
        dynamic = (count_cells(self.limits.ops) - static) * len(EXPERTS) * len(ATTENTIONS)
        return (static + dynamic) * (high - low + 1) * len(self.limits.widths) * len(ACTS) * skips

    def macs_per_pixel(self, genotype: CellGenotype) -> float:
        """Counted multiply-adds an output pixel; a bicubic global skip counts too."""
        return dag_cost.macs_per_input_pixel(genotype, self.signature) / self.signature.scale**2

    def macs_per_picture(self, genotype: CellGenotype) -> int:
        """Multiply-adds of the coefficients and of the fusion of kernels, where there are dynamic operators."""
        return macs_per_picture(self._convolutions(genotype), dag_cost.predictor(genotype, self.signature))

    def frozen(self, genotype: CellGenotype) -> CellGenotype:
        """The cell of the static operators."""
        return frozen(genotype)

    def blended_macs_720p(self, genotype: CellGenotype) -> float:
        """Experts times multiply-adds of dynamic operators."""
        return self.macs_720p(genotype) + blending(self._convolutions(genotype), FRAME[0] * FRAME[1] / self.signature.scale**2)

    def params(self, genotype: CellGenotype) -> int:
        """Trained values: weights of all experts, biases, slopes and the predictor."""
        return dag_cost.params(genotype, self.signature)

    def memory_bytes(self, genotype: CellGenotype) -> int:
        """Peak bytes of float32 activations for one 1280×720 output frame; see `dag_cost.peak_values` for what is alive when.

        The input frame is rounded up to whole pixels.
        """
        return BYTES * dag_cost.peak_values(genotype, self.signature, *self.input_frame(genotype))

    def multiple(self, genotype: CellGenotype) -> int:
        """Any size will do."""
        del genotype
        return 1

    def receptive_radius(self, genotype: CellGenotype) -> int:
        """Input pixels to each side that an output pixel can depend on."""
        return dag_cost.radius(genotype, self.signature)

    def parse(self, genes: dict[str, Any]) -> CellGenotype:
        """The genotype with these genes, canonical; the width may be any from 1 up to the greatest."""
        return self._canonical(parse_cell(genes, self.limits.cells[1], max(self.limits.widths)))

    def describe(self, genotype: CellGenotype) -> str:
        """One line for people: `cell 16 leaky ×3: conv3(in)+skip(in), dw3(1); skip nearest`."""
        return describe_cell(genotype)

    def _like(self, act: str, nodes: Any, end: Callable[..., int]) -> list[CellGenotype]:
        """Members with this cell and the `end` (least or greatest) of the sizes, with each global skip."""
        cells, width = end(self.limits.cells), end(self.limits.widths)
        return [self._canonical(CellGenotype(nodes, cells, width, act, skip)) for skip in SKIPS]

    def _convolutions(self, genotype: CellGenotype) -> list[Conv]:
        return list(dag_cost.all_convolutions(genotype, self.signature))

    def _member(self, child: CellGenotype, instead: CellGenotype) -> CellGenotype:
        """The child, canonical, or `instead` when its cell computes nothing."""
        written = self._canonical(child)
        return written if written.nodes else instead

    def _canonical(self, genotype: CellGenotype) -> CellGenotype:
        return canonical(genotype, self.signature)


class DynamicCellSpace(CellSpace):
    """The same with dynamic operators among those that a search draws; what it finds are genotypes of `cell`."""

    limits: ClassVar[dag_vary.Limits] = dag_vary.Limits(ops=ALL_OPS)
