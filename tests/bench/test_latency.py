from __future__ import annotations

import numpy as np
import pytest

from pixsearch.bench.latency import gmacs_per_s, summarize


def test_figures_of_known_timings():
    latency = summarize([float(v) for v in range(1, 102)][::-1])
    assert (latency.min_ms, latency.median_ms, latency.max_ms, latency.repeats) == (1, 51, 101, 101)
    assert (latency.p90_ms, latency.p95_ms, latency.p99_ms) == (91, 96, 100)


def test_one_slow_run_moves_the_tail_but_not_the_median():
    calm = summarize([10.0] * 99 + [10.0])
    hit = summarize([10.0] * 99 + [500.0])
    assert hit.median_ms == calm.median_ms == 10.0
    assert hit.p99_ms > calm.p99_ms
    assert hit.max_ms == 500.0


def test_json_holds_plain_rounded_numbers():
    values = summarize(np.array([1.23456789, 2.0])).to_json()
    assert values["min_ms"] == 1.2346
    assert type(values["repeats"]) is int
    assert all(type(value) in (float, int) for value in values.values())


def test_no_timings_is_a_fault_of_the_caller():
    with pytest.raises(ValueError, match="latencies_ms"):
        summarize([])


def test_rate_of_multiply_adds():
    assert gmacs_per_s(2.29e9, 100.0) == pytest.approx(22.9)
