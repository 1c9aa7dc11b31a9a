"""The `nsc` space: a block written as a Network Structure Code, repeated, between a 3×3 convolution and a pixel-shuffle tail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from pixsearch.space import nsc_cost, nsc_vary
from pixsearch.space.base import BYTES, SteppedSpace
from pixsearch.space.chain import ACTS, SKIPS
from pixsearch.space.nsc_code import MAX_LAYERS, Block, Code, NscGenotype, canonical_block, describe_nsc, parse_nsc
from pixsearch.space.nsc_count import count_blocks

__all__ = ["Code", "NscGenotype", "NscSpace"]


class NscSpace(SteppedSpace[NscGenotype]):
    """1 to 8 times one block of 4 to 48 channels, for one signature; searching keeps to `limits`."""

    name: ClassVar[str] = "nsc"
    limits: ClassVar[nsc_vary.Limits] = nsc_vary.Limits()

    def sample(self, rng: np.random.Generator) -> NscGenotype:
        """A random member; see `nsc_vary.draw` for how likely which."""
        while (genotype := self.member(nsc_vary.draw(rng, self.limits))) is None:
            pass
        return genotype

    def vary(self, genotype: NscGenotype, rng: np.random.Generator) -> NscGenotype:
        """One mutation."""
        return self.member(nsc_vary.vary(genotype, rng, self.limits)) or genotype

    def lighten(self, genotype: NscGenotype, rng: np.random.Generator) -> NscGenotype:
        """Narrower, a block less, or less in the block."""
        return self.member(nsc_vary.lighten(genotype, rng, self.limits)) or genotype

    def lighter(self, genotype: NscGenotype) -> Iterator[NscGenotype]:
        """One gene changed."""
        return (self.member(neighbour) or genotype for neighbour in nsc_vary.lighter(genotype, self.limits))

    def crossover(self, first: NscGenotype, second: NscGenotype, rng: np.random.Generator) -> NscGenotype:
        """The first layers of one parent and the later ones of the other."""
        if rng.random() < 0.5:
            first, second = second, first
        return self.member(nsc_vary.cross(first, second, rng)) or first

    def smallest(self) -> NscGenotype:
        """One block of the least width with one 1×1."""
        return min(self._like("relu", (Code("conv", 1, 0),), min), key=self.price)

    def largest(self) -> NscGenotype:
        """As many blocks of the greatest width as there may be, all layers of which are 5×5 and joined at the end."""
        return max(self._like("prelu", (Code("conv", 5, 0),) * MAX_LAYERS, max), key=self.price)

    def size(self) -> int:
        """How many genotypes lie within `limits`, each network counted once."""
        skips = 1 if self.signature.scale == 1 else len(SKIPS)
        low, high = self.limits.blocks
        return count_blocks() * (high - low + 1) * len(self.limits.widths) * len(ACTS) * skips

    def macs_per_pixel(self, genotype: NscGenotype) -> float:
        """Counted multiply-adds an output pixel; a bicubic global skip counts too."""
        return nsc_cost.macs_per_input_pixel(genotype, self.signature) / self.signature.scale**2

    def params(self, genotype: NscGenotype) -> int:
        """Trained values: weights, biases and slopes."""
        return nsc_cost.params(genotype, self.signature)

    def memory_bytes(self, genotype: NscGenotype) -> int:
        """Peak bytes of float32 activations for one 1280×720 output frame; see `nsc_cost.peak_values` for what is alive when.

        The input frame is rounded up to whole pixels.
        """
        return BYTES * nsc_cost.peak_values(genotype, self.signature, *self.input_frame(genotype))

    def multiple(self, genotype: NscGenotype) -> int:
        """Any size will do."""
        del genotype
        return 1

    def receptive_radius(self, genotype: NscGenotype) -> int:
        """Input pixels to each side that an output pixel can depend on."""
        return nsc_cost.radius(genotype, self.signature)

    def parse(self, genes: dict[str, Any]) -> NscGenotype:
        """The genotype with these genes, canonical; the width may be any from 1 up to the greatest."""
        written = self.member(parse_nsc(genes, self.limits.blocks[1], max(self.limits.widths)))
        assert written is not None  # what joins a layer to itself has been refused, so nothing goes away that computes
        return written

    def describe(self, genotype: NscGenotype) -> str:
        """One line for people: `nsc 16 leaky ×3: conv3(in), conv3(1), add(in,2); skip nearest`."""
        return describe_nsc(genotype)

    def member(self, genotype: NscGenotype | None) -> NscGenotype | None:
        """The member that this is, written in canonical form; None when its block computes nothing."""
        layers = canonical_block(genotype.layers) if genotype else ()
        if genotype is None or not layers:
            return None
        return replace(genotype, layers=layers, skip="nearest" if self.signature.scale == 1 else genotype.skip)

    def _like(self, act: str, layers: Block, end: Callable[..., int]) -> list[NscGenotype]:
        """Members with this block and the `end` (least or greatest) of the sizes, with each global skip."""
        blocks, width = end(self.limits.blocks), end(self.limits.widths)
        skips = SKIPS[:1] if self.signature.scale == 1 else SKIPS
        return [NscGenotype(canonical_block(layers), blocks, width, act, skip) for skip in skips]
