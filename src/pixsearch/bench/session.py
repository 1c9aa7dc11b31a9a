"""The stage `bench`: time the models in turns, score them beside the trivial baseline, and write bench.json."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pixsearch.bench.config import BenchConfig
from pixsearch.bench.measure import frame_size, measure_latency
from pixsearch.bench.ontarget import compare_all
from pixsearch.bench.past import BASELINE, Past
from pixsearch.bench.rows import Row, baseline_row, model_rows, size_text
from pixsearch.bench.scoring import Scored, digest_of_baseline, score_all
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.subjects import Subject, open_subjects
from pixsearch.bench.sustain import sustain_all
from pixsearch.bench.targets.base import Target, open_target
from pixsearch.bench.timing import arm64, busy, time_all
from pixsearch.bench.tune import require_tunable, tune_all
from pixsearch.data.cache import PairCache
from pixsearch.data.open import open_pictures
from pixsearch.rundir import Stage

__all__ = ["bench_stage", "measure_latency"]


def bench_stage(models: Sequence[Path], config: BenchConfig, stage: Stage) -> dict[str, Any]:
    """Measure `models` on whole pictures and on the target; writes and returns RUN/bench/bench.json.

    What the stage's events tell of the same files under the same conditions is reused. `UsageError` for models that
    cannot share a table, `DataError` for files that are no models and when no picture is usable, `MachineError` when
    the target fails.
    """
    began = time.monotonic()
    how_to_go_on = f"Continue with `--resume {stage.run}`."
    subjects = open_subjects(models, stage.note)
    target = open_target(config.target)
    require_tunable(target, config)
    stage.note("start", **heading(subjects, target, config), models=[subject.label for subject in subjects])
    widest = max(subjects, key=lambda subject: subject.card.signature.in_channels)  # of clips: smaller windows are parts of it
    cache = open_pictures(list(config.images), widest.task, config.data(), stage.note)
    _warn_of_other_frames(subjects, config, stage)
    past = Past.read(stage.path)
    timed = time_all(subjects, target, config, past, stage.note, how_to_go_on)
    tuned = tune_all(subjects, target, config, past, stage.note, how_to_go_on)
    sustained = sustain_all(subjects, target, config, past, stage.note, how_to_go_on)
    compared = compare_all(subjects, target, cache, config, past, stage.note, how_to_go_on)
    scored = score_all(subjects, cache, config, past, stage.events.append, how_to_go_on)
    record = {**heading(subjects, target, config), "images": pictures(cache), **results(subjects, scored, timed, config)}
    for row in record["rows"]:
        row |= {"on_target": compared.get(row["digest"]), "sustained": sustained.get(row["digest"]), "tuned": tuned.get(row["digest"])}
    record["protocol"] = "; ".join(filter(None, [record["protocol"], busy(entry for entries in timed.values() for entry in entries)]))
    stage.write_json("bench.json", record)
    stage.note("done", rows=len(record["rows"]), file="bench.json", elapsed_s=time.monotonic() - began)
    return record


def _warn_of_other_frames(subjects: Sequence[Subject], config: BenchConfig, stage: Stage) -> None:
    """Latencies of a file that takes one shape are of that, whatever size is asked for."""
    spec = config.spec(1)
    for subject in subjects:
        asked = spec.input_size(subject.card.signature.scale, subject.card.multiple)
        taken = frame_size(subject.card, spec)
        if taken != asked:
            text = f"`{subject.label}` takes {size_text(taken)} alone: its latency is of that frame, not of {size_text(asked)} in."
            stage.note("warning", text=text)


def heading(subjects: Sequence[Subject], target: Target, config: BenchConfig) -> dict[str, Any]:
    """The conventions and conditions that give the figures their meaning."""
    task = subjects[0].task
    return {
        "task": task.name,
        "scale": task.scale,
        "color": "+".join(sorted({subject.card.signature.color for subject in subjects})),
        "metric": task.metric,
        "convention": task.convention,
        "target": {"name": config.target, "label": target.label, "modelled": target.modelled},
        "size": config.size,
        "threads": list(config.threads),
        "protocol": protocol(subjects, target, config),
    }


def protocol(subjects: Sequence[Subject], target: Target, config: BenchConfig) -> str:
    """How latency was taken, in one line."""
    frames = sorted({frame_text(subject, config.spec(1)) for subject in subjects})
    taken = arm64(target).summed_up if config.estimate else target.method if target.modelled else clocked(config)
    return f"{taken}; {' or '.join(frames)}; gains with the 95 % interval of a paired bootstrap over pictures"


def clocked(config: BenchConfig) -> str:
    """How latency is taken by the clock."""
    rounds = min(config.rounds, config.repeats)
    return (
        f"one process a model, up to {config.repeats} runs (at most {config.time_box_s:g} s) in {rounds} turns with the others, "
        f"after {config.warmup} warm-up runs; loading apart"
    )


def frame_text(subject: Subject, spec: LatencySpec) -> str:
    """`640x360 in`, and what comes out where the size asked for is no multiple of the scale."""
    scale = subject.card.signature.scale
    height, width = frame_size(subject.card, spec)
    text = f"{size_text((height, width))} in"
    if (height * scale, width * scale) == (spec.height, spec.width):
        return text
    return f"{text} and {size_text((height * scale, width * scale))} out (the nearest to {size_text((spec.height, spec.width))})"


def pictures(cache: PairCache) -> list[dict[str, Any]]:
    """Names and sizes of the truths."""
    return [{"name": name, "width": width, "height": height} for name, (height, width) in zip(cache.names, cache.sizes, strict=True)]


def results(subjects: Sequence[Subject], scored: Scored, timed: dict[str, list[Row]], config: BenchConfig) -> dict[str, Any]:
    """Rows, the baseline's first, and crops."""
    task, accuracies = subjects[0].task, scored.accuracies()
    baseline = accuracies[BASELINE]
    rows = model_rows(subjects, accuracies, timed, baseline, config.spec(1), config.seed)
    without_network = {BASELINE: task.baseline_name, **{digest_of_baseline(name): name for name in task.other_baselines}}
    baselines = [baseline_row(name, task.color, accuracies[digest]) for digest, name in without_network.items()]
    labels = {**without_network, **{subject.digest: subject.label for subject in subjects}}
    return {
        "rows": [*baselines, *rows],
        "crops": scored.crops(labels),
    }
