"""Time all models of a bench: for each thread count every model in a process of its own, taking turns; or sum its operators up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack

from pixsearch.bench.config import BenchConfig
from pixsearch.bench.measure import frame, take_turns
from pixsearch.bench.modelled.costs import CostTable
from pixsearch.bench.modelled.estimate import estimate
from pixsearch.bench.past import Past
from pixsearch.bench.rows import Row, estimate_entry, latency_entry
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.subjects import Subject
from pixsearch.bench.targets.arm64 import Arm64Target
from pixsearch.bench.targets.base import Measurement, Repeat, Target
from pixsearch.errors import UsageError
from pixsearch.export.onnx import read_model
from pixsearch.interrupt import check_stop

Note = Callable[..., None]
CPU = "CPUExecutionProvider"
BUSY = 0.05  # share of waiting from which a clocked latency says more about the machine than about the model


def time_all(
    subjects: list[Subject], target: Target, config: BenchConfig, past: Past, note: Note, how_to_go_on: str
) -> dict[str, list[Row]]:
    """Latency entries of every model, by its digest, one for each of `config.threads`.

    What `past` knows is not measured again. Each new entry is noted as `measured`, with the single runs.
    """
    label = target.label
    timed: dict[str, list[Row]] = {subject.digest: [] for subject in subjects}
    for threads in config.threads:
        spec = config.spec(threads)
        unknown = []
        for subject in subjects:
            known = past.latency(subject.digest, label, threads)
            timed[subject.digest] += [known] if known else []
            unknown += [] if known else [subject]
        if config.estimate:
            for subject, entry in _summed_up(unknown, arm64(target), spec, how_to_go_on):
                timed[subject.digest].append(entry)
                note("measured", label=subject.label, digest=subject.digest, target=label, latency=[entry])
            continue
        for subject, measured in _together(unknown, target, spec, config, how_to_go_on):
            entry = latency_entry(subject, spec, repeat(config, target), measured)
            timed[subject.digest].append(entry)
            runs = [round(value, 3) for value in measured.latencies_ms]
            note("measured", label=subject.label, digest=subject.digest, target=label, latency=[entry], latencies_ms=runs)
            left = left_to_cpu(entry["placed"])
            if left:
                note("warning", text=f"`{subject.label}`: {left}")
        said = busy(timed[subject.digest][-1] for subject in unknown)
        if said:
            note("warning", text=f"With {threads} thread{'s' * (threads > 1)} {said}. Close other programs for clean latencies.")
    return timed


def arm64(target: Target) -> Arm64Target:
    """`target`, whose latencies can be summed up from operators; `UsageError` for another."""
    if not isinstance(target, Arm64Target):
        raise UsageError(f"`--estimate` sums up modelled latencies, which target `{target.name}` has not. Leave it out, or name `arm64`.")
    return target


def _summed_up(subjects: list[Subject], target: Arm64Target, spec: LatencySpec, how_to_go_on: str) -> Iterator[tuple[Subject, Row]]:
    """The entry of each, by the table of operator costs; operators that it lacks are emulated for it."""
    if not subjects:
        return
    target.require(spec.threads)
    with CostTable(target) as table:
        for subject in subjects:
            check_stop(how_to_go_on)
            found = estimate(read_model(subject.path), subject.card, spec, table)
            yield subject, estimate_entry(subject, spec, found, target)


def repeat(config: BenchConfig, target: Target) -> Repeat:
    """How often each model runs, over all its turns: as often as was asked, but not more than says something new."""
    count = config.repeats if target.most_runs is None else min(config.repeats, target.most_runs)
    return Repeat(warmup=config.warmup, count=count, box_s=config.time_box_s)


def _together(
    subjects: list[Subject], target: Target, spec: LatencySpec, config: BenchConfig, how_to_go_on: str
) -> list[tuple[Subject, Measurement]]:
    """The measurement of each, all of them alive at once and taking turns."""
    if not subjects:
        return []
    with ExitStack() as open_ones:
        prepared = {s.digest: open_ones.enter_context(target.prepare(s.path, spec.threads)) for s in subjects}
        inputs = {s.digest: frame(s.card, spec) for s in subjects}
        runs = repeat(config, target)
        rounds = min(config.rounds, runs.count) if target.most_runs is None else 1  # nothing drifts where nothing is clocked
        measured = take_turns(prepared, inputs, runs, rounds, lambda: check_stop(how_to_go_on))
    return [(s, measured[s.digest]) for s in subjects]


def left_to_cpu(placed: Mapping[str, int]) -> str:
    """How much of a model the provider that was asked for left to the CPU, as a sentence; empty when nothing, or none was asked for.

    `placed` are nodes of the graph as it is executed, where a part that a provider compiles as a whole is one node.
    """
    on_cpu, others = placed.get(CPU, 0), {name: nodes for name, nodes in placed.items() if name != CPU}
    if not on_cpu:
        return ""
    if not others:
        return "the provider takes none of it: what was timed is the CPU. `pixsearch export --check` says why; --shape may be missing."
    taken = " and ".join(f"{nodes} on {name}" for name, nodes in others.items())
    return f"{on_cpu} of {sum(placed.values())} nodes ran on the CPU, {taken}."


def busy(entries: Iterable[Row]) -> str:
    """How busy the machine was while `entries` were taken, as a sentence; empty when it was ours."""
    share = max((entry["waited_share"] or 0.0 for entry in entries), default=0.0)
    if share <= BUSY:
        return ""
    return f"the machine was busy: models stood up to {share:.0%} of their time waiting for a core"
