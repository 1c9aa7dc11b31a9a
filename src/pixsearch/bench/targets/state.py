"""What a machine tells of itself in a shell: its kind, its cores by speed, its clock governor and temperature."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pixsearch.errors import MachineError, UsageError

KINDS = {"arm64": "aarch64", "armv8l": "aarch64", "amd64": "x86_64"}

# One `name=value` a line; what a machine does not tell is left out. POSIX shell, and toybox's tools as on Android.
FACTS = r"""
echo machine=$(uname -m)
echo cores=$(nproc)
title() {
  getprop ro.product.model || tr -d '\000' < /proc/device-tree/model || sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1
}
echo model=$(title 2>/dev/null)
echo soc=$(getprop ro.soc.model 2>/dev/null)
echo android=$(getprop ro.build.version.release 2>/dev/null)
for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
  test -r $cpu/cpufreq/cpuinfo_max_freq && echo clock.${cpu##*/cpu}=$(cat $cpu/cpufreq/cpuinfo_max_freq)
done
true
"""
STATE = r"""
for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
  test -r $cpu/cpufreq/scaling_governor && echo governor.${cpu##*/cpu}=$(cat $cpu/cpufreq/scaling_governor)
  test -r $cpu/cpufreq/scaling_cur_freq && echo clock.${cpu##*/cpu}=$(cat $cpu/cpufreq/scaling_cur_freq)
done
for zone in /sys/class/thermal/thermal_zone*; do
  test -r $zone/temp && echo "heat.$(cat $zone/type)=$(cat $zone/temp 2>/dev/null)"
done
echo battery=$(dumpsys battery 2>/dev/null | sed -n 's/^ *temperature: *//p')
true
"""
PLAUSIBLE_C = (1.0, 150.0)  # outside of it a sensor is off or counts something else


@dataclass(frozen=True)
class Facts:
    """What does not change: `machine` as in bundles (`aarch64`), its cores, their highest clocks in kHz by number."""

    machine: str
    cores: int
    title: str
    clocks: Mapping[int, int]


def read_facts(text: str) -> Facts:
    """The facts in what `FACTS` printed; `MachineError` for something else."""
    said = _pairs(text)
    if "machine" not in said or not said.get("cores", "").isdigit():
        raise MachineError(f"The machine answered with something unreadable: `{text[:200].strip()}`. It needs a POSIX shell.")
    title = ", ".join(filter(None, (said.get("model"), said.get("soc"), said.get("android") and f"Android {said['android']}")))
    clocks = {int(name.removeprefix("clock.")): int(value) for name, value in said.items() if name.startswith("clock.") and value.isdigit()}
    return Facts(KINDS.get(said["machine"], said["machine"]), int(said["cores"]), title, clocks)


def read_state(text: str) -> dict[str, Any]:
    """`governors` and `clocks_mhz` by core, `temperatures_c` by sensor, as far as they are told."""
    said = _pairs(text)
    governors = {name.removeprefix("governor."): value for name, value in said.items() if name.startswith("governor.")}
    clocks = {
        name.removeprefix("clock."): int(value) / 1e3 for name, value in said.items() if name.startswith("clock.") and value.isdigit()
    }
    heat = {name.removeprefix("heat."): _celsius(value, 1000) for name, value in said.items() if name.startswith("heat.")}
    heat["battery"] = _celsius(said.get("battery", ""), 10)
    temperatures = {name: celsius for name, celsius in heat.items() if celsius is not None}
    parts = {"governors": governors, "clocks_mhz": clocks, "temperatures_c": temperatures}
    return {name: part for name, part in parts.items() if part}


def _pairs(text: str) -> dict[str, str]:
    return {name.strip(): value.strip() for name, sign, value in (line.partition("=") for line in text.splitlines()) if sign}


def _celsius(text: str, parts: int) -> float | None:
    try:
        celsius = int(text) / parts
    except ValueError:
        return None
    return celsius if PLAUSIBLE_C[0] <= celsius <= PLAUSIBLE_C[1] else None


def split_cores(argument: str) -> tuple[str, str]:
    """(machine, cores) in `machine+cores`: `big`, `little`, or numbers as in `4-7` or `0,2`; cores are empty where none are named."""
    name, sign, cores = argument.partition("+")
    if sign and cores not in {"big", "little"} and not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", cores):
        raise UsageError(f"`{cores}` (in `{argument}`) names no cores. Write `big`, `little`, or numbers as in `4-7` or `0,2`.")
    return name, cores


def processors(cores: str, facts: Facts) -> str:
    """`cores` as numbers for the runner: those with the highest clock are big, with the lowest little; `-` for any."""
    if cores not in {"big", "little"}:
        return cores or "-"
    if not facts.clocks:
        raise MachineError(f"The machine does not tell the clocks of its cores, so `{cores}` cannot be found. Name them, as in `4-7`.")
    wanted = (max if cores == "big" else min)(facts.clocks.values())
    return ",".join(str(number) for number, clock in sorted(facts.clocks.items()) if clock == wanted)


def hottest_c(state: Mapping[str, Any]) -> float | None:
    """The highest temperature told."""
    return max(state.get("temperatures_c", {}).values(), default=None)
