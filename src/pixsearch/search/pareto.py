"""Dominance, survival and hypervolume by pymoo, on plain arrays; the one place that imports it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pymoo.config import Config as PymooConfig
from pymoo.core.population import Population
from pymoo.indicators.hv import HV
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

# Where pymoo's compiled part is absent it would print a banner at first use; the pure form is fast enough here.
PymooConfig.warnings["not_compiled"] = False

Losses = Sequence[Sequence[float]] | npt.NDArray[np.float64]


@dataclass(frozen=True)
class Standing:
    """Where one of a population stands: its position there, its front (0 is best) and its crowding distance (more is lonelier)."""

    index: int
    rank: int
    crowding: float


class _Constrained:
    """What pymoo's survival asks of a problem."""

    def has_constraints(self) -> bool:
        return True


def survive(losses: Losses, violations: Sequence[float], keep: int, rng: np.random.Generator) -> list[Standing]:
    """The `keep` best by front and crowding distance (NSGA-II, Deb et al. 2002), best fronts first.

    `losses` (n, objectives) are minimised. An entry with a violation above 0 ranks behind every feasible one, the
    smaller violation first (Deb's constrained domination); its losses are not looked at.
    """
    if len(losses) == 0:
        return []
    broken = np.asarray(violations, dtype=float)
    population: Any = Population.new(F=np.asarray(losses, dtype=float), G=broken[:, None], index=np.arange(len(losses)))
    chosen: Any = RankAndCrowding().do(_Constrained(), population, n_survive=keep, random_state=rng)
    return _standings(chosen, broken)


def _standings(chosen: Any, violations: npt.NDArray[np.float64]) -> list[Standing]:
    standings: list[Standing] = []
    last = -1
    for one in chosen:
        index = int(one.get("index"))
        if violations[index] > 0:
            last += 1
            standings.append(Standing(index, last, 0.0))
        else:
            last = max(last, int(one.get("rank")))
            standings.append(Standing(index, int(one.get("rank")), float(one.get("crowding"))))
    return standings


def non_dominated(losses: Losses) -> list[int]:
    """Positions of the entries that no other dominates, in their order; of equal entries all."""
    if len(losses) == 0:
        return []
    front = NonDominatedSorting().do(np.asarray(losses, dtype=float), only_non_dominated_front=True)
    return sorted(int(i) for i in front)


def hypervolume(losses: Losses, reference: Sequence[float]) -> float:
    """The volume between the entries and `reference`, all minimised; entries beyond it add nothing; 0 without any."""
    if len(losses) == 0:
        return 0.0
    return float(HV(ref_point=np.asarray(reference, dtype=float))(np.asarray(losses, dtype=float)))
