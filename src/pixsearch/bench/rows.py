"""The rows of the table: each model's accuracy, gain, costs and latencies as plain values, the baseline's without costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from pixsearch.bench.accuracy import Accuracy, difference
from pixsearch.bench.energy import power_of
from pixsearch.bench.latency import Latency, gmacs_per_s, summarize
from pixsearch.bench.measure import frame_size
from pixsearch.bench.modelled.estimate import Estimate
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.subjects import Subject
from pixsearch.bench.targets.arm64 import Arm64Target
from pixsearch.bench.targets.base import Measurement, Modelled, Repeat
from pixsearch.space.base import FRAME

Row = dict[str, Any]
NO_COSTS: Row = dict.fromkeys(
    ("file", "digest", "stage", "precision", "macs_720p", "params", "file_bytes", "load_ms", "peak_bytes", "runtime_bytes", "input_size")
)


def baseline_row(label: str, color: str, accuracy: Accuracy) -> Row:
    """The trivial method's row: it is scored, but nothing that it costs is counted."""
    gains = {"gain_db": None, "gain_interval_db": None, "loss_db": None, "loss_interval_db": None}
    return {"label": label, "kind": "baseline", "name": label, "color": color, **accuracy.to_json(), **gains, **NO_COSTS, "latency": []}


def model_rows(
    subjects: Sequence[Subject],
    scored: Mapping[str, Accuracy],
    timed: Mapping[str, list[Row]],
    baseline: Accuracy,
    spec: LatencySpec,
    seed: int,
) -> list[Row]:
    """A row for each of `subjects`; `scored` and `timed` (a latency entry for each thread count) go by digest."""
    return [
        {
            "label": s.label,
            "kind": "model",
            "file": str(s.path),
            "digest": s.digest,
            "name": s.card.name,
            "stage": s.card.stage,
            "precision": s.card.precision,
            "color": s.card.signature.color,
            **scored[s.digest].to_json(),
            **_gain("gain", scored[s.digest], baseline, seed),
            **_loss(s, subjects, scored, seed),
            "macs_720p": s.card.macs_720p,
            "params": s.card.params,
            "file_bytes": s.file_bytes,
            **{name: timed[s.digest][0][name] for name in ("load_ms", "peak_bytes", "runtime_bytes")},
            "input_size": size_text(frame_size(s.card, spec)),
            "latency": timed[s.digest],
        }
        for s in subjects
    ]


def _gain(name: str, better: Accuracy, worse: Accuracy, seed: int) -> Row:
    found = difference(better, worse, seed)
    return {f"{name}_db": found.mean_db, f"{name}_interval_db": list(found.interval_db) if found.interval_db else None}


def _loss(subject: Subject, subjects: Sequence[Subject], scored: Mapping[str, Accuracy], seed: int) -> Row:
    """What a model of smaller precision lost against the float one of the same name, stage and ports, if that stands in the table."""
    if subject.card.precision == "float":
        return {"loss_db": None, "loss_interval_db": None}
    sibling = float_sibling(subject, subjects)
    if sibling is None:
        return {"loss_db": None, "loss_interval_db": None}
    return _gain("loss", scored[sibling.digest], scored[subject.digest], seed)


def float_sibling(subject: Subject, subjects: Sequence[Subject]) -> Subject | None:
    """The float model of the same name, stage and ports, if it is there once; None for a float model itself."""
    wanted = subject.card.with_(precision="float", calibration={})
    siblings = [s for s in subjects if s.card.with_(calibration={}) == wanted]
    return siblings[0] if len(siblings) == 1 and siblings[0] is not subject else None


def latency_entry(subject: Subject, spec: LatencySpec, repeat: Repeat, measured: Measurement) -> Row:
    """One thread count's figures: clocked ones under `median_ms` and its like, a computed one under `modelled_ms` alone.

    `alone_median_ms` is the median without waiting for a core, `waited_share` how much that was. `energy_mj` is what the whole
    device takes in the time of one run; `power_note` says why there is none.
    """
    latency = summarize(measured.latencies_ms)
    power_w, power_note = power_of(measured.power_w, measured.battery)
    return {
        "threads": spec.threads,
        **(_clocked(latency, measured) if measured.modelled is None else _computed(latency, measured.modelled)),
        "warmup": repeat.warmup,
        "gmacs_per_s": round(gmacs_per_s(macs_at(subject, spec), latency.median_ms), 3),
        "load_ms": None if measured.load_ms is None else round(measured.load_ms, 3),
        "load_instructions": measured.load_instructions,
        "power_w": None if power_w is None else round(power_w, 4),
        "energy_mj": None if power_w is None else round(power_w * fmean(measured.latencies_ms), 4),
        "power_note": power_note,
        "peak_bytes": measured.peak_bytes,
        "runtime_bytes": measured.runtime_bytes,
        "provider": measured.provider,
        "placed": dict(measured.placed),
        "runtime": measured.runtime,
        "conditions": dict(measured.conditions),
    }


def estimate_entry(subject: Subject, spec: LatencySpec, found: Estimate, target: Arm64Target) -> Row:
    """The figures of a latency that is summed up from operators, which are those of one thread; `by_operator` shares the cycles out."""
    modelled = {
        "core": target.core.design,
        "clock_ghz": target.clock_ghz,
        "scale": target.device.scale if target.device else 1.0,
        "cycles": round(found.cycles),
        "by_operator": {kind: round(cycles) for kind, cycles in found.by_operator.items()},
        "floor_ms": found.floor_ms,
        "source": target.source,
        "validated": target.validated,
    }
    rate = round(gmacs_per_s(macs_at(subject, spec), found.latency_ms), 3)
    unknown = dict.fromkeys(("waited_share", "load_ms", "peak_bytes", "runtime_bytes"))
    return {"threads": spec.threads, "modelled_ms": round(found.latency_ms, 4), "gmacs_per_s": rate, **unknown, "modelled": modelled}


def _clocked(latency: Latency, measured: Measurement) -> Row:
    return {
        **latency.to_json(),
        "alone_median_ms": round(summarize(measured.alone_ms).median_ms, 4),
        "waited_share": None if measured.waited_share is None else round(measured.waited_share, 4),
    }


def _computed(latency: Latency, modelled: Modelled) -> Row:
    """`repeats_differ` is by which share of the median the computed runs differ."""
    spread = (latency.max_ms - latency.min_ms) / latency.median_ms
    return {
        "modelled_ms": round(latency.median_ms, 4),
        "repeats": latency.repeats,
        "repeats_differ": float(f"{spread:.3g}"),
        "waited_share": None,
        "modelled": {**asdict(modelled), "cycles": round(modelled.cycles)},
    }


def macs_at(subject: Subject, spec: LatencySpec) -> float:
    """Multiply-adds of the frame that is timed: those of a 1280×720 output by the ratio of the pixels."""
    scale = subject.card.signature.scale
    height, width = frame_size(subject.card, spec)
    return subject.card.macs_720p * (height * width * scale**2) / (FRAME[0] * FRAME[1])


def size_text(size: tuple[int, int]) -> str:
    """`640x360` of (360, 640)."""
    return f"{size[1]}x{size[0]}"
