"""Bounds that the genotype alone decides, so that nothing is trained which cannot be feasible."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from pixsearch.errors import InfeasibleError
from pixsearch.search.objectives import Figures, Objective, violation
from pixsearch.space.base import Genotype, Space

Fits = Callable[[Any], bool]

DESCENTS = 8


def closed_form(space: Space[Any], genotype: Genotype) -> dict[str, float]:
    """The figures that need no network: multiply-adds for 720p, parameters, bytes of activations."""
    return {
        "macs_720p": float(space.macs_720p(genotype)),
        "params": float(space.params(genotype)),
        "memory": float(space.memory_bytes(genotype)),
    }


def fits_bounds(space: Space[Any], objectives: Sequence[Objective]) -> Fits:
    """Whether a genotype keeps every bound on a closed-form figure."""
    return partial(_keeps, space, [o for o in objectives if o.is_closed_form and o.bound is not None])


def _keeps(space: Space[Any], bounded: Sequence[Objective], genotype: Genotype) -> bool:
    return not bounded or not violation(bounded, closed_form(space, genotype))


def require_feasible(space: Space[Any], objectives: Sequence[Objective], rng: np.random.Generator) -> None:
    """`InfeasibleError` with the nearest miss when not even the smallest members keep the closed-form bounds."""
    nearest: tuple[float, Genotype] | None = None
    for genotype in _small_members(space, rng):
        miss = violation(objectives, closed_form(space, genotype))
        if miss == 0:
            return
        if nearest is None or miss < nearest[0]:
            nearest = (miss, genotype)
        if genotype == space.smallest() and _breaks_macs(space, objectives, genotype):
            break  # no other member has fewer
    assert nearest is not None
    raise infeasible(space, objectives, nearest[1], closed_form(space, nearest[1]))


def _breaks_macs(space: Space[Any], objectives: Sequence[Objective], genotype: Genotype) -> bool:
    return any(o.violation({o.name: space.macs_720p(genotype)}) for o in objectives if o.name == "macs_720p")


def _small_members(space: Space[Any], rng: np.random.Generator) -> Iterator[Any]:
    """The smallest and the leanest member, then what lies on some descents, which may be smaller in another figure than multiply-adds."""
    yield from (space.smallest(), space.leanest())
    for _ in range(DESCENTS):
        genotype = space.sample(rng)
        for _ in range(200):
            smaller = space.shrink(genotype, rng)
            if smaller == genotype:
                break
            genotype = smaller
            yield genotype


def infeasible(space: Space[Any], objectives: Sequence[Objective], genotype: Genotype, figures: Figures) -> InfeasibleError:
    """The error that names the nearest miss and each bound it broke, with its value."""
    misses = [f"`{o}`: it has {o.show(figures[o.name])}" for o in objectives if o.violation(figures) > 0]
    return InfeasibleError(
        f"No member of the space `{space.name}` that was looked at keeps the bounds. The nearest miss is `{genotype.id}` "
        f"({space.describe(genotype)}), which breaks {'; '.join(misses)}. Loosen the bound."
    )
