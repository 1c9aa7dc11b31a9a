"""Sum up repeated timings of one model: median, percentiles, and the rate of multiply-adds they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Latency:
    """Figures over `repeats` timed runs, in milliseconds; percentiles are linearly interpolated between runs.

    `variation` is the coefficient of variation: the runs' standard deviation over their mean.
    """

    median_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    min_ms: float
    max_ms: float
    variation: float
    repeats: int

    def to_json(self) -> dict[str, float | int]:
        """Plain values, rounded to a tenth of a microsecond."""
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}


def summarize(latencies_ms: Sequence[float]) -> Latency:
    """The figures of `latencies_ms`, which must hold at least one run."""
    if not len(latencies_ms):
        raise ValueError("`latencies_ms` is empty; time at least one run.")
    median, p90, p95, p99 = (float(value) for value in np.percentile(latencies_ms, [50, 90, 95, 99]))
    variation = float(np.std(latencies_ms) / np.mean(latencies_ms))
    return Latency(median, p90, p95, p99, float(min(latencies_ms)), float(max(latencies_ms)), variation, len(latencies_ms))


def gmacs_per_s(macs: float, latency_ms: float) -> float:
    """Billions of multiply-adds a second when `macs` of them take `latency_ms`."""
    return macs / latency_ms / 1e6
