"""The bench on the console: models side by side, the trivial baseline first, and the conventions that give the figures meaning."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.text import Text

from pixsearch.report import wording as w
from pixsearch.report.columns import NAME_WIDTH, Column, note, table
from pixsearch.report.measured import BenchRecord, Latency, Row

Line = tuple[Row, Latency | None, bool]


def bench_table(bench: BenchRecord, width: int, *, detail: bool = False) -> Group:
    """The table of `bench` within `width` cells, of which 80 always do; `detail` adds every latency figure."""
    parts: list[RenderableType] = [table(_columns(bench), width)]
    if detail and bench.thread_counts and not bench.modelled:
        parts += [Text(), table(_latency_columns(bench), width)]
    if detail and any(row.drift for row in bench.rows):
        parts += [Text(), table(_drift_columns(bench), width)]
    return Group(*parts, *_conventions(bench))


def _lines(bench: BenchRecord) -> list[Line]:
    """(row, latency, whether it is the row's first line): a line for each thread count."""
    return [(row, latency, number == 0) for row in bench.rows for number, latency in enumerate(row.latency or (None,))]


def _once(lines: list[Line], write: Callable[[Row], str]) -> list[str]:
    return [write(row) if first else "" for row, _, first in lines]


def _timed(lines: list[Line], write: Callable[[Latency], str]) -> list[str]:
    return [w.ABSENT if latency is None else write(latency) for _, latency, _ in lines]


def _columns(bench: BenchRecord) -> list[Column]:
    lines = _lines(bench)
    at = _timed(lines, lambda t: f"{t.threads}t") if len(bench.thread_counts) > 1 else []
    names = _once(lines, lambda row: row.label)
    return [
        Column("model", names, align="left", narrowest=NAME_WIDTH, styles=["dim" if row.is_baseline else "bold" for row, _, _ in lines]),
        Column(bench.metric, _once(lines, lambda row: w.decibel(row.psnr_db))),
        Column("gain", _once(lines, lambda row: "" if row.is_baseline else w.gain(row.gain_db)), rank=1),
        Column("interval", _once(lines, lambda row: "" if row.is_baseline else w.interval(row.gain_interval_db)), rank=2),
        Column("SSIM", _once(lines, lambda row: w.similarity(row.ssim))),
        Column("flicker", _once(lines, lambda row: w.flicker(row.flicker)) if bench.flickers else []),
        Column("sharpness", _once(lines, lambda row: w.sharpness(row.sharpness)) if bench.sharpens else []),
        Column("MACs", _once(lines, lambda row: w.count(row.macs_720p))),
        Column("params", _once(lines, lambda row: w.count(row.params))),
        Column("size", _once(lines, lambda row: w.size(row.file_bytes))),
        Column("at", at),
        *_time_columns(bench, lines),
        Column("peak", _once(lines, lambda row: w.size(row.peak_bytes)), rank=3),
    ]


def _time_columns(bench: BenchRecord, lines: list[Line]) -> list[Column]:
    if bench.modelled:
        return [Column("modelled ms", _timed(lines, lambda t: w.milliseconds(t.modelled_ms)))]
    return [
        Column("median ms", _timed(lines, lambda t: w.milliseconds(t.median_ms))),
        Column("p95 ms", _timed(lines, lambda t: w.milliseconds(t.p95_ms))),
    ]


def _latency_columns(bench: BenchRecord) -> list[Column]:
    lines = [line for line in _lines(bench) if line[1] is not None]
    return [
        Column("latency", _once(lines, lambda row: row.label), align="left", narrowest=NAME_WIDTH),
        Column("at", _timed(lines, lambda t: f"{t.threads}t")),
        Column("min ms", _timed(lines, lambda t: w.milliseconds(t.min_ms))),
        Column("p90", _timed(lines, lambda t: w.milliseconds(t.p90_ms))),
        Column("p99", _timed(lines, lambda t: w.milliseconds(t.p99_ms))),
        Column("CV", _timed(lines, lambda t: w.ABSENT if t.variation is None else f"{t.variation:.0%}"), rank=2),
        Column("GMAC/s", _timed(lines, lambda t: w.ABSENT if t.gmacs_per_s is None else f"{t.gmacs_per_s:.1f}")),
        Column("load ms", _once(lines, lambda row: w.milliseconds(row.load_ms))),
        Column("peak", _once(lines, lambda row: w.size(row.peak_bytes))),
    ]


def _drift_columns(bench: BenchRecord) -> list[Column]:
    """The output of the target against that of the same file here."""
    found = [(row, row.drift) for row in bench.rows if row.drift]
    sustained = any(row.sustained for row, _ in found)
    slowdowns = [f"{row.sustained.slowdown:+.0%}" if row.sustained else w.ABSENT for row, _ in found]
    return [
        Column("on the target", [row.label for row, _ in found], align="left", narrowest=NAME_WIDTH),
        Column(bench.metric, [w.decibel(drift.psnr_db) for _, drift in found]),
        Column("here", [w.decibel(drift.here_psnr_db) for _, drift in found]),
        Column("levels off", [w.levels(drift.levels) for _, drift in found], align="left"),
        *([Column("slowest", slowdowns)] if sustained else []),
    ]


def _conventions(bench: BenchRecord) -> list[Text]:
    counts = bench.thread_counts
    threads = f"{', '.join(map(str, counts))} thread{'' if counts == [1] else 's'}" if counts else ""
    target = bench.target + (" (modelled, not measured)" if bench.modelled else "")
    lines = [
        note(bench.convention, f"mean of {w.plural(len(bench.images), 'picture')}", "MACs: multiply-adds of a 1280×720 output"),
        note(f"latency: {target}", threads, f"{bench.size.replace('x', '×')} out"),
    ]
    return [*lines, note(bench.protocol)] if bench.protocol else lines
