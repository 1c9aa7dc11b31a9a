"""The `mobile` space: chains that phone runtimes run fast, with a space-to-depth head and a global skip to choose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from pixsearch.space import cost, memory, vary
from pixsearch.space.base import BYTES, FRAME, BlockSpace, SteppedSpace
from pixsearch.space.chain import (
    ACTS,
    ATTENTIONS,
    DYNAMIC,
    EXPERTS,
    HEADS,
    OPS,
    SKIPS,
    TAILS,
    Layer,
    MobileGenotype,
    block,
    canonical,
    describe_chain,
    first_width,
    frozen,
    parse_chain,
)

__all__ = ["DynamicMobileSpace", "Layer", "MobileGenotype", "MobileSpace"]


class MobileSpace(SteppedSpace[MobileGenotype], BlockSpace[MobileGenotype]):
    """Chains of 1 to 12 layers of 4 to 64 channels for one signature.

    Searching keeps to `limits`; `parse` also takes pruned chains, whose widths may be as small as 1, and dynamic operators.
    """

    name: ClassVar[str] = "mobile"
    kinds: ClassVar[tuple[str, ...]] = OPS
    limits: ClassVar[vary.Limits] = vary.Limits()

    def sample(self, rng: np.random.Generator) -> MobileGenotype:
        """A random member; see `vary.draw` for how likely which."""
        return self._canonical(vary.draw(rng, self.limits))

    def vary(self, genotype: MobileGenotype, rng: np.random.Generator) -> MobileGenotype:
        """One mutation."""
        return self._canonical(vary.vary(genotype, rng, self.limits))

    def lighten(self, genotype: MobileGenotype, rng: np.random.Generator) -> MobileGenotype:
        """Narrower, shallower, or with a cheaper operator or end."""
        return self._canonical(vary.lighten(genotype, rng, self.limits))

    def lighter(self, genotype: MobileGenotype) -> Iterator[MobileGenotype]:
        """One gene changed."""
        return (self._canonical(neighbour) for neighbour in vary.lighter(genotype, self.limits))

    def crossover(self, first: MobileGenotype, second: MobileGenotype, rng: np.random.Generator) -> MobileGenotype:
        """The front of one parent and the back of the other."""
        if rng.random() < 0.5:
            first, second = second, first
        return self._canonical(vary.cross(first, second, rng, self.limits))

    def kinds_of(self, genotype: MobileGenotype) -> tuple[str, ...]:
        """The operator of each layer."""
        return tuple(layer.op for layer in genotype.layers)

    def exchange(self, genotype: MobileGenotype, position: int, kind: str, rng: np.random.Generator) -> MobileGenotype:
        """Another operator at a layer, of the same width and activation."""
        return self._canonical(vary.exchange_op(genotype, position, kind, rng, self.limits))

    def smallest(self) -> MobileGenotype:
        """One 1×1 layer of the least width and a 1×1 tail."""
        return self._canonical(MobileGenotype((Layer("conv1", self.limits.width[0], "relu"),), tail=min(TAILS)))

    def largest(self) -> MobileGenotype:
        """As many 5×5 layers of the greatest width as there may be."""
        layer = Layer("conv5", self.limits.width[1], "prelu")
        return self._canonical(MobileGenotype((layer,) * self.limits.depth[1], skip="bicubic", tail=max(TAILS)))

    def size(self) -> int:
        """How many canonical genotypes lie within `limits`: the networks that a search can reach, each counted once."""
        heads = [first_width(MobileGenotype((), head=head), self.signature) for head in HEADS]
        skips = 1 if self.signature.scale == 1 else len(SKIPS)
        return sum(self._chains(width) for width in heads) * skips * len(TAILS)

    def _chains(self, inputs: int) -> int:
        """Sequences of layers behind `inputs` channels; a residual is one more choice where widths are equal."""
        low, high = self.limits.width
        widths, hidden = high - low + 1, self.limits.hidden[1] - self.limits.hidden[0] + 1
        inverted = hidden * len(ACTS) if "ib3" in self.limits.ops else 0
        dynamic = len(EXPERTS) * len(ATTENTIONS)
        kinds = sum(hidden if op == "ib3" else dynamic if op in DYNAMIC else 1 for op in self.limits.ops)
        plain = kinds * len(ACTS) * widths
        first = plain + (inverted if low <= inputs <= high else 0)
        return sum(first * (plain + inverted) ** (depth - 1) for depth in range(self.limits.depth[0], self.limits.depth[1] + 1))

    def macs_per_pixel(self, genotype: MobileGenotype) -> float:
        """Counted multiply-adds an output pixel; a bicubic global skip counts too."""
        return cost.macs_per_input_pixel(genotype, self.signature) / self.signature.scale**2

    def macs_per_picture(self, genotype: MobileGenotype) -> int:
        """Multiply-adds of the coefficients and of the fusion of kernels, where there are dynamic layers."""
        return cost.macs_per_picture(list(cost.chain(genotype, self.signature)), cost.predictor(genotype, self.signature))

    def frozen(self, genotype: MobileGenotype) -> MobileGenotype:
        """The chain of the static operators."""
        return frozen(genotype)

    def blended_macs_720p(self, genotype: MobileGenotype) -> float:
        """Experts times multiply-adds of dynamic layers."""
        seen = FRAME[0] * FRAME[1] / (self.signature.scale * block(genotype)) ** 2
        return self.macs_720p(genotype) + cost.blending(cost.chain(genotype, self.signature), seen)

    def params(self, genotype: MobileGenotype) -> int:
        """Trained values: weights of all experts, biases, slopes and the predictor."""
        predictor = cost.predictor(genotype, self.signature)
        return sum(conv.params for conv in cost.chain(genotype, self.signature)) + (predictor.params if predictor else 0)

    def memory_bytes(self, genotype: MobileGenotype) -> int:
        """Peak bytes of float32 activations for one 1280×720 output frame; see `memory.peak_values` for what is alive when.

        The input frame is rounded up to whole pixels, and to `multiple`.
        """
        return BYTES * memory.peak_values(genotype, self.signature, *self.input_frame(genotype))

    def multiple(self, genotype: MobileGenotype) -> int:
        """2 or 4 behind a space-to-depth head, else 1."""
        return block(genotype)

    def receptive_radius(self, genotype: MobileGenotype) -> int:
        """Input pixels to each side that an output pixel can depend on, rounded up to `multiple`."""
        return cost.radius(genotype, self.signature)

    def parse(self, genes: dict[str, Any]) -> MobileGenotype:
        """The genotype with these genes, canonical; widths may be 1 to 64 (a pruned network's) and hidden 1 to 256."""
        limits = self.limits
        return self._canonical(parse_chain(genes, limits.depth[1], limits.width[1], limits.hidden[1]))

    def describe(self, genotype: MobileGenotype) -> str:
        """One line for people: `conv3 16 relu ×5, skip bicubic`."""
        return describe_chain(genotype)

    def _canonical(self, genotype: MobileGenotype) -> MobileGenotype:
        return canonical(genotype, self.signature)


class DynamicMobileSpace(MobileSpace):
    """The same with dynamic operators among those that a search draws; what it finds are genotypes of `mobile`."""

    kinds: ClassVar[tuple[str, ...]] = (*OPS, *DYNAMIC)
    limits: ClassVar[vary.Limits] = vary.Limits(ops=kinds)
