"""What counts as a device's power, and what is said where nothing does."""

from __future__ import annotations

import pytest

from pixsearch.bench.energy import power_of
from pixsearch.bench.rows import latency_entry
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.subjects import Subject
from pixsearch.bench.targets.base import Measurement, Repeat
from pixsearch.infer.session import OnnxModel


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


def test_a_run_s_energy_is_the_power_times_its_time(model):
    subject = Subject(model, OnnxModel.open(model).card, "digest", 1, "small")
    taken = Measurement((10.0, 20.0, 30.0), (), 1, 2.0, None, None, "CPU", "ort", power_w=(2.0,) * 6, battery="Discharging")
    entry = latency_entry(subject, LatencySpec("adb"), Repeat(), taken)
    assert (entry["power_w"], entry["energy_mj"], entry["power_note"]) == (2.0, 40.0, "")
