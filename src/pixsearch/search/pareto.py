"""Dominance, survival and hypervolume by pymoo, on plain arrays; the one place that imports it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt
from pymoo.algorithms.moo.nsga3 import associate_to_niches, calc_niche_count, niching
from pymoo.config import Config as PymooConfig
from pymoo.core.population import Population
from pymoo.indicators.hv import HV
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting
from pymoo.util.ref_dirs import get_reference_directions

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


def survive_any(orders: Sequence[Losses], keep: int, rng: np.random.Generator) -> list[int]:
    """Positions of the `keep` best of several orders merged (pNSGA-III, Yang et al. 2020), best first.

    Each of `orders` holds the losses (n, objectives) of the same entries. An entry is as good as the best front that it stands on in
    any of them. Of the last front that has room in part, those are kept that fill the emptiest directions of the first order's
    objectives (NSGA-III, Deb & Jain 2014).
    """
    if len(orders[0]) == 0:
        return []
    ranks = np.min([_ranks(losses) for losses in orders], axis=0)
    fronts = [np.flatnonzero(ranks == rank) for rank in range(int(ranks.max()) + 1)]
    kept: list[int] = []
    for front in fronts:
        if len(kept) + len(front) > keep:
            kept += _emptiest(np.asarray(orders[0], dtype=float), kept, front, keep - len(kept), rng)
            break
        kept += front.tolist()
    return kept


def _ranks(losses: Losses) -> npt.NDArray[np.int64]:
    """The front of each entry, 0 is best."""
    _, ranks = NonDominatedSorting().do(np.asarray(losses, dtype=float), return_rank=True)
    return np.asarray(ranks, dtype=np.int64)


def _emptiest(
    losses: npt.NDArray[np.float64], kept: list[int], front: npt.NDArray[np.int64], count: int, rng: np.random.Generator
) -> list[int]:
    """`count` of `front`, by niches around reference directions through the kept and the front."""
    pool = losses[[*kept, *front]]
    ideal, span = pool.min(axis=0), np.ptp(pool, axis=0)
    directions = _directions(pool.shape[1], len(kept) + count)
    niches, distances, _ = associate_to_niches(pool, directions, ideal, ideal + np.where(span > 0, span, 1.0))
    filled = calc_niche_count(len(directions), niches[: len(kept)])
    of_front = slice(len(kept), None)
    chosen = niching(pool[of_front], count, filled, niches[of_front], distances[of_front], random_state=rng)
    return [int(front[i]) for i in chosen]


def _directions(dimensions: int, wanted: int) -> npt.NDArray[np.float64]:
    """Directions evenly over the simplex, about as many as `wanted` (Das & Dennis 1998)."""
    if dimensions == 1:
        return np.ones((1, 1))
    parts = next(p for p in range(1, wanted + 1) if comb(p + dimensions - 1, p) >= wanted)
    return np.asarray(get_reference_directions("das-dennis", dimensions, n_partitions=parts))


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
