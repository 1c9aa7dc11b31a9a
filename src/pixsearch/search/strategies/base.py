"""What every strategy offers: genotypes to try next, and an ear for how they did."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from pixsearch import rng as streams
from pixsearch.errors import InfeasibleError
from pixsearch.search.bounds import Fits
from pixsearch.search.objectives import Objective
from pixsearch.search.scored import Scored
from pixsearch.space.base import Genotype, Space

CHILD_TRIES = 40
SAMPLE_TRIES = 200

Sampler = Callable[[np.random.Generator], Any]


class Strategy(ABC):
    """Decides which genotypes to try next.

    Deterministic: what `ask` returns depends on the seed, on how many were asked for before and on what was told, in
    the order told; never on time, on threads or on how asks were grouped. It keeps no file: a resumed search asks
    and tells it everything anew. No genotype is asked for twice in a run, unless the strategy `shares_weights`; every one
    keeps the closed-form bounds. `ask` and `tell` are called from one thread. A subclass says only how a proposal is made,
    and in `options` which settings of the search it takes by name.

    A strategy that `shares_weights` has its candidates judged by weights they share. These change from one generation to the next, so its
    `parents` are asked for again in each, once and first, and a generation is judged as a whole.

    A strategy that `flows` needs no generations: where it can, the engine asks it for one candidate whenever it has told it of the
    oldest one that is under way, so that no worker waits for the slowest of a generation. `offspring` are under way at a time.
    """

    options: ClassVar[tuple[str, ...]] = ()
    shares_weights: ClassVar[bool] = False
    flows: ClassVar[bool] = False
    offspring_share: ClassVar[float] = 0.5
    """New genotypes of a generation for each of the population, when nothing else is said."""

    def __init__(
        self,
        space: Space[Any],
        objectives: Sequence[Objective],
        fits: Fits,
        sample: Sampler,
        *,
        seed: int,
        population: int,
        offspring: int,
    ) -> None:
        self.space, self.objectives, self.fits, self.sample = space, tuple(objectives), fits, sample
        self.seed, self.population, self.offspring = seed, population, offspring
        self.asked = 0
        self._seen: set[str] = set()

    @abstractmethod
    def propose(self, rng: np.random.Generator) -> Genotype:
        """A genotype worth trying; the base repairs it and turns down what was asked for before."""

    @abstractmethod
    def tell(self, scored: Sequence[Scored]) -> None:
        """How candidates did, in the order they were asked for; failed ones carry an error."""

    @property
    def parents(self) -> Sequence[Genotype]:
        """Those that the next generation is bred from and compared with, when weights are shared; else none."""
        return ()

    @property
    def generation_size(self) -> int:
        """How many to ask for before the next tell."""
        return self.population if self.asked < self.population else self.offspring

    def ask(self, n: int) -> list[Genotype]:
        """Up to `n` genotypes never asked for before; fewer when the space seems exhausted."""
        fresh: list[Genotype] = []
        while len(fresh) < n and (genotype := self._fresh()) is not None:
            fresh.append(genotype)
        return fresh

    def _fresh(self) -> Genotype | None:
        if len(self._seen) >= self.space.size():
            return None
        rng = streams.stream(self.seed, "strategy", self.asked)
        for attempt in range(CHILD_TRIES + SAMPLE_TRIES):
            genotype = self._fitting(self.propose if attempt < CHILD_TRIES else self.sample, rng)
            if genotype is not None and genotype.id not in self._seen:
                self._seen.add(genotype.id)
                self.asked += 1
                return genotype
        return None

    def _fitting(self, propose: Sampler, rng: np.random.Generator) -> Genotype | None:
        try:
            fitting: Genotype = self.space.repair(propose(rng), self.fits, rng)
        except InfeasibleError:
            return None
        return fitting
