"""The small callables a strategy is put together from: how members are drawn, parents chosen and children made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pixsearch.errors import InfeasibleError
from pixsearch.search.bounds import Fits
from pixsearch.search.objectives import Objective
from pixsearch.search.pareto import Standing
from pixsearch.search.strategies.base import Sampler
from pixsearch.space.base import Space

DRAWS = 8
NEAR = 4.0

Select = Callable[[Sequence[Standing], np.random.Generator], int]
Breed = Callable[[Any, Any, np.random.Generator], Any]
Mutate = Callable[[Any, np.random.Generator], Any]


def spread_ceiling(space: Space[Any], objectives: Sequence[Objective]) -> Callable[[np.random.Generator], float]:
    """Ceilings of multiply-adds for 720p, drawn from the smallest member's cost to the bound on a logarithmic scale.

    They lie more densely towards the bound: half of them within its upper quarter.
    """
    low = math.log(space.macs_720p(space.smallest()))
    bound = next((o.bound for o in objectives if o.name == "macs_720p" and o.bound is not None), math.inf)
    high = math.log(min(bound, space.macs_720p(space.largest())))
    return lambda rng: math.exp(high - max(0.0, high - low) * rng.random() ** 2) * (1 + 1e-9)


def spread_sampler(space: Space[Any], objectives: Sequence[Objective], fits: Fits) -> Sampler:
    """Random members that keep the bounds, spread over the decades of multiply-adds up to the bound.

    Members drawn evenly from the genes are nearly all far above any phone's budget, and repaired ones would all crowd at
    the bound. So each has a ceiling of its own (`spread_ceiling`), and is drawn again until it lies closely under it, or shrunk to it
    after a few draws.
    """
    draw_ceiling = spread_ceiling(space, objectives)

    def sample(rng: np.random.Generator) -> Any:
        ceiling = draw_ceiling(rng)
        drawn = space.sample(rng)
        for _ in range(DRAWS):
            if ceiling / NEAR <= space.macs_720p(drawn) <= ceiling and fits(drawn):
                return drawn
            drawn = space.sample(rng)
        try:
            return space.repair(drawn, lambda g: space.macs_720p(g) <= ceiling and fits(g), rng)
        except InfeasibleError:
            return space.repair(drawn, fits, rng)

    return sample


def binary_tournament(standings: Sequence[Standing], rng: np.random.Generator) -> int:
    """The position of the better of two drawn at random: the lower front, then the lonelier one (Deb et al. 2002)."""
    first, second = rng.integers(len(standings), size=2)
    return int(min(first, second, key=lambda i: (standings[i].rank, -standings[i].crowding)))


def vary_and_slim(
    space: Space[Any], crossover_share: float = 0.6, slim_share: float = 0.4, decades: float = 1.0, mutate: Mutate | None = None
) -> Breed:
    """Mutated children: of both parents in a share `crossover_share` of cases, else of the first alone.

    A share `slim_share` of them is then shrunk to a cost drawn from up to `decades` below (evenly on a logarithmic scale), so a
    design that works is tried at several costs: the front spans decades, which mutations alone cross slowly. `mutate` stands in for
    the space's own mutation.
    """
    mutated = mutate or space.mutate

    def breed(first: Any, second: Any, rng: np.random.Generator) -> Any:
        child = space.crossover(first, second, rng) if rng.random() < crossover_share else first
        child = mutated(child, rng)
        return slim(child, rng) if rng.random() < slim_share else child

    def slim(child: Any, rng: np.random.Generator) -> Any:
        ceiling = max(space.macs_720p(child) * 10 ** -(decades * rng.random()), space.macs_720p(space.smallest()))
        return space.repair(child, lambda g: space.macs_720p(g) <= ceiling * (1 + 1e-9), rng)

    return breed
