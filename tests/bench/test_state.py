from __future__ import annotations

import subprocess

import pytest

from pixsearch.bench.targets.state import FACTS, STATE, Facts, hottest_c, processors, read_facts, read_state, split_cores
from pixsearch.errors import MachineError, UsageError

PHONE = Facts("aarch64", 8, "Pretend 1", {0: 1785600, 1: 1785600, 4: 2419200, 7: 2956800})


def sh(script):
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout


def test_this_machine_s_shell_tells_its_facts():
    facts = read_facts(sh(FACTS))
    assert facts.machine
    assert facts.cores >= 1
    assert isinstance(read_state(sh(STATE)), dict)


def test_a_phone_s_facts():
    said = "machine=aarch64\ncores=8\nmodel=Pretend 1\nsoc=SM8150\nandroid=11\nclock.0=1785600\nclock.7=2956800\n"
    assert read_facts(said) == Facts("aarch64", 8, "Pretend 1, SM8150, Android 11", {0: 1785600, 7: 2956800})
    assert read_facts("machine=arm64\ncores=4\nmodel=\n").machine == "aarch64"


@pytest.mark.parametrize("text", ["", "sh: not found", "machine=x86_64\ncores=many"])
def test_what_is_no_shell(text):
    with pytest.raises(MachineError, match="unreadable"):
        read_facts(text)


def test_temperatures_are_told_in_degrees_and_sensors_that_are_off_are_left_out():
    state = read_state("heat.cpu-0=41200\nheat.off=0\nheat.odd=999999\nbattery=251\ngovernor.0=schedutil\nclock.0=1785600\n")
    assert state == {"governors": {"0": "schedutil"}, "clocks_mhz": {"0": 1785.6}, "temperatures_c": {"cpu-0": 41.2, "battery": 25.1}}
    assert hottest_c(state) == 41.2
    assert hottest_c(read_state("")) is None


def test_cores_are_chosen_by_their_clock():
    assert processors("big", PHONE) == "7"
    assert processors("little", PHONE) == "0,1"
    assert processors("4-6", PHONE) == "4-6"
    assert processors("", PHONE) == "-"
    with pytest.raises(MachineError, match="does not tell the clocks"):
        processors("big", Facts("aarch64", 4, "", {}))


def test_what_follows_the_plus_are_cores():
    assert split_cores("127.0.0.1:5555+big") == ("127.0.0.1:5555", "big")
    assert split_cores("pi@rk3399+4-5") == ("pi@rk3399", "4-5")
    assert split_cores("+0,2") == ("", "0,2")
    with pytest.raises(UsageError, match="names no cores"):
        split_cores("phone+fast")
