"""A long run without a pause: whether, when and how far a device slows down as it warms up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pixsearch.bench.config import BenchConfig
from pixsearch.bench.measure import frame
from pixsearch.bench.past import Past
from pixsearch.bench.rows import Row
from pixsearch.bench.subjects import Subject
from pixsearch.bench.targets.base import Repeat, Target
from pixsearch.bench.timing import Note
from pixsearch.errors import UsageError
from pixsearch.interrupt import check_stop

MOST = 1_000_000
STRETCHES = 30


def sustain_all(subjects: list[Subject], target: Target, config: BenchConfig, past: Past, note: Note, how_to_go_on: str) -> dict[str, Row]:
    """The sustained run of each model, by digest, with the first of the thread counts; nothing unless one was asked for."""
    if not config.sustain_s:
        return {}
    if target.modelled:
        raise UsageError(f"`{target.name}` models its latency, so nothing there gets warm. Leave `--sustain` out.")
    found: dict[str, Row] = {}
    for subject in subjects:
        check_stop(how_to_go_on)
        known = past.sustained(subject.digest, target.label, config.sustain_s)
        found[subject.digest] = known or sustain(subject, target, config)
        if not known:
            note("sustained", label=subject.label, digest=subject.digest, target=target.label, sustained=found[subject.digest])
    return found


def sustain(subject: Subject, target: Target, config: BenchConfig) -> Row:
    """Run one model for `config.sustain_s` seconds."""
    spec = config.spec(config.threads[0])
    with target.prepare(subject.path, spec.threads) as prepared:
        measured = prepared.run(frame(subject.card, spec), Repeat(warmup=0, count=MOST, box_s=config.sustain_s))
    conditions = {"asked_s": config.sustain_s, "threads": spec.threads, "conditions": dict(measured.conditions)}
    return {**throttling(measured.latencies_ms), **conditions}


def throttling(latencies_ms: Sequence[float]) -> Row:
    """The medians of up to 30 stretches of equal length as `curve`: [seconds from the start, ms].

    `slowdown` is the slowest stretch over the first, minus one; a single run has none (0).
    """
    ends_s = np.cumsum(latencies_ms) / 1e3
    number = np.minimum((ends_s / ends_s[-1] * STRETCHES).astype(int), STRETCHES - 1)
    curve = []
    for stretch in np.unique(number):
        inside = number == stretch
        curve.append([round(float(ends_s[inside].mean()), 3), round(float(np.median(np.asarray(latencies_ms)[inside])), 4)])
    slowdown = max(ms for _, ms in curve) / curve[0][1] - 1
    return {"seconds": round(float(ends_s[-1]), 3), "runs": len(latencies_ms), "slowdown": round(slowdown, 4), "curve": curve}
