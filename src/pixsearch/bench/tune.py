"""Which options of an ONNX Runtime session make a model faster on this computer: each against the default in turns, the gains joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import numpy as np

from pixsearch.bench.config import BenchConfig
from pixsearch.bench.measure import frame
from pixsearch.bench.past import Past
from pixsearch.bench.rows import Row
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.subjects import Subject
from pixsearch.bench.targets.base import Repeat, Target
from pixsearch.bench.targets.local import LocalTarget
from pixsearch.bench.timing import Note
from pixsearch.errors import UsageError
from pixsearch.interrupt import check_stop
from pixsearch.rng import stream

Options = Mapping[str, str]
DEFAULT: Options = {}
CHOICES: tuple[Options, ...] = (
    {"graph_optimization_level": "ORT_ENABLE_EXTENDED"},  # without the blocked layout of convolutions
    {"graph_optimization_level": "ORT_ENABLE_BASIC"},
    {"execution_mode": "ORT_PARALLEL"},
    {"enable_mem_pattern": "0"},
    {"enable_cpu_mem_arena": "0"},
    {"session.intra_op.allow_spinning": "0"},
    {"session.disable_prepacking": "1"},
    {"session.set_denormal_as_zero": "1"},
    {"session.qdqisint8allowed": "1"},  # signed activations stay signed on x86
)
"""What is tried, beside the defaults of target `local`; nothing that may change the output by more than rounding."""
TURNS = 12
DRAWS = 2000


@dataclass(frozen=True)
class Gain:
    """By which share of the default's time a choice is faster, with the 95 % interval of the paired bootstrap over turns."""

    share: float
    low: float
    high: float

    def to_json(self) -> Row:
        """Plain values."""
        return {"gain": round(self.share, 4), "interval": [round(self.low, 4), round(self.high, 4)]}


def require_tunable(target: Target, config: BenchConfig) -> None:
    """`UsageError` when tuning is asked for on a target whose sessions it cannot set up."""
    if config.tune and not isinstance(target, LocalTarget):
        raise UsageError(f"`--tune` tries session options on target `local` alone, not on `{target.name}`. Leave one of them out.")


def tune_all(
    subjects: Sequence[Subject], target: Target, config: BenchConfig, past: Past, note: Note, how_to_go_on: str
) -> dict[str, list[Row]]:
    """The best options found for each model, by digest, one entry for each of `config.threads`; nothing unless it was asked for."""
    if not config.tune or not isinstance(target, LocalTarget):
        return {}
    found: dict[str, list[Row]] = {subject.digest: [] for subject in subjects}
    for subject in subjects:
        for threads in config.threads:
            check_stop(how_to_go_on)
            known = past.tuned(subject.digest, target.label, threads, config.size)
            entry = known or tune(subject, target, config.spec(threads), how_to_go_on)
            found[subject.digest].append(entry)
            if not known:
                note("session-tuned", label=subject.label, digest=subject.digest, target=target.label, tuned=entry)
    return found


def tune(subject: Subject, target: LocalTarget, spec: LatencySpec, how_to_go_on: str) -> Row:
    """Try every choice alone, then those together that gained; they are the best only if, measured anew, they gain together.

    The first pass chooses and so flatters; the gain that is reported is that of the second alone.
    """
    alone = in_turns(subject, target, spec, CHOICES, how_to_go_on)
    joined: dict[str, str] = {}
    gains = {index: gain(alone[0], times) for index, times in enumerate(alone[1:])}
    for index in sorted(gains, key=lambda index: gains[index].share):
        if gains[index].low > 0:
            joined |= CHOICES[index]  # the larger gain has the last word where two set one option
    entry: Row = {
        "size": f"{spec.width}x{spec.height}",
        "threads": spec.threads,
        "default_ms": round(median(alone[0]), 4),
        "tried": [{"options": dict(CHOICES[index]), **gains[index].to_json()} for index in gains],
        "options": {},
        "best_ms": round(median(alone[0]), 4),
        **Gain(0.0, 0.0, 0.0).to_json(),
    }
    if joined:
        default, together = in_turns(subject, target, spec, [joined], how_to_go_on)
        again = gain(default, together)
        entry |= {"joined": joined, **again.to_json(), "default_ms": round(median(default), 4), "best_ms": round(median(together), 4)}
        if again.low > 0:
            entry["options"] = joined
    return entry


def in_turns(subject: Subject, target: LocalTarget, spec: LatencySpec, choices: Sequence[Options], how_to_go_on: str) -> list[list[float]]:
    """Median milliseconds of every turn, of the default first and then of each choice, a process each; without waiting for a core."""
    inputs = frame(subject.card, spec)
    times: list[list[float]] = [[] for _ in (DEFAULT, *choices)]
    with ExitStack() as open_ones:
        ready = [open_ones.enter_context(target.prepare_with(subject.path, spec.threads, options)) for options in (DEFAULT, *choices)]
        for turn in range(TURNS):
            for place in list(range(len(ready)))[:: -1 if turn % 2 else 1]:
                check_stop(how_to_go_on)
                measured = ready[place].run(None if turn else inputs, Repeat(warmup=1 if turn else 2, count=3))
                times[place].append(median(measured.alone_ms))
    return times


def gain(default: Sequence[float], other: Sequence[float]) -> Gain:
    """The median over turns of the time saved; each turn's pair stood side by side on the machine."""
    saved = 1 - np.asarray(other) / np.asarray(default)
    drawn = stream(0, "tune", len(saved)).integers(0, len(saved), (DRAWS, len(saved)))
    low, high = np.percentile(np.median(saved[drawn], axis=1), [2.5, 97.5])
    return Gain(float(np.median(saved)), float(low), float(high))
