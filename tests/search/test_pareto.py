"""Survival, fronts and hypervolume on plain arrays."""

from __future__ import annotations

import numpy as np
import pytest

from pixsearch.search.pareto import hypervolume, non_dominated, survive


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_front_keeps_what_nothing_dominates() -> None:
    assert non_dominated([[1, 5], [2, 2], [5, 1], [3, 3], [2, 6]]) == [0, 1, 2]
    assert non_dominated([[1, 1], [1, 1]]) == [0, 1]
    assert non_dominated([]) == []
    assert non_dominated([[3.0], [1.0], [2.0]]) == [1]


def test_better_fronts_survive_and_the_lonely_of_the_last() -> None:
    losses = [[0, 10], [10, 0], [5, 5], [5.1, 4.9], [11, 11], [12, 12]]
    kept = survive(losses, [0.0] * 6, 3, rng())
    assert {s.index for s in kept} >= {0, 1}
    assert {s.index for s in kept} <= {0, 1, 2, 3}
    assert all(s.rank == 0 for s in kept)


def test_ranks_and_crowding_are_those_of_the_survivors_fronts() -> None:
    standings = survive([[0, 0], [1, 1], [2, 2]], [0.0] * 3, 3, rng())
    assert [(s.index, s.rank) for s in standings] == [(0, 0), (1, 1), (2, 2)]
    ends = survive([[0, 4], [1, 1], [4, 0]], [0.0] * 3, 3, rng())
    assert np.isinf([s.crowding for s in ends if s.index != 1]).all()
    assert np.isfinite([s.crowding for s in ends if s.index == 1]).all()


def test_what_breaks_a_bound_ranks_behind_by_how_much() -> None:
    kept = survive([[9, 9], [0, 0], [0, 0], [0, 0]], [0.0, 0.5, 0.1, 0.9], 3, rng())
    assert [s.index for s in kept] == [0, 2, 1]
    assert [s.rank for s in kept] == [0, 1, 2]
    assert [s.index for s in survive([[0], [0]], [0.5, 0.1], 2, rng())] == [1, 0]


def test_same_generator_same_survivors() -> None:
    losses = np.random.default_rng(3).random((40, 2))
    first, again = (survive(losses, [0.0] * 40, 10, rng()) for _ in range(2))
    assert first == again
    assert survive([], [], 5, rng()) == []


def test_hypervolume_of_known_rectangles() -> None:
    assert hypervolume([[0.0, 0.0]], [2.0, 3.0]) == pytest.approx(6.0)
    assert hypervolume([[0.0, 1.0], [1.0, 0.0]], [2.0, 2.0]) == pytest.approx(3.0)
    assert hypervolume([[0.0, 1.0], [1.0, 0.0], [5.0, 5.0]], [2.0, 2.0]) == pytest.approx(3.0)
    assert hypervolume([[5.0, 5.0]], [2.0, 2.0]) == 0.0
    assert hypervolume([], [2.0, 2.0]) == 0.0
    assert hypervolume([[1.0]], [3.0]) == pytest.approx(2.0)
