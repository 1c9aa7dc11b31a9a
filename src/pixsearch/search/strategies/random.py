"""Random search: members drawn alike from first to last, the opponent that every other strategy has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pixsearch.search.scored import Scored
from pixsearch.search.strategies.base import Strategy
from pixsearch.space.base import Genotype


class RandomSearch(Strategy):
    """Draws from the sampler it was given and learns nothing."""

    def propose(self, rng: np.random.Generator) -> Genotype:
        """A random member."""
        genotype: Genotype = self.sample(rng)
        return genotype

    def tell(self, scored: Sequence[Scored]) -> None:
        """Nothing is learned."""
