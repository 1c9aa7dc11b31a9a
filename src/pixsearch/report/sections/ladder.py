"""The way of a model to what a phone runs: the chain's models in order, each with what it has lost and saved against the first."""

from __future__ import annotations

from pixsearch.report import wording as w
from pixsearch.report.markup import table
from pixsearch.report.measured import BenchRecord, Row
from pixsearch.report.page import Page, quiet
from pixsearch.report.plots.ladder import ladder_plot

LEAST = 3  # two models are a comparison, which the summary shows
STAGES = ("trained", "pruned", "qat")


def rungs(bench: BenchRecord) -> list[Row]:
    """The timed models that come down a chain, in the order the bench was given them; none when they are not of one.

    They are where each goes at least as far through the chain as the one before it (trained, pruned, trained for int8, then the smaller
    precision), and the last further than the first.
    """
    timed = [row for row in bench.models if row.latency]
    steps = [_step(row) for row in timed]
    comes_down = steps == sorted(steps) and len(timed) >= LEAST and steps[0] < steps[-1]
    return timed if comes_down else []


def _step(row: Row) -> tuple[bool, int]:
    """How far a model has gone: an exported smaller precision lies behind all float models."""
    return row.precision != "float", max((STAGES.index(word) for word in row.stage.split() if word in STAGES), default=0)


def ladder(page: Page, bench: BenchRecord) -> None:
    """The table of rungs and their plot, PSNR against latency."""
    found = rungs(bench)
    if not found:
        return
    first, kind = found[0], "modelled ms" if bench.modelled else "median ms"
    heads = ["rung", bench.metric, "to the first", "MACs 720p", "times less", "size", "times less", kind, "times less"]
    figure = page.figure("ladder", ladder_plot(bench, found), f"{bench.metric} against latency, rung by rung")
    target = bench.target + (" (modelled, not measured)" if bench.modelled else "")
    last = found[-1]
    said = (
        f"{last.label} takes {_times(first.latency[0].time_ms, last.latency[0].time_ms)} less time than {first.label}, "
        f"at {w.gain(last.psnr_db - first.psnr_db)} dB"
    )
    rows = table(heads, [_row(row, first) for row in found])
    page.add("ladder", "Ladder", figure, rows, quiet(said, f"{target}, {bench.size.replace('x', '×')} out"))


def _row(row: Row, first: Row) -> list[object]:
    time_ms = row.latency[0].time_ms
    gap = "" if row is first else w.gain(row.psnr_db - first.psnr_db)
    macs = [w.count(row.macs_720p), _times(first.macs_720p, row.macs_720p)]
    size = [w.size(row.file_bytes), _times(first.file_bytes, row.file_bytes)]
    return [row.label, w.decibel(row.psnr_db), gap, *macs, *size, w.milliseconds(time_ms), _times(first.latency[0].time_ms, time_ms)]


def _times(before: float | None, now: float | None) -> str:
    """`12.3 ×`."""
    return w.ABSENT if not before or not now else f"{before / now:.1f} ×"
