"""NSGA-II over mixtures (Deb et al. 2002), from a first population out of the sensitivity analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pixsearch.bits.formats import Mixture
from pixsearch.bits.layers import LayerNodes
from pixsearch.bits.score import Figures
from pixsearch.export.sensitivity import Sensitivity
from pixsearch.rng import stream
from pixsearch.search.pareto import Standing, non_dominated, survive
from pixsearch.search.strategies.operators import binary_tournament

_TRIES = 50

Known = Mapping[Mixture, Figures]
Evaluate = Callable[[Mixture], Figures | None]
"""Scores a mixture and keeps what it found; None when the time is over."""


@dataclass(frozen=True)
class Bound:
    """The most milliseconds a mixture may take."""

    latency_ms: float

    def violation(self, figures: Figures) -> float:
        """By what share of the bound it is broken; 0 when it is kept."""
        return max(0.0, figures.latency_ms / self.latency_ms - 1.0)

    def feasible(self, known: Known) -> dict[Mixture, Figures]:
        """Those that keep it."""
        return {mixture: figures for mixture, figures in known.items() if self.violation(figures) == 0.0}


def first_population(layers: Sequence[LayerNodes], sensitivity: Sensitivity, most: int) -> list[Mixture]:
    """Up to `most` mixtures to begin with: each format everywhere, then the layers that cost most in 8 bits spared, one after another.

    The layers behind the spared ones are `int8`, then `int32`, where they can be.
    """
    spared = sorted(range(len(layers)), key=lambda place: sensitivity.layers[place].spared_db)
    found = [uniform(layers, "int8"), uniform(layers, "int32"), uniform(layers, "float")]
    for count in range(1, len(layers)):
        for rest in ("int8", "int32"):
            base = uniform(layers, rest)
            found.append(tuple("float" if place in spared[:count] else one for place, one in enumerate(base)))
    found += [uniform(layers, "int16")]
    return list(dict.fromkeys(found))[:most]


def uniform(layers: Sequence[LayerNodes], wanted: str) -> Mixture:
    """One format everywhere, `int8` where a layer cannot have it."""
    return tuple(next((one for one in layer.choices if one == wanted), "int8") for layer in layers)


def evolve(
    layers: Sequence[LayerNodes],
    begin: Sequence[Mixture],
    bound: Bound,
    evaluate: Evaluate,
    *,
    population: int,
    evaluations: int,
    seed: int,
) -> dict[Mixture, Figures]:
    """Every mixture tried, `evaluations` at most, in the order they were; fewer when there are no more or the time is over."""
    known: dict[Mixture, Figures] = {}
    for mixture in _proposals(layers, begin, bound, known, population, seed):
        figures = evaluate(mixture) if len(known) < evaluations else None
        if figures is None:
            break
        known[mixture] = figures
    return known


def _proposals(
    layers: Sequence[LayerNodes], begin: Sequence[Mixture], bound: Bound, known: dict[Mixture, Figures], population: int, seed: int
) -> Iterator[Mixture]:
    """The first ones, then children of whatever survives among the `known`, which grow as each one is scored."""
    yield from begin
    living, standings = _survivors(known, bound, population, seed)
    while True:
        offspring = 0
        while offspring < population // 2:
            rng = stream(seed, "bits", len(known))
            child = _fresh_child(layers, living, standings, known, rng)
            if child is None:
                return
            yield child
            offspring += 1
        living, standings = _survivors(known, bound, population, seed)


def _survivors(known: Known, bound: Bound, population: int, seed: int) -> tuple[list[Mixture], list[Standing]]:
    mixtures = list(known)
    losses = [figures.losses for figures in known.values()]
    violations = [bound.violation(figures) for figures in known.values()]
    standings = survive(losses, violations, population, stream(seed, "bits survival", len(known)))
    return [mixtures[one.index] for one in standings], standings


def _fresh_child(
    layers: Sequence[LayerNodes], living: Sequence[Mixture], standings: Sequence[Standing], known: Known, rng: np.random.Generator
) -> Mixture | None:
    """A mixture not tried yet: both parents' layers, with one or more changed; None where none is found."""
    for attempt in range(_TRIES):
        first, second = (living[binary_tournament(standings, rng)] for _ in range(2))
        child = [one if rng.random() < 0.5 else other for one, other in zip(first, second, strict=True)]
        share = (1 + attempt // 10) / len(layers)  # more where what is near has been tried
        for place, layer in enumerate(layers):
            if rng.random() < share:
                child[place] = layer.choices[int(rng.integers(len(layer.choices)))]
        if tuple(child) not in known:
            return tuple(child)
    return None


def front_of(known: Known) -> list[Mixture]:
    """The mixtures that no other one dominates, fastest first."""
    mixtures = list(known)
    chosen = [mixtures[place] for place in non_dominated([known[mixture].losses for mixture in mixtures])]
    return sorted(chosen, key=lambda mixture: (known[mixture].latency_ms, known[mixture].loss_db, mixture))
