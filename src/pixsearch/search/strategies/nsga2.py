"""NSGA-II (Deb et al. 2002): the survivors of all fronts and their lonelier members breed the next candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pixsearch import rng as streams
from pixsearch.search.objectives import violation
from pixsearch.search.pareto import Standing, survive
from pixsearch.search.scored import Scored
from pixsearch.search.strategies.base import Strategy
from pixsearch.search.strategies.operators import Breed, Select, binary_tournament, vary_and_slim
from pixsearch.space.base import Genotype


class Nsga2(Strategy):
    """A population under elitist (μ + λ) survival; parents by binary tournament.

    Candidates that broke a measured bound live on behind the feasible ones, nearest miss first, so a search that
    begins outside the bounds finds its way in. Failed candidates are never parents.
    """

    def __init__(self, *args: Any, select: Select = binary_tournament, breed: Breed | None = None, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.select = select
        self.breed = breed or vary_and_slim(self.space)
        self.living: list[Scored] = []
        self.standings: list[Standing] = []
        self._told = 0

    def propose(self, rng: np.random.Generator) -> Genotype:
        """A child of two of the living; a random member while the first generation is drawn."""
        if self.asked < self.population or not self.living:
            sampled: Genotype = self.sample(rng)
            return sampled
        first, second = (self.living[self.select(self.standings, rng)].genotype for _ in range(2))
        child: Genotype = self.breed(first, second, rng)
        return child

    def tell(self, scored: Sequence[Scored]) -> None:
        """Let the best of the living and the newly scored survive."""
        self._told += len(scored)
        pool = self.living + [one for one in scored if one.error is None]
        violations = [violation(self.objectives, one.figures) for one in pool]
        unknown = [0.0] * len(self.objectives)
        losses = [unknown if miss else one.losses(self.objectives) for one, miss in zip(pool, violations, strict=True)]
        standings = survive(losses, violations, self.population, streams.stream(self.seed, "survival", self._told))
        self.living = [pool[s.index] for s in standings]
        self.standings = standings
