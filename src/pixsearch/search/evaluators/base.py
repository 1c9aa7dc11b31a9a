"""What every evaluator offers: the figures of a genotype at a fidelity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from pixsearch.search.scored import Fidelity, Scored


class Evaluator(ABC):
    """Judges candidates. What `evaluate` raises is that candidate's failure and nobody else's.

    Results depend on the seed, the genotype and the fidelity alone, never on the order of candidates or on what was
    judged before (but for a measured latency, which is recorded once and reused). Where candidates share weights, these
    are trained between generations: `begin` names the version of a generation, which follows from the parents of all so far.
    """

    def begin(self, parents: Sequence[Any], fidelity: Fidelity) -> Fidelity:
        """Begin a generation with these parents (none in the first); the fidelity it is judged at, by default the run's. Costs nothing."""
        del parents
        return fidelity

    def prepare(self, population: Sequence[Any]) -> None:
        """Hear which genotypes come next, before any of them is evaluated; by default there is nothing to prepare."""
        del population

    @abstractmethod
    def evaluate(self, genotype: Any, fidelity: Fidelity) -> Scored:
        """The candidate with its figures, keyed and in units as `Objective` says."""
