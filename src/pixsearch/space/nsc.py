"""The `nsc` space: a block written as a Network Structure Code, repeated, between a 3×3 convolution and a pixel-shuffle tail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

import numpy as np

from pixsearch.space import nsc_cost, nsc_vary
from pixsearch.space.base import BYTES, Decision, SequentialSpace, SteppedSpace
from pixsearch.space.chain import ACTS, SKIPS
from pixsearch.space.nsc_code import MAX_LAYERS, TERMINAL, Block, Code, NscGenotype, canonical_block, describe_nsc, loose_ends, parse_nsc
from pixsearch.space.nsc_count import count_blocks
from pixsearch.space.vary import pick

__all__ = ["Code", "NscGenotype", "NscSpace"]


class NscSpace(SteppedSpace[NscGenotype], SequentialSpace[NscGenotype]):
    """1 to 8 times one block of 4 to 48 channels, for one signature; searching keeps to `limits`.

    Decisions are, in this order, `("blocks", n)`, `("act", name)`, `("skip", name)` and the layers `(index, type, kernel, pred1, pred2)` of
    the block up to the terminal; the width is left open.
    """

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
        low, high = self.limits.blocks
        return count_blocks() * (high - low + 1) * len(self.limits.widths) * len(ACTS) * len(self._skips())

    def decisions(self, genotype: NscGenotype) -> tuple[Decision, ...]:
        """Number of blocks, activation, global skip, then layer by layer."""
        rows = genotype.genes()["layers"]
        return (("blocks", genotype.blocks), ("act", genotype.act), ("skip", genotype.skip), *map(tuple, rows))

    def following(self, last: Decision | None) -> Sequence[Decision]:
        """The values of the next gene, or all that the next layer can be."""
        match last:
            case None:
                return [("blocks", count) for count in range(self.limits.blocks[0], self.limits.blocks[1] + 1)]
            case ("blocks", _):
                return [("act", act) for act in ACTS]
            case ("act", _):
                return [("skip", skip) for skip in self._skips()]
            case _:
                return _following_layers(cast("tuple[Any, ...]", last))

    def draw_following(self, last: Decision | None, rng: np.random.Generator) -> Decision:
        """Few blocks more often, all lengths of the block alike; see `nsc_vary.draw_code` for layers."""
        match last:
            case None:
                return "blocks", nsc_vary.draw_blocks(rng, self.limits)
            case ("blocks" | "act", _):
                return pick(rng, self.following(last))
            case _:
                number = _next_number(cast("tuple[Any, ...]", last))
                if number > 1 and rng.random() * (MAX_LAYERS + 2 - number) < 1:
                    return _terminal(number)
                return _row(number, nsc_vary.draw_code(rng, number))

    def written(self, decisions: Sequence[Decision], fits: Callable[[NscGenotype], bool]) -> NscGenotype | None:
        """The widest member with these decisions for which `fits` holds, else the narrowest; None when the block computes nothing."""
        (_, blocks), (_, act), (_, skip), *rows = cast("Sequence[tuple[Any, ...]]", decisions)
        layers = canonical_block(tuple(Code(*row[1:]) for row in rows[:-1]))
        if not layers:
            return None
        members = [NscGenotype(layers, blocks, width, act, skip) for width in sorted(self.limits.widths, reverse=True)]
        return next((member for member in members if fits(member)), members[-1])

    def density(self, genotype: NscGenotype) -> float:
        """Edges over nodes of a block; its input and its output are nodes, too."""
        edges = sum(len(code.sources) for code in genotype.layers) + len(loose_ends(genotype.layers))
        return edges / (len(genotype.layers) + 2)

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
        return replace(genotype, layers=layers, skip=genotype.skip if genotype.skip in self._skips() else self._skips()[0])

    def _like(self, act: str, layers: Block, end: Callable[..., int]) -> list[NscGenotype]:
        """Members with this block and the `end` (least or greatest) of the sizes, with each global skip."""
        blocks, width = end(self.limits.blocks), end(self.limits.widths)
        return [NscGenotype(canonical_block(layers), blocks, width, act, skip) for skip in self._skips()]

    def _skips(self) -> tuple[str, ...]:
        """The global skips that differ: at scale 1 both are the identity, written `nearest`."""
        return SKIPS[:1] if self.signature.scale == 1 else SKIPS


def _next_number(last: tuple[Any, ...]) -> int:
    """The index of the layer that follows the last decision."""
    return 1 if last[0] == "skip" else int(last[0]) + 1


def _row(number: int, code: Code) -> Decision:
    return number, code.type, code.kernel, code.pred1, code.pred2


def _terminal(number: int) -> Decision:
    return number, TERMINAL, 0, 0, 0


def _following_layers(last: tuple[Any, ...]) -> list[Decision]:
    if TERMINAL in last:
        return []
    number = _next_number(last)
    layers = [_row(number, code) for code in nsc_vary.codes(number)] if number <= MAX_LAYERS else []
    return [*layers, _terminal(number)] if number > 1 else layers
