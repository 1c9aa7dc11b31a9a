"""What is known of a candidate once it has been tried: its figures, or why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pixsearch.search.objectives import Objective, broken
from pixsearch.space.base import Genotype

Branches = Literal["none", "linear", "ecb"]


@dataclass(frozen=True)
class Fidelity:
    """How far a candidate was trained before it was scored: `steps` steps of `batch` patches of `patch`² input pixels.

    Shared weights are trained for all candidates at once: there the version of the `weights` says how far.
    A front never mixes fidelities; `name` is the key that records carry.
    """

    steps: int
    batch: int
    patch: int
    branches: Branches = "none"
    weights: str = ""

    @property
    def name(self) -> str:
        """`400 steps, batch 16, patch 32`, with the branches it was trained with if there were any; or `supernet-v12`."""
        if self.weights:
            return self.weights
        words = [f"{self.steps} steps", f"batch {self.batch}", f"patch {self.patch}"]
        words += [f"{self.branches} branches"] if self.branches != "none" else []
        return ", ".join(words)


@dataclass(frozen=True)
class Scored:
    """A genotype with what was measured of it.

    `figures` maps an objective's name to its value in the unit objectives use; a candidate that broke a bound early
    lacks what was not measured any more. `error` says why a failed candidate has no figures. `seconds` is wall
    time, `cpu_s` processor time of the process it was tried in and of its children. `elapsed_s` is how long the search had
    been going on, by its own clock, when it was recorded.
    """

    genotype: Genotype
    figures: dict[str, float] = field(default_factory=dict)
    fidelity: str = ""
    error: str | None = None
    seconds: float = 0.0
    cpu_s: float = 0.0
    elapsed_s: float = 0.0

    @property
    def id(self) -> str:
        """The genotype's id."""
        return self.genotype.id

    def feasible(self, objectives: Sequence[Objective]) -> bool:
        """Whether it was measured in full and keeps every bound."""
        complete = all(o.name in self.figures for o in objectives)
        return self.error is None and complete and not broken(objectives, self.figures)

    def losses(self, objectives: Sequence[Objective]) -> list[float]:
        """What is minimised, an entry an objective."""
        return [o.loss(self.figures[o.name]) for o in objectives]

    def record(self, objectives: Sequence[Objective]) -> dict[str, Any]:
        """The fields of a `candidate` event that belong to the candidate itself."""
        return {
            "id": self.id,
            "genotype": self.genotype.to_json(),
            "figures": self.figures,
            "fidelity": self.fidelity,
            "seconds": self.seconds,
            "cpu_s": self.cpu_s,
            "error": self.error,
            "feasible": self.feasible(objectives),
            "broke": broken(objectives, self.figures),
        }
