"""CARS (Yang et al. 2020): continuous evolution of networks that share their weights, with growing ones protected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from pixsearch import rng as streams
from pixsearch.search.objectives import growth, violation
from pixsearch.search.pareto import survive_any
from pixsearch.search.scored import Scored
from pixsearch.search.strategies.base import Strategy
from pixsearch.space.base import Genotype

CROSSOVER, MUTATION = 0.25, 0.25
"""Shares of the offspring made by each, as published; the rest is drawn at random."""


class Cars(Strategy):
    """A population whose members are judged again, beside their offspring, whenever the shared weights have moved on.

    Survivors are chosen by pNSGA-III: sorted by qualities and costs and, with `protection`, also by how much each quality grew since
    the version before and the same costs. Who stands high in either order lives on, so a large network that still lags, but gains, is not
    dropped for small ones that learn at once. Failed candidates are never parents; those that broke a measured bound stand last.
    """

    options: ClassVar[tuple[str, ...]] = ("protection",)
    shares_weights: ClassVar[bool] = True
    offspring_share: ClassVar[float] = 1.0

    def __init__(self, *args: Any, protection: bool = True, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.protection = protection
        self._living: list[Genotype] = []
        self._again: list[Genotype] = []
        self._told = 0

    @property
    def parents(self) -> Sequence[Genotype]:
        """The survivors of the last generation."""
        return tuple(self._living)

    @property
    def generation_size(self) -> int:
        """The population at first; then the parents and their offspring."""
        return len(self._living) + self.offspring if self._living else super().generation_size

    def ask(self, n: int) -> list[Genotype]:
        """Parents that were not asked for again yet, then genotypes never asked for before."""
        again, self._again = self._again[:n], self._again[n:]
        return again + super().ask(n - len(again))

    def propose(self, rng: np.random.Generator) -> Genotype:
        """A cross of two parents, a mutation of one, or a random member."""
        chance = rng.random()
        child: Genotype
        if not self._living or chance >= CROSSOVER + MUTATION:
            child = self.sample(rng)
        elif chance < CROSSOVER:
            child = self.space.crossover(self._parent(rng), self._parent(rng), rng)
        else:
            child = self.space.mutate(self._parent(rng), rng)
        return child

    def _parent(self, rng: np.random.Generator) -> Genotype:
        return self._living[int(rng.integers(len(self._living)))]

    def tell(self, scored: Sequence[Scored]) -> None:
        """Let the best of one generation live on; all of them were judged by the same weights."""
        self._told += len(scored)
        pool = [one for one in scored if one.error is None]
        if not pool:
            return
        violations = [violation(self.objectives, one.figures) for one in pool]
        feasible = [one for one, miss in zip(pool, violations, strict=True) if miss == 0]
        orders = [[one.losses(self.objectives) for one in feasible]]
        if self.protection and all(growth(o.name) in one.figures for one in feasible for o in self.objectives if not o.is_cost):
            orders.append([self._growing(one) for one in feasible])
        rng = streams.stream(self.seed, "survival", self._told)
        kept = survive_any(orders, self.population, rng)
        nearest = sorted((miss, i) for i, miss in enumerate(violations) if miss > 0)
        self._living = [feasible[i].genotype for i in kept] + [pool[i].genotype for _, i in nearest[: self.population - len(kept)]]
        self._again = list(self._living)

    def _growing(self, one: Scored) -> list[float]:
        """What is minimised in the second order: minus each quality's growth, and the costs."""
        return [o.loss(one.figures[o.name if o.is_cost else growth(o.name)]) for o in self.objectives]
