"""What every evaluator offers: the figures of a genotype at a fidelity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pixsearch.search.scored import Fidelity, Scored

RecordedLatency = Callable[[Any, str, Callable[[], float]], float]
"""The latency of a genotype by its figure's name, out of the record, or measured by the call and recorded."""


class Evaluator(ABC):
    """Judges candidates. What `evaluate` raises is that candidate's failure and nobody else's.

    Results depend on the seed, the genotype and the fidelity alone, never on the order of candidates or on what was
    judged before (but for a measured latency, which is recorded once and reused). Where candidates share weights, these
    are trained between generations: `begin` names the version of a generation, which follows from the parents of all so far.

    The engine calls `begin`, `prepare` and `measure` in its own process while no candidate is being evaluated; `evaluate` is called in
    any process, so an evaluator can be pickled. `weights` names the version of the shared weights, if there are some: it becomes part
    of the fidelity, and workers are sent the evaluator anew when it changes.
    """

    weights: str = ""

    def begin(self, parents: Sequence[Any]) -> None:
        """Begin a generation with these parents (none in the first); costs nothing, and by default does nothing."""
        del parents

    def prepare(self, population: Sequence[Any]) -> None:
        """Hear which genotypes come next, before any of them is evaluated; by default there is nothing to prepare."""
        del population

    def measure(self, genotype: Any, recorded: RecordedLatency) -> dict[str, float]:
        """The figures that are true only while nothing else of ours runs; by default none."""
        del genotype, recorded
        return {}

    @abstractmethod
    def evaluate(self, genotype: Any, fidelity: Fidelity, measured: Mapping[str, float]) -> Scored:
        """The candidate with its figures, keyed and in units as `Objective` says; `measured` is what `measure` gave."""
