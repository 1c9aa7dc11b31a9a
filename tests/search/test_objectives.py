"""Objectives as people type them: read, written out in full, and refused with what is wrong."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixsearch.errors import UsageError
from pixsearch.search.objectives import broken, parse_objective, parse_objectives, violation


@pytest.mark.parametrize(
    ("text", "full", "bound"),
    [
        ("psnr", "psnr", None),
        ("psnr>=33.5", "psnr>=33.5dB", 33.5),
        ("psnr >= 33.5 dB", "psnr>=33.5dB", 33.5),
        ("ssim>=0.9", "ssim>=0.9", 0.9),
        ("macs_720p<=2.5G", "macs_720p<=2.5G", 2.5e9),
        ("macs_720p<=2500000000", "macs_720p<=2.5G", 2.5e9),
        ("params<=20K", "params<=20K", 20_000),
        ("params<=980", "params<=980", 980),
        ("memory<=64MB", "memory<=64MB", 64e6),
        ("memory<=1MiB", "memory<=1.048576MB", 2**20),
        ("latency@local<=90ms", "latency@local/1280x720/float/1t<=90ms", 90),
        ("latency@local<=0.09s", "latency@local/1280x720/float/1t<=90ms", 90),
        ("latency@local/2t/int8/640x360", "latency@local/640x360/int8/2t", None),
    ],
)
def test_written_out_in_full(text: str, full: str, bound: float | None) -> None:
    objective = parse_objective(text)
    assert str(objective) == full
    assert objective.bound == (None if bound is None else pytest.approx(bound, rel=1e-12))
    assert parse_objective(full) == objective


@given(
    name=st.sampled_from(["psnr>=", "ssim>=", "macs_720p<=", "params<=", "memory<=", "latency@local<="]),
    bound=st.floats(0.01, 1e13),
)
def test_what_is_written_out_reads_the_same(name: str, bound: float) -> None:
    unit = "ms" if name.startswith("latency") else ""
    objective = parse_objective(f"{name}{math.ceil(bound) if name == 'memory<=' else bound!r}{unit}")
    assert objective.bound == pytest.approx(math.ceil(bound) if name == "memory<=" else bound, rel=1e-13)
    assert parse_objective(str(objective)) == objective


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pnsr", "Did you mean `psnr`?"),
        ("macs", "Did you mean `macs_720p`?"),
        ("latency", "names no target"),
        ("latency@lokal<=90ms", "Did you mean `local`?"),
        ("psnr<=33", "Write `>=` instead of `<=`"),
        ("macs_720p>=2G", "Write `<=` instead of `>=`"),
        ("macs_720p<2G", "Write `<=` instead of `<`"),
        ("macs_720p=2G", "Write `<=` instead of `=`"),
        ("macs_720p<=", "cannot be read"),
        ("macs_720p<=many", "`many` is not a number"),
        ("memory<=64ms", "is not a size"),
        ("latency@local<=90", "has no unit of time"),
        ("latency@local<=90px", "is not a duration"),
        ("params<=0", "is not above 0"),
        ("two words", "is not an objective"),
        ("", "is not an objective"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_objective(text)
    assert says in str(caught.value)


def test_a_figure_counts_once_also_in_another_spelling() -> None:
    with pytest.raises(UsageError, match="named 2 times"):
        parse_objectives(["psnr", "latency@local", "latency@local/1t<=90ms"])
    assert len(parse_objectives(["psnr", "latency@local", "latency@local/2t"])) == 3


def test_a_quality_must_be_asked_for() -> None:
    with pytest.raises(UsageError, match="Add `psnr`"):
        parse_objectives(["macs_720p", "params"])


def test_losses_count_costs_in_decades_and_qualities_upside_down() -> None:
    quality, cost = parse_objectives(["psnr", "macs_720p"])
    assert quality.loss(33.0) == -33.0
    assert cost.loss(1e9) - cost.loss(1e8) == pytest.approx(1.0)


def test_violation_is_a_share_of_the_bound() -> None:
    objectives = parse_objectives(["psnr>=32", "macs_720p<=2G", "params"])
    assert violation(objectives, {"psnr": 32.0, "macs_720p": 2e9, "params": 1e12}) == 0
    assert violation(objectives, {"psnr": 30.4, "macs_720p": 2.5e9}) == pytest.approx(0.05 + 0.25)
    assert broken(objectives, {"psnr": 30.4, "macs_720p": 2e9}) == ["psnr>=32dB"]
    assert violation(objectives, {}) == 0  # not measured, so not known to be broken
