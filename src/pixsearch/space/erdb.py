"""The `erdb` space: chains of efficient residual dense blocks between two 3×3 convolutions, with a global skip to choose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any, ClassVar

import numpy as np

from pixsearch.space import dense_cost, dense_vary
from pixsearch.space.base import BYTES, BlockSpace, SteppedSpace
from pixsearch.space.chain import SKIPS
from pixsearch.space.dense import (
    KINDS,
    Block,
    ErdbGenotype,
    canonical,
    describe_blocks,
    has_context,
    parse_blocks,
)

__all__ = ["Block", "ErdbGenotype", "ErdbSpace"]


class ErdbSpace(SteppedSpace[ErdbGenotype], BlockSpace[ErdbGenotype]):
    """Chains of 1 to 20 dense blocks for one signature, as searched by ESR-EA (Song et al., AAAI 2020).

    Two convolutions of the paper's network are left out: the second 3×3 before the blocks, and those behind the pixel-shuffle, which
    work on the enlarged picture and would cost a small network most of what it has. A global skip is added instead.
    """

    name: ClassVar[str] = "erdb"
    kinds: ClassVar[tuple[str, ...]] = KINDS
    limits: ClassVar[dense_vary.Limits] = dense_vary.Limits()

    def sample(self, rng: np.random.Generator) -> ErdbGenotype:
        """A random member; see `dense_vary.draw` for how likely which."""
        return self._canonical(dense_vary.draw(rng, self.limits))

    def vary(self, genotype: ErdbGenotype, rng: np.random.Generator) -> ErdbGenotype:
        """One mutation."""
        return self._canonical(dense_vary.vary(genotype, rng, self.limits))

    def lighten(self, genotype: ErdbGenotype, rng: np.random.Generator) -> ErdbGenotype:
        """A block less, fewer convolutions or fewer channels."""
        return self._canonical(dense_vary.lighten(genotype, rng, self.limits))

    def lighter(self, genotype: ErdbGenotype) -> Iterator[ErdbGenotype]:
        """One gene changed, or one block less."""
        return (self._canonical(neighbour) for neighbour in dense_vary.lighter(genotype, self.limits))

    def crossover(self, first: ErdbGenotype, second: ErdbGenotype, rng: np.random.Generator) -> ErdbGenotype:
        """The front of one parent and the back of the other."""
        if rng.random() < 0.5:
            first, second = second, first
        return self._canonical(dense_vary.cross(first, second, rng, self.limits))

    def kinds_of(self, genotype: ErdbGenotype) -> tuple[str, ...]:
        """The kind of each block."""
        return tuple(block.kind for block in genotype.blocks)

    def exchange(self, genotype: ErdbGenotype, position: int, kind: str, rng: np.random.Generator) -> ErdbGenotype:
        """Another kind for one block, whose other genes stay."""
        del rng
        return self._canonical(dense_vary.with_block(genotype, position, kind=kind))

    def smallest(self) -> ErdbGenotype:
        """As few blocks as there may be, of the cheapest kind."""
        return min(self._uniform(self.limits.depth[0], min), key=self.price)

    def largest(self) -> ErdbGenotype:
        """As many blocks as there may be, of the most expensive kind."""
        return max(self._uniform(self.limits.depth[1], max), key=self.price)

    def size(self) -> int:
        """How many genotypes lie within `limits`, each counted once."""
        limits, skips = self.limits, 1 if self.signature.scale == 1 else len(SKIPS)
        each = len(KINDS) * len(limits.convs) * len(limits.widths) ** 2
        chains = sum(int(each**depth) for depth in range(limits.depth[0], limits.depth[1] + 1))
        return chains * len(limits.trunks) * skips

    def macs_per_pixel(self, genotype: ErdbGenotype) -> float:
        """Counted multiply-adds an output pixel; a bicubic global skip counts too."""
        return dense_cost.macs_per_input_pixel(genotype, self.signature) / self.signature.scale**2

    def params(self, genotype: ErdbGenotype) -> int:
        """Trained values: weights and biases."""
        return dense_cost.params(genotype, self.signature)

    def memory_bytes(self, genotype: ErdbGenotype) -> int:
        """Peak bytes of float32 activations for one 1280×720 output frame; see `dense_cost.peak_values` for what is alive when.

        The input frame is rounded up to whole pixels, and to `multiple`.
        """
        return BYTES * dense_cost.peak_values(genotype, self.signature, *self.input_frame(genotype))

    def multiple(self, genotype: ErdbGenotype) -> int:
        """2 when a block runs at half the size, else 1."""
        return 2 if has_context(genotype) else 1

    def receptive_radius(self, genotype: ErdbGenotype) -> int:
        """Input pixels to each side that an output pixel can depend on, rounded up to `multiple`."""
        return dense_cost.radius(genotype)

    def parse(self, genes: dict[str, Any]) -> ErdbGenotype:
        """The genotype with these genes, canonical: blocks of kind `off` are left out; widths may be 1 to 32 (a pruned network's)."""
        return self._canonical(parse_blocks(genes))

    def describe(self, genotype: ErdbGenotype) -> str:
        """One line for people: `width 16, shrink 4×8→16 ×2, context 6×16→16, skip nearest` (convolutions × growth → width)."""
        return describe_blocks(genotype)

    def _uniform(self, depth: int, end: Callable[[Iterable[int]], int]) -> list[ErdbGenotype]:
        """Chains of `depth` equal blocks, of each kind, with the `end` (least or greatest) of all other genes."""
        convs, width, trunk = (end(values) for values in (self.limits.convs, self.limits.widths, self.limits.trunks))
        blocks = [Block(kind, convs, width, width) for kind in KINDS]
        return [self._canonical(ErdbGenotype((block,) * depth, trunk, skip)) for block, skip in product(blocks, SKIPS)]

    def _canonical(self, genotype: ErdbGenotype) -> ErdbGenotype:
        return canonical(genotype, self.signature)
