"""What a frame costs a battery, where it tells: the whole device's power while the model runs, times the time of a run."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

DRAINING = "Discharging"
PLAUSIBLE_W = (0.05, 30.0)  # some phones tell milliamperes where microamperes are meant
LEAST_READINGS = 5


def power_of(readings_w: Sequence[float], battery: str) -> tuple[float | None, str]:
    """(mean power in watts, "") or (None, why there is none) for a battery's readings and its word for what it does."""
    if not readings_w:
        return None, "no battery tells its current"
    if battery != DRAINING:
        return None, f"the battery says `{battery or 'nothing'}`; unplugged (adb over Wi-Fi) it would give what the device takes"
    if len(readings_w) < LEAST_READINGS:
        return None, f"{len(readings_w)} readings of the battery are too few"
    mean_w = fmean(readings_w)
    if not PLAUSIBLE_W[0] <= mean_w <= PLAUSIBLE_W[1]:
        return None, f"{mean_w:.3g} W is implausible: this battery seems to tell other units"
    return mean_w, ""
