"""The front of a search: its members, its knee, its hypervolume, and the nearest miss when it is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pixsearch.search.objectives import Objective, violation
from pixsearch.search.pareto import hypervolume, non_dominated
from pixsearch.search.scored import Scored


def comparable(scored: Sequence[Scored]) -> list[Scored]:
    """The candidates of the last one's fidelity: figures of others cannot be compared with theirs."""
    return [one for one in scored if one.fidelity == scored[-1].fidelity]


def members(scored: Sequence[Scored], objectives: Sequence[Objective]) -> list[Scored]:
    """The feasible candidates that no other one dominates, cheapest first (by the first cost, then by quality and id)."""
    feasible = [one for one in scored if one.feasible(objectives)]
    front = [feasible[i] for i in non_dominated([one.losses(objectives) for one in feasible])]
    costs_first = sorted(objectives, key=lambda o: not o.is_cost)
    return sorted(front, key=lambda one: (*(o.loss(one.figures[o.name]) for o in costs_first), one.id))


def knee(front: Sequence[Scored], objectives: Sequence[Objective]) -> Scored:
    """The member where more cost begins to buy less quality: the one farthest from the chord between the front's ends.

    Every objective is scaled to 0 … 1 over the front (costs as logarithms, so 0 is best). Qualities are averaged into one
    axis and costs into the other, which gives the plane of PSNR against log(cost) for the usual two. The distance
    from the chord is then 1 − quality − cost, up to a constant. Ties go to the better quality, then to the smaller id.
    """
    scaled = _scaled([one.losses(objectives) for one in front])

    def preference(i: int) -> tuple[float, float, str]:
        quality = _mean([s for s, o in zip(scaled[i], objectives, strict=True) if not o.is_cost])
        cost = _mean([s for s, o in zip(scaled[i], objectives, strict=True) if o.is_cost])
        return round(quality + cost, 12), quality, front[i].id

    return front[min(range(len(front)), key=preference)]


def _scaled(losses: Sequence[Sequence[float]]) -> list[list[float]]:
    low = [min(column) for column in zip(*losses, strict=True)]
    span = [max(column) - least or 1.0 for column, least in zip(zip(*losses, strict=True), low, strict=True)]
    return [[(value - least) / width for value, least, width in zip(row, low, span, strict=True)] for row in losses]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def reference_point(
    objectives: Sequence[Objective], baseline: Mapping[str, float], largest: Mapping[str, float], first: Sequence[Scored]
) -> dict[str, float]:
    """The corner that hypervolumes are measured from, a figure an objective, in the figures' own units.

    A quality counts from the baseline's (bicubic on the same pictures); a cost from its bound, or without one from
    that of the space's largest member; a latency without a bound from the slowest candidate of the `first` generation.
    """
    point = {}
    for o in objectives:
        if not o.is_cost:
            point[o.name] = baseline[o.name]
        elif o.bound is not None:
            point[o.name] = o.bound
        elif o.is_closed_form:
            point[o.name] = largest[o.name]
        else:
            point[o.name] = max((one.figures[o.name] for one in first if o.name in one.figures), default=1.0)
    return point


def volume(front: Sequence[Scored], objectives: Sequence[Objective], reference: Mapping[str, float]) -> float:
    """The hypervolume of `front`: decibels (or SSIM) times decades of each cost."""
    corner = [o.loss(reference[o.name]) for o in objectives]
    return hypervolume([one.losses(objectives) for one in front], corner)


def nearest_miss(scored: Sequence[Scored], objectives: Sequence[Objective]) -> Scored | None:
    """The candidate that broke its bounds by the smallest share; the earlier one of equals; None when all failed."""
    tried = [one for one in scored if one.error is None]
    return min(tried, key=lambda one: violation(objectives, one.figures), default=None)
