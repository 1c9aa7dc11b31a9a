"""What counts as a device's power, and what is said where nothing does."""

from __future__ import annotations

import pytest

from pixsearch.bench.energy import power_of


def test_the_mean_of_a_battery_that_discharges():
    assert power_of([2.0, 2.5, 3.0, 2.5, 2.5], "Discharging") == (2.5, "")


@pytest.mark.parametrize(
    ("readings", "battery", "reason"),
    [
        ([], "Discharging", "no battery tells its current"),
        ([2.0] * 9, "Charging", "says `Charging`"),
        ([2.0] * 9, "", "says `nothing`"),
        ([2.0] * 4, "Discharging", "4 readings"),
        ([0.002] * 9, "Discharging", "0.002 W is implausible"),
    ],
)
def test_why_there_is_none(readings, battery, reason):
    power, said = power_of(readings, battery)
    assert power is None
    assert reason in said
