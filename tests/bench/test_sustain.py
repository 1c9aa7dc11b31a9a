from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixsearch.bench.sustain import STRETCHES, throttling


@given(st.lists(st.floats(0.1, 1e3), min_size=1, max_size=300))
def test_the_curve_covers_the_run(latencies):
    found = throttling(latencies)
    assert found["runs"] == len(latencies)
    assert found["seconds"] == pytest.approx(sum(latencies) / 1e3, abs=1e-3)
    assert 1 <= len(found["curve"]) <= STRETCHES
    assert found["slowdown"] >= 0
    seconds = [second for second, _ in found["curve"]]
    assert seconds == sorted(seconds)


def test_a_device_that_halves_its_clock():
    found = throttling([10.0] * 3000 + [20.0] * 1500)
    assert found["slowdown"] == pytest.approx(1.0)
    assert found["curve"][0][1] == 10.0
    assert found["curve"][-1][1] == 20.0


def test_a_device_that_keeps_its_clock():
    assert throttling([10.0] * 100)["slowdown"] == 0.0
