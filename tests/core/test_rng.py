from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pixsearch.rng import derive, stream


def test_the_same_names_give_the_same_numbers() -> None:
    assert np.array_equal(stream(1, "batch", 7).random(5), stream(1, "batch", 7).random(5))


def test_seed_name_and_order_all_matter() -> None:
    seeds = {derive(1, "a", "b"), derive(2, "a", "b"), derive(1, "b", "a"), derive(1, "ab"), derive(1, "a", "b", 0)}
    assert len(seeds) == 5


def test_the_numbers_stay_the_same_over_releases() -> None:
    assert derive(0, "batch", 1) == 4445037422052713931


@given(st.integers(0, 2**31), st.text(max_size=20))
def test_a_seed_fits_what_generators_take(seed: int, name: str) -> None:
    assert 0 <= derive(seed, name) < 2**63
