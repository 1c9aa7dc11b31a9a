"""How codes of blocks are drawn, varied, crossed and made cheaper; every function draws from the generator it is given alone.

What comes out is valid; it may not be canonical, and None stands for a block that would compute nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from pixsearch.space.chain import ACTS, SKIPS
from pixsearch.space.nsc_code import MAX_LAYERS, PAIRS, Block, Code, NscGenotype
from pixsearch.space.vary import below, beside, pick

# How likely each type and kernel is drawn: plain 3×3 convolutions are what phones run best.
WEIGHTS = {
    ("conv", 1): 1.0,
    ("conv", 3): 4.0,
    ("conv", 5): 0.5,
    ("dw", 3): 1.0,
    ("dw", 5): 1.0,
    ("identity", 0): 0.5,
    ("add", 0): 2.0,
    ("concat", 0): 1.0,
}


@dataclass(frozen=True)
class Limits:
    """What the search may reach, ends of `blocks` included."""

    blocks: tuple[int, int] = (1, 8)
    widths: tuple[int, ...] = tuple(range(4, 49, 4))


def codes(number: int) -> list[Code]:
    """All that the layer at place `number` (from 1) can be."""
    singles = [Code(type, kernel, source) for type, kernel in WEIGHTS if type not in PAIRS for source in range(number)]
    return singles + [Code(type, 0, *read) for type in PAIRS for read in combinations(range(number), 2)]


def draw_code(rng: np.random.Generator, number: int) -> Code:
    """A random layer for place `number`; what is read is drawn with the layer before twice as likely."""
    known = [(type, kernel) for type, kernel in WEIGHTS if number > 1 or type not in PAIRS]
    type, kernel = pick(rng, known, [WEIGHTS[one] for one in known])
    count = 2 if type in PAIRS else 1
    chances = np.ones(number)
    chances[-1] = 2.0
    read = rng.choice(number, size=count, replace=False, p=chances / chances.sum())
    return Code(type, kernel, *sorted(int(source) for source in read))


def draw_blocks(rng: np.random.Generator, limits: Limits) -> int:
    """How often the block is repeated: seldom often (evenly over the logarithm)."""
    counts = range(limits.blocks[0], limits.blocks[1] + 1)
    return pick(rng, counts, [1 / one for one in counts])


def draw(rng: np.random.Generator, limits: Limits) -> NscGenotype:
    """A random member: few blocks and narrow ones more often (evenly over the logarithm)."""
    count, layers = int(rng.integers(1, MAX_LAYERS + 1)), None
    while layers is None:
        layers = _valid(tuple(draw_code(rng, number) for number in range(1, count + 1)))
    return NscGenotype(
        layers=layers,
        blocks=draw_blocks(rng, limits),
        width=pick(rng, limits.widths, [1 / width for width in limits.widths]),
        act=pick(rng, ACTS),
        skip=pick(rng, SKIPS),
    )


def _valid(layers: Block) -> Block | None:
    """The layers, unless none of them computes."""
    return layers if any(one.type != "identity" for one in layers) else None


def _with_layers(genotype: NscGenotype, layers: Block) -> NscGenotype | None:
    return replace(genotype, layers=layers) if _valid(layers) else None


def with_code(genotype: NscGenotype, number: int, code: Code) -> NscGenotype | None:
    """Another layer at place `number`."""
    return _with_layers(genotype, (*genotype.layers[: number - 1], code, *genotype.layers[number:]))


def without_code(genotype: NscGenotype, number: int) -> NscGenotype | None:
    """One layer less: those that read it read what it read first; what would then join a layer to itself becomes an identity."""
    instead = genotype.layers[number - 1].pred1

    def moved(source: int) -> int:
        return instead if source == number else source - (source > number)

    rest = [one for place, one in enumerate(genotype.layers, start=1) if place != number]
    return _with_layers(genotype, tuple(_reading(one, [moved(source) for source in one.sources]) for one in rest))


def _reading(code: Code, sources: Sequence[int]) -> Code:
    """The same layer reading `sources`; an identity when they are one twice."""
    if len(sources) == 2 and sources[0] == sources[1]:
        return Code("identity", 0, sources[0])
    return Code(code.type, code.kernel, *sorted(sources))


def change_code(genotype: NscGenotype, rng: np.random.Generator, limits: Limits) -> NscGenotype | None:
    """One layer is another type, or reads something else."""
    del limits
    number = int(rng.integers(1, len(genotype.layers) + 1))
    old, new = genotype.layers[number - 1], draw_code(rng, number)
    if (old.type in PAIRS) == (new.type in PAIRS):
        new = replace(new, pred1=old.pred1, pred2=old.pred2) if rng.random() < 0.6 else replace(new, type=old.type, kernel=old.kernel)
    return with_code(genotype, number, new)


def insert_code(genotype: NscGenotype, rng: np.random.Generator, limits: Limits) -> NscGenotype | None:
    """One layer more, the last."""
    del limits
    count = len(genotype.layers)
    return None if count >= MAX_LAYERS else replace(genotype, layers=(*genotype.layers, draw_code(rng, count + 1)))


def remove_code(genotype: NscGenotype, rng: np.random.Generator, limits: Limits) -> NscGenotype | None:
    """One layer less."""
    del limits
    count = len(genotype.layers)
    return None if count == 1 else without_code(genotype, int(rng.integers(1, count + 1)))


def change_size(genotype: NscGenotype, rng: np.random.Generator, limits: Limits) -> NscGenotype | None:
    """A block more or less, or another width, mostly a near one."""
    if rng.random() < 0.4:
        blocks = genotype.blocks + (1 if rng.random() < 0.5 else -1)
        return replace(genotype, blocks=min(max(blocks, limits.blocks[0]), limits.blocks[1]))
    return replace(genotype, width=beside(rng, genotype.width, limits.widths))


def change_ends(genotype: NscGenotype, rng: np.random.Generator, limits: Limits) -> NscGenotype | None:
    """Another activation or global skip."""
    del limits
    if rng.random() < 0.5:
        return replace(genotype, act=pick(rng, ACTS))
    return replace(genotype, skip=pick(rng, SKIPS))


MUTATIONS = (change_code, insert_code, remove_code, change_size, change_ends)
MUTATION_WEIGHTS = (5.0, 1.5, 1.0, 3.0, 1.0)


def vary(genotype: NscGenotype, rng: np.random.Generator, limits: Limits) -> NscGenotype | None:
    """One mutation; it may come to nothing."""
    return pick(rng, MUTATIONS, MUTATION_WEIGHTS)(genotype, rng, limits)


def cross(first: NscGenotype, second: NscGenotype, rng: np.random.Generator) -> NscGenotype | None:
    """The first layers of one parent and the later ones of the other; each other gene from either."""
    cut = int(rng.integers(len(first.layers) + 1))
    genes: dict[str, Any] = {name: getattr(pick(rng, [first, second]), name) for name in ("blocks", "width", "act", "skip")}
    layers = _valid(first.layers[:cut] + second.layers[cut:])
    return NscGenotype(layers=layers, **genes) if layers else None


def lighten(genotype: NscGenotype, rng: np.random.Generator, limits: Limits) -> NscGenotype | None:
    """One step that is likely to cost less: narrower, a block less, or less in the block."""
    match pick(rng, ("width", "blocks", "inside"), (3, 2, 3)):
        case "width":
            return replace(genotype, width=below(genotype.width, limits.widths))
        case "blocks":
            return replace(genotype, blocks=max(genotype.blocks - 1, limits.blocks[0]))
        case _:
            return pick(rng, list(lighter(genotype, limits)))


def lighter(genotype: NscGenotype, limits: Limits) -> Iterator[NscGenotype | None]:
    """Neighbours in small steps; one at least costs less, unless nothing in the space does."""
    for number, code in enumerate(genotype.layers, start=1):
        alike = [one for one in WEIGHTS if (one[0] in PAIRS) == (code.type in PAIRS) and one != (code.type, code.kernel)]
        yield from (with_code(genotype, number, replace(code, type=type, kernel=kernel)) for type, kernel in alike)
        if len(genotype.layers) > 1:
            yield without_code(genotype, number)
    yield replace(genotype, width=below(genotype.width, limits.widths))
    yield replace(genotype, blocks=max(genotype.blocks - 1, limits.blocks[0]))
    yield from (replace(genotype, skip=skip) for skip in SKIPS)
    yield replace(genotype, act="relu")
