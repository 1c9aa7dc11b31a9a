from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixsearch.errors import UsageError
from pixsearch.units import format_bytes, format_count, format_duration, parse_bytes, parse_count, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("10min", 600), ("1.5h", 5400), ("250ms", 0.25), ("7", 7), (7, 7), ("1e2s", 100)]
)
def test_durations(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(("text", "number"), [("2.5G", 2.5e9), ("10K", 1e4), ("10k", 1e4), ("0.6", 0.6), (3.0, 3.0), ("64M", 64e6)])
def test_counts(text: str | float, number: float) -> None:
    assert parse_count(text) == pytest.approx(number)


def test_bytes_tell_decimal_from_binary() -> None:
    assert (parse_bytes("20GB"), parse_bytes("2GiB"), parse_bytes("512")) == (20_000_000_000, 2 * 2**30, 512)


def test_a_size_names_the_width_first() -> None:
    assert parse_size("1280x720") == (720, 1280)


@pytest.mark.parametrize("text", ["", "ten", "10 parsecs", "-3m", "1m30"])
def test_a_strange_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration.*10m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["1280", "0x720", "1280x", "axb"])
def test_a_strange_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="1280x720"):
        parse_size(text)


@given(st.floats(min_value=1e-3, max_value=1e14))
def test_a_written_count_reads_back_to_three_digits(number: float) -> None:
    assert parse_count(format_count(number)) == pytest.approx(number, rel=6e-3)


def test_people_read_these() -> None:
    assert format_count(2.2892544e9) == "2.29 G"
    assert format_bytes(41_230) == "41.2 KB"
    assert [format_duration(s) for s in (0.42, 42, 185, 7800)] == ["0.4 s", "42 s", "3 min 05 s", "2 h 10 min"]
