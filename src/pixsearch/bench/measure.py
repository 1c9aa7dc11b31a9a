"""Take latencies: of one model quickly, for search, or of several in turns, so that a machine's drift hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from pixsearch.bench.latency import summarize
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.targets.base import Measurement, Prepared, Repeat, Target, open_target
from pixsearch.card import ModelCard
from pixsearch.errors import UsageError
from pixsearch.infer.ports import Samples, empty_state, to_feed
from pixsearch.infer.session import OnnxModel
from pixsearch.rng import stream
from pixsearch.signature import Signature
from pixsearch.tasks.base import Planes

QUICK = Repeat(warmup=2, count=15, least=5, box_s=0.6, spread=0.01)
MODELLED = Repeat(warmup=2, count=1)
"""Where time is modelled: one run is like the next, and takes its emulator seconds."""


def measure_latency(model: Path, spec: LatencySpec, target: Target | None = None) -> float:
    """Median milliseconds of one frame of `spec`'s size through the ONNX file at `model`, in about a second.

    For `search`: one process, few runs, no interleaving; with one thread the time that other programs held the core is
    taken off, so a busy machine gives nearly the figure of a quiet one. `UsageError` when the file's precision is not the spec's,
    `DataError` for a file that is no exported model, `MachineError` when the target fails.
    """
    return summarize(quick(model, spec, target).alone_ms).median_ms


def quick(model: Path, spec: LatencySpec, target: Target | None = None) -> Measurement:
    """The measurement behind `measure_latency`; `target` saves opening it anew for every candidate."""
    card = OnnxModel.open(model).card
    if card.precision != spec.precision:
        raise UsageError(f"`{model}` is {card.precision}, but `{spec}` is a latency of {spec.precision}. Export it as {spec.precision}.")
    inputs = frame(card, spec)
    target = target or open_target(spec.target)
    with target.prepare(model, spec.threads) as prepared:
        return prepared.run(inputs, MODELLED if target.modelled else QUICK)


def frame(card: ModelCard, spec: LatencySpec) -> dict[str, Samples]:
    """Seeded noise over each port's range, as the file takes it: planes (1, C, H, W), or samples (1, H, W, C) in 8 bits; empty states."""
    height, width = frame_size(card, spec)
    planes = noise(card.signature, height, width)
    feeds = {port.name: to_feed(card, port, planes[port.name]) for port in card.signature.inputs}
    return {**feeds, **empty_state(card, height, width)}


def frame_size(card: ModelCard, spec: LatencySpec) -> tuple[int, int]:
    """(height, width) of the input whose output has `spec`'s size, or that comes nearest; the only one of a file that takes one."""
    return card.shape or spec.input_size(card.signature.scale, card.multiple)


def noise(signature: Signature, height: int, width: int) -> dict[str, Planes]:
    """Uniform noise over the range of each input, (1, C, `height`, `width`); always the same for the same ports."""
    planes = {}
    for port in signature.inputs:
        unit = stream(0, "frame", port.name).random((1, port.channels, height, width), dtype=np.float32)
        planes[port.name] = (port.low + (port.high - port.low) * unit).astype(np.float32)
    return planes


def take_turns(
    prepared: Mapping[str, Prepared],
    inputs: Mapping[str, Mapping[str, Samples]],
    repeat: Repeat,
    rounds: int,
    between: Callable[[], None],
) -> dict[str, Measurement]:
    """Measure all `prepared` models in `rounds` rounds; each turn makes its share of the repeats.

    The order turns about from round to round, so that a slow drift weighs on the first and the last alike. Each turn
    begins with runs that do not count: all of `repeat.warmup` the first time, later one, to fill the caches that the
    model before has emptied. `repeat.box_s` is shared out likewise; every turn makes at least one timed run. `between` is
    called before each turn.
    """
    results: dict[str, list[Measurement]] = {label: [] for label in prepared}
    for number in range(rounds):
        share = repeat.count * (number + 1) // rounds - repeat.count * number // rounds
        turn = replace(repeat, count=share, warmup=1 if number else repeat.warmup, box_s=repeat.box_s and repeat.box_s / rounds)
        for label in list(prepared)[:: -1 if number % 2 else 1]:
            between()
            results[label].append(prepared[label].run(None if number else inputs[label], turn))
    return {label: merged(turns) for label, turns in results.items()}


def merged(turns: list[Measurement]) -> Measurement:
    """One measurement out of several of the same process: all runs, the highest peak."""
    peaks = [turn.peak_bytes for turn in turns if turn.peak_bytes is not None]
    latencies_ms = tuple(value for turn in turns for value in turn.latencies_ms)
    waited_ms = tuple(value for turn in turns for value in turn.waited_ms)
    power_w = tuple(value for turn in turns for value in turn.power_w)
    return replace(turns[-1], latencies_ms=latencies_ms, waited_ms=waited_ms, power_w=power_w, peak_bytes=max(peaks) if peaks else None)
