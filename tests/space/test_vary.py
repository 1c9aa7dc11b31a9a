"""Steps over the values of a gene that several spaces take."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pixsearch.space.vary import below, beside

VALUES = (4, 8, 12, 16, 24, 32)


@pytest.mark.parametrize(("value", "smaller"), [(4, 4), (8, 4), (24, 16), (20, 16), (99, 32), (1, 1)])
def test_the_value_below_is_the_next_smaller_one(value: int, smaller: int) -> None:
    assert below(value, VALUES) == smaller


def test_what_lies_beside_is_mostly_a_neighbour_and_now_and_then_anything() -> None:
    rng = np.random.default_rng(0)
    drawn = Counter(beside(rng, 13, VALUES) for _ in range(3000))  # nearest to 12
    assert set(drawn) == set(VALUES)
    assert all(900 < drawn[neighbour] < 1500 for neighbour in (8, 16))
    assert all(100 < drawn[other] < 200 for other in (4, 12, 24, 32))


def test_the_ends_stay_within_the_values() -> None:
    rng = np.random.default_rng(1)
    assert {beside(rng, end, VALUES) for end in (1, 99) for _ in range(100)} <= set(VALUES)
