"""The search over mixtures, on figures that are known: what it finds, and that it finds it again."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from pixsearch.bits.evolve import Bound, evolve, first_population, front_of, uniform
from pixsearch.bits.formats import EVERY
from pixsearch.bits.layers import LayerNodes
from pixsearch.bits.score import Figures
from pixsearch.export.sensitivity import LayerLoss, Sensitivity

LAYERS = [LayerNodes(f"layer {place}", (), EVERY if place else ("int8", "float", "int16")) for place in range(5)]
COSTS = {"int8": (0.03, 10.0, 100), "int32": (0.02, 9.0, 110), "float": (0.0, 25.0, 400), "int16": (0.005, 30.0, 100)}
SENSITIVITY = Sensitivity(0.15, 1, tuple(LayerLoss(f"layer {p}", "Conv", 0.0, spared_db=0.1 - 0.01 * p) for p in range(5)))


def figures(mixture) -> Figures:
    """Later layers lose more; each change of format costs a millisecond."""
    loss = sum(COSTS[one][0] * (place + 1) for place, one in enumerate(mixture))
    changes = sum(one != other for one, other in pairwise(mixture))
    return Figures(loss, sum(COSTS[one][1] for one in mixture) + changes, sum(COSTS[one][2] for one in mixture))


def search(seed: int = 0, evaluations: int = 150, most_ms: float = 62.0):
    bound = Bound(most_ms)
    begin = first_population(LAYERS, SENSITIVITY, 12)
    return evolve(LAYERS, begin, bound, figures, population=16, evaluations=evaluations, seed=seed), bound


def test_it_begins_with_formats_everywhere_and_the_costliest_layers_spared():
    begin = first_population(LAYERS, SENSITIVITY, 100)
    assert begin[0] == ("int8",) * 5
    assert begin[1] == ("int8", "int32", "int32", "int32", "int32")  # the first cannot be int32
    assert ("int8", "int8", "int8", "int8", "float") in begin
    assert ("int8", "int32", "int32", "float", "float") in begin
    assert uniform(LAYERS, "int16") in begin
    assert len(begin) == len(set(begin))


def test_it_finds_what_trying_everything_finds():
    every = {mixture: figures(mixture) for mixture in product(*(layer.choices for layer in LAYERS))}
    known, bound = search(evaluations=300)
    assert len(known) <= 300 < len(every)
    best = min(one.loss_db for one in bound.feasible(every).values())
    found = min(one.loss_db for one in bound.feasible(known).values())
    assert found == pytest.approx(best)


def test_a_seed_gives_the_same_mixtures_in_the_same_order():
    assert list(search(1)[0]) == list(search(1)[0])
    assert list(search(1)[0]) != list(search(2)[0])


def test_no_mixture_is_tried_twice_and_none_has_a_format_that_a_layer_lacks():
    known, _ = search(evaluations=200)
    assert len(known) == 200
    assert all(one in layer.choices for mixture in known for one, layer in zip(mixture, LAYERS, strict=True))


def test_it_ends_when_there_are_no_more():
    layers = LAYERS[:2]
    sensitivity = Sensitivity(0.1, 1, SENSITIVITY.layers[:2])
    known = evolve(layers, first_population(layers, sensitivity, 8), Bound(1e9), figures, population=8, evaluations=1000, seed=0)
    assert len(known) >= 0.9 * 3 * 4


def test_nothing_is_proposed_once_the_time_is_over():
    left = [3]

    def evaluate(mixture):
        left[0] -= 1
        return figures(mixture) if left[0] >= 0 else None

    assert len(evolve(LAYERS, first_population(LAYERS, SENSITIVITY, 12), Bound(60.0), evaluate, population=8, evaluations=50, seed=0)) == 3


def test_the_front_holds_what_none_dominates_fastest_first():
    known = {("int8",): Figures(0.1, 10, 100), ("float",): Figures(0.0, 20, 400), ("int16",): Figures(0.2, 30, 500)}
    assert front_of(known) == [("int8",), ("float",)]
