"""The learning rate along a training, and how far the training has come."""

from __future__ import annotations

import itertools
import time

import pytest

from pixsearch.train.config import TrainConfig
from pixsearch.train.schedule import REWARM, Clock, rate_share


def test_the_rate_rises_to_its_peak_and_falls_to_nothing() -> None:
    shares = [rate_share(i / 1000, 0.1) for i in range(1001)]
    assert shares[0] == 0
    assert shares[100] == pytest.approx(1)
    assert shares[550] == pytest.approx(0.5)
    assert shares[1000] == pytest.approx(0, abs=1e-12)
    assert shares[:101] == sorted(shares[:101])
    assert shares[100:] == sorted(shares[100:], reverse=True)


def test_without_warm_up_it_begins_at_the_peak() -> None:
    assert rate_share(0.0, 0.0) == 1


@pytest.mark.parametrize("begin", [0.1, 0.5, 0.9, 0.98, 0.9999])
@pytest.mark.parametrize("before", [0.0, 0.4, 1.0])
def test_another_schedule_is_entered_without_a_jump(begin: float, before: float) -> None:
    places = [begin + (1 - begin) * i / 1000 for i in range(1001)]
    shares = [rate_share(place, 0.05, (begin, before)) for place in places]
    assert shares[0] == pytest.approx(before)
    assert shares[-1] == pytest.approx(0, abs=1e-12)
    assert max(abs(b - a) for a, b in itertools.pairwise(shares)) <= 0.025
    after = begin + min(REWARM, (1 - begin) / 2)
    assert all(rate_share(place, 0.05, (begin, before)) == rate_share(place, 0.05) for place in places if place > after + 1e-9)


def test_a_schedule_that_is_over_when_it_is_entered_stays_over() -> None:
    assert rate_share(1.0, 0.05, (1.0, 0.7)) == rate_share(1.3, 0.05, (1.3, 0.7)) == pytest.approx(0, abs=1e-12)


def test_it_stays_down_after_the_end() -> None:
    assert rate_share(1.2, 0.1) == pytest.approx(0, abs=1e-12)


def test_steps_count_whatever_the_time() -> None:
    clock = Clock(TrainConfig(steps=200), used_s=1e6)
    assert clock.progress(50) == 0.25
    assert clock.left_s(50, steps_per_s=10) == 15
    assert clock.left_s(50, steps_per_s=0) is None


def test_a_budget_counts_time_used_before() -> None:
    clock = Clock(TrainConfig(budget_s=100), used_s=40)
    assert 0.4 <= clock.progress(7) < 0.5
    assert clock.elapsed_s >= 40
    before = clock.progress(7)
    time.sleep(0.01)
    assert clock.progress(7) == before, "what belongs to one step sees one moment"
    assert clock.tick() is False
    assert clock.progress(7) > before
    left = clock.left_s(7, steps_per_s=1)
    assert left is not None
    assert 50 < left <= 60


def test_an_overrun_budget_leaves_nothing() -> None:
    clock = Clock(TrainConfig(budget_s=10), used_s=11)
    assert clock.progress(0) >= 1
    assert clock.left_s(0, 1) == 0
