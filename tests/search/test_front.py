"""The front, its knee and its volume on figures small enough to work out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from pixsearch.search.front import knee, members, nearest_miss, reference_point, volume
from pixsearch.search.objectives import parse_objectives
from pixsearch.search.scored import Scored

PLANE = parse_objectives(["psnr", "macs_720p<=2G"])


@pytest.fixture
def one(toy: Any) -> Any:
    """A scored candidate whose digits are its name."""

    def make(name: int, error: str | None = None, **figures: float) -> Scored:
        return Scored(toy.space.parse({"digits": [name]}), figures, error=error)

    return make


def test_members_are_feasible_and_undominated_cheapest_first(one: Any) -> None:
    best = [one(1, psnr=33, macs_720p=1e9), one(2, psnr=31, macs_720p=1e7), one(3, psnr=32, macs_720p=1e8)]
    dominated = one(4, psnr=31.5, macs_720p=2e8)
    beyond, failed, partial = one(5, psnr=40, macs_720p=3e9), one(6, "MemoryError"), one(7, macs_720p=1e6)
    front = members([*best, dominated, beyond, failed, partial], PLANE)
    assert [m.genotype.digits[0] for m in front] == [2, 3, 1]
    assert members([beyond, failed], PLANE) == []


def test_the_knee_is_farthest_from_the_chord_over_log_cost(one: Any) -> None:
    ends = [one(1, psnr=30, macs_720p=1e6), one(2, psnr=34, macs_720p=1e9)]
    on_chord, above = one(3, psnr=30 + 4 / 3, macs_720p=1e7), one(4, psnr=33.0, macs_720p=1e8)
    assert knee([*ends, on_chord, above], PLANE) is above
    # In plain multiply-adds a cheap member would win; over their logarithm it lies below `above`.
    cheap = one(5, psnr=31.5, macs_720p=1e7)
    assert knee([*ends, cheap, above], PLANE) is above


def test_the_knee_of_one_or_two_is_the_better_picture(one: Any) -> None:
    small, large = one(1, psnr=30, macs_720p=1e6), one(2, psnr=34, macs_720p=1e9)
    assert knee([small], PLANE) is small
    assert knee([small, large], PLANE) is large


def test_two_costs_count_as_one_axis(one: Any) -> None:
    objectives = parse_objectives(["psnr", "macs_720p", "params"])
    ends = [one(1, psnr=30, macs_720p=1e6, params=1e3), one(2, psnr=34, macs_720p=1e9, params=1e6)]
    front = [*ends, one(3, psnr=33, macs_720p=1e8, params=1e4)]
    assert knee(front, objectives) is front[2]


def test_the_reference_is_the_baseline_and_the_bound_or_the_largest_member(one: Any) -> None:
    objectives = parse_objectives(["psnr", "ssim", "macs_720p<=2G", "params", "latency@local", "latency@local/2t<=9ms"])
    name = "latency@local/1280x720/float/1t"
    slow = [one(1, **{name: 20.0}), one(2, **{name: 70.0}), one(3, "RuntimeError")]
    point = reference_point(objectives, {"psnr": 31.0, "ssim": 0.9}, {"macs_720p": 1e12, "params": 5e6}, slow)
    assert list(point.values()) == [31.0, 0.9, 2e9, 5e6, 70.0, 9.0]
    assert list(point) == [o.name for o in objectives]


def test_volume_is_decibels_times_decades(one: Any) -> None:
    reference = {"psnr": 30.0, "macs_720p": 1e9}
    front = [one(1, psnr=32.0, macs_720p=1e7), one(2, psnr=33.0, macs_720p=1e8)]
    assert volume(front, PLANE, reference) == pytest.approx(2.0 * 2 + 1.0 * 1)
    assert volume([one(3, psnr=29.0, macs_720p=1e6)], PLANE, reference) == 0.0  # worse than bicubic is worth nothing


def test_the_nearest_miss_breaks_least(one: Any) -> None:
    tried = [one(1, psnr=30, macs_720p=4e9), one(2, psnr=30, macs_720p=2.2e9), one(3, "MemoryError")]
    assert nearest_miss(tried, PLANE) is tried[1]
    assert nearest_miss(tried[2:], PLANE) is None
