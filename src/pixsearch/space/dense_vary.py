"""How chains of dense blocks are drawn, varied, crossed and made cheaper; every function draws from the generator it is given alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pixsearch.space.chain import SKIPS
from pixsearch.space.dense import CONVS, KINDS, MAX_BLOCKS, WIDTHS, Block, ErdbGenotype
from pixsearch.space.vary import below, pick


@dataclass(frozen=True)
class Limits:
    """What the search may reach: the depth, ends included, and the values of the other genes (`trunks`: of `ErdbGenotype.width`)."""

    depth: tuple[int, int] = (1, MAX_BLOCKS)
    convs: tuple[int, ...] = CONVS
    widths: tuple[int, ...] = WIDTHS
    trunks: tuple[int, ...] = WIDTHS

    @property
    def choices(self) -> dict[str, tuple[Any, ...]]:
        """The values that each gene of a block may have."""
        return {"kind": KINDS, "convs": self.convs, "growth": self.widths, "width": self.widths}


def draw(rng: np.random.Generator, limits: Limits) -> ErdbGenotype:
    """A random chain: shallow, short and narrow ones more often (evenly over the logarithm); half of them repeat one block."""
    depths = range(limits.depth[0], limits.depth[1] + 1)
    depth = pick(rng, depths, [1 / depth for depth in depths])
    alike = rng.random() < 0.5
    blocks = [draw_block(rng, limits)] * depth if alike else [draw_block(rng, limits) for _ in range(depth)]
    return ErdbGenotype(tuple(blocks), _small(rng, limits.trunks), pick(rng, SKIPS))


def draw_block(rng: np.random.Generator, limits: Limits) -> Block:
    """A random block."""
    return Block(pick(rng, KINDS), _small(rng, limits.convs), _small(rng, limits.widths), _small(rng, limits.widths))


def _small(rng: np.random.Generator, values: Sequence[int]) -> int:
    return pick(rng, values, [1 / value for value in values])


def with_block(genotype: ErdbGenotype, place: int, **changes: Any) -> ErdbGenotype:
    """Other genes for one block."""
    blocks = list(genotype.blocks)
    blocks[place] = replace(blocks[place], **changes)
    return replace(genotype, blocks=tuple(blocks))


def _without(genotype: ErdbGenotype, place: int) -> ErdbGenotype:
    return replace(genotype, blocks=genotype.blocks[:place] + genotype.blocks[place + 1 :])


def change_gene(genotype: ErdbGenotype, rng: np.random.Generator, limits: Limits) -> ErdbGenotype:
    """Another value for one gene of one block, or of all that share the value."""
    place, gene = int(rng.integers(len(genotype.blocks))), pick(rng, list(limits.choices))
    old, new = getattr(genotype.blocks[place], gene), pick(rng, limits.choices[gene])
    if rng.random() < 0.3:
        change: dict[str, Any] = {gene: new}
        blocks = tuple(replace(block, **change) if getattr(block, gene) == old else block for block in genotype.blocks)
        return replace(genotype, blocks=blocks)
    return with_block(genotype, place, **{gene: new})


def insert_block(genotype: ErdbGenotype, rng: np.random.Generator, limits: Limits) -> ErdbGenotype:
    """One block more: the one it is put beside again, or a random one."""
    if len(genotype.blocks) >= limits.depth[1]:
        return genotype
    place = int(rng.integers(len(genotype.blocks) + 1))
    new = pick(rng, genotype.blocks) if rng.random() < 0.5 else draw_block(rng, limits)
    return replace(genotype, blocks=(*genotype.blocks[:place], new, *genotype.blocks[place:]))


def remove_block(genotype: ErdbGenotype, rng: np.random.Generator, limits: Limits) -> ErdbGenotype:
    """One block less."""
    if len(genotype.blocks) <= limits.depth[0]:
        return genotype
    return _without(genotype, int(rng.integers(len(genotype.blocks))))


def change_ends(genotype: ErdbGenotype, rng: np.random.Generator, limits: Limits) -> ErdbGenotype:
    """Another trunk or another global skip."""
    if rng.random() < 0.5:
        return replace(genotype, skip=pick(rng, SKIPS))
    return replace(genotype, width=pick(rng, limits.trunks))


MUTATIONS = (change_gene, insert_block, remove_block, change_ends)
MUTATION_WEIGHTS = (6.0, 2.0, 2.0, 1.0)


def vary(genotype: ErdbGenotype, rng: np.random.Generator, limits: Limits) -> ErdbGenotype:
    """One mutation; it may come to nothing."""
    return pick(rng, MUTATIONS, MUTATION_WEIGHTS)(genotype, rng, limits)


def cross(first: ErdbGenotype, second: ErdbGenotype, rng: np.random.Generator, limits: Limits) -> ErdbGenotype:
    """The front blocks of one parent and the back blocks of the other; trunk and skip from either."""
    low, high = limits.depth
    cut = int(rng.integers(len(first.blocks) + 1))
    back = int(rng.integers(len(second.blocks) + 1))
    blocks = (first.blocks[:cut] + second.blocks[back:])[:high]
    width, skip = pick(rng, [first, second]).width, pick(rng, [first, second]).skip
    return ErdbGenotype(blocks if len(blocks) >= low else first.blocks, width, skip)


def lighten(genotype: ErdbGenotype, rng: np.random.Generator, limits: Limits) -> ErdbGenotype:
    """One step that is likely to cost less: a block less, fewer convolutions or channels in one block or in all."""
    gene = pick(rng, ("convs", "growth", "width"))
    match pick(rng, ("all", "one", "depth", "trunk"), (2, 4, 3, 1)):
        case "all":
            blocks = tuple(_lower(block, gene, limits) for block in genotype.blocks)
            return replace(genotype, blocks=blocks)
        case "one":
            place = int(rng.integers(len(genotype.blocks)))
            return with_block(genotype, place, **{gene: getattr(_lower(genotype.blocks[place], gene, limits), gene)})
        case "depth":
            return remove_block(genotype, rng, limits)
        case _:
            return replace(genotype, width=below(genotype.width, limits.trunks))


def lighter(genotype: ErdbGenotype, limits: Limits) -> Iterator[ErdbGenotype]:
    """Neighbours in small steps; one at least costs less, unless nothing in the space does."""
    for place in range(len(genotype.blocks)):
        for gene, values in limits.choices.items():
            yield from (with_block(genotype, place, **{gene: value}) for value in values)
        if len(genotype.blocks) > limits.depth[0]:
            yield _without(genotype, place)
    yield from (replace(genotype, width=width) for width in limits.trunks)
    yield from (replace(genotype, skip=skip) for skip in SKIPS)


def _lower(block: Block, gene: str, limits: Limits) -> Block:
    change: dict[str, Any] = {gene: below(getattr(block, gene), limits.choices[gene])}
    return replace(block, **change)
