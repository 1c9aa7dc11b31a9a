"""What every evaluator offers: the figures of a genotype at a fidelity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from pixsearch.search.scored import Fidelity, Scored


class Evaluator(ABC):
    """Judges candidates. What it raises is that candidate's failure and nobody else's.

    Results depend on the seed, the genotype and the fidelity alone, never on the order of candidates or on what was
    judged before (but for a measured latency, which is recorded once and reused).
    """

    def prepare(self, population: Sequence[Any]) -> None:
        """Hear which genotypes come next, before any of them is evaluated; by default there is nothing to prepare."""
        del population

    @abstractmethod
    def evaluate(self, genotype: Any, fidelity: Fidelity) -> Scored:
        """The candidate with its figures, keyed and in units as `Objective` says."""
