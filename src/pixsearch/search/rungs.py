"""Successive halving (Jamieson and Talwalkar 2016): many candidates are trained for a short time, the best of them for longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from pixsearch.rng import stream
from pixsearch.search.objectives import Objective, violation
from pixsearch.search.pareto import survive
from pixsearch.search.scored import Fidelity, Scored


@dataclass(frozen=True)
class Rungs:
    """The fidelities that candidates are tried at, lowest first; the share `keep` of a rung goes on to the next one.

    A lower rung only selects: the strategy is told of, and the front is made of, those that were tried at the highest one.
    With one fidelity every candidate is tried there and nothing is selected.
    """

    fidelities: tuple[Fidelity, ...]
    objectives: tuple[Objective, ...]
    keep: float = 0.25
    seed: int = 0

    @property
    def top(self) -> Fidelity:
        """The fidelity of the front."""
        return self.fidelities[-1]

    def place(self, fidelity: Fidelity) -> dict[str, int]:
        """Where `fidelity` stands, for the record: `rung` (from 1) and `rungs`; nothing when there is only one."""
        several = len(self.fidelities) > 1
        return {"rung": self.fidelities.index(fidelity) + 1, "rungs": len(self.fidelities)} if several else {}

    def best(self, scored: Sequence[Scored], number: int) -> list[Any]:
        """The genotypes that go on, in the order of `scored`: the better fronts, and of the last one the lonelier members.

        At least one of those that did not fail. A bound on a quality is meant for a full training, so it does not count yet;
        candidates that broke a bound on a cost come last, the nearest miss first. `number` tells one selection of the search
        from another.
        """
        whole = [one for one in scored if one.error is None]
        costs = [o for o in self.objectives if o.is_cost]
        misses = [violation(costs, one.figures) for one in whole]
        unknown = [0.0] * len(self.objectives)
        losses = [unknown if miss else one.losses(self.objectives) for one, miss in zip(whole, misses, strict=True)]
        standings = survive(losses, misses, ceil(self.keep * len(scored)), stream(self.seed, "rung", number))
        return [whole[i].genotype for i in sorted(standing.index for standing in standings)]
