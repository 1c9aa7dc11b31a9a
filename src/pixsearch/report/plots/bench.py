"""Figures of a bench: latency with its percentiles, gain with its interval, accuracy against latency."""

from __future__ import annotations

from collections.abc import Sequence

from pixsearch.report import wording as w
from pixsearch.report.measured import BenchRecord, Latency, Row
from pixsearch.report.plots import look as p
from pixsearch.report.plots.look import Figure

BAR = 34  # pixels a bar takes, gap included
COLORS = (p.ACCENT, p.THIRD, p.SECOND, p.QUIET)


def latency_plot(bench: BenchRecord) -> Figure | None:
    """A bar to the median for each model and thread count, with marks for minimum, p90, p95 and p99."""
    lines = [(row, latency) for row in reversed(bench.rows) for latency in reversed(row.latency)]
    if not lines:
        return None
    several = len(bench.thread_counts) > 1
    names = [p.escaped(row.label) + (f", {latency.threads}t" if several else "") for row, latency in lines]
    bars = {
        "type": "bar",
        "orientation": "h",
        "name": "modelled" if bench.modelled else "median",
        "x": [latency.time_ms for _, latency in lines],
        "y": names,
        "marker": {"color": [COLORS[bench.thread_counts.index(latency.threads) % len(COLORS)] for _, latency in lines]},
        "hovertext": [_hover(row, latency) for row, latency in lines],
        "hoverinfo": "text",
        "width": 0.56,
    }
    marks = () if bench.modelled else (("min_ms", "line-ns-open"), ("p95_ms", "diamond"), ("p99_ms", "x-thin-open"))
    traces = [bars, *(_percentile(field, symbol, names, lines) for field, symbol in marks)]
    y = p.axis("", type="category")
    title = "modelled milliseconds a frame" if bench.modelled else "milliseconds a frame"
    return p.figure(traces, title, "", height=110 + BAR * len(lines), yaxis=y, xaxis=p.axis(title, rangemode="tozero"), bargap=0.3)


def _percentile(field: str, symbol: str, names: list[str], lines: list[tuple[Row, Latency]]) -> Figure:
    values = [getattr(latency, field) for _, latency in lines]
    look = {"symbol": symbol, "line": {"color": p.INK, "width": 1.6}}
    return p.dots(field.removesuffix("_ms"), values, names, p.INK, 8, marker=look, hoverinfo="x+name")


def _hover(row: Row, latency: Latency) -> str:
    named = (
        ("min", latency.min_ms),
        ("median", latency.median_ms),
        ("modelled", latency.modelled_ms),
        ("p90", latency.p90_ms),
        ("p95", latency.p95_ms),
        ("p99", latency.p99_ms),
    )
    figures = "<br>".join(f"{name} {w.milliseconds(value)} ms" for name, value in named if value is not None)
    return f"<b>{p.escaped(row.label)}</b>, {w.plural(latency.threads, 'thread')}<br>{figures}"


def gain_plot(bench: BenchRecord) -> Figure | None:
    """Each model's gain over the baseline with its interval; zero is the baseline itself."""
    rows = [row for row in reversed(bench.models) if row.gain_db is not None]
    if not rows:
        return None
    above, below = zip(*(_reach(row) for row in rows), strict=True)
    hover = [f"<b>{p.escaped(row.label)}</b><br>{w.gain(row.gain_db)} dB {w.interval(row.gain_interval_db)}" for row in rows]
    bars = {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "color": p.ACCENT, "thickness": 1.6, "width": 6}
    trace = p.dots(
        "gain",
        [row.gain_db for row in rows],
        [p.escaped(row.label) for row in rows],
        p.ACCENT,
        10,
        error_x=bars,
        hovertext=hover,
        hoverinfo="text",
    )
    x = p.axis("gain over the baseline, dB", rangemode="tozero", zeroline=True, zerolinecolor=p.SECOND)
    return p.figure([trace], "", "", height=110 + BAR * len(rows), xaxis=x, yaxis=p.axis("", type="category"), showlegend=False)


def _reach(row: Row) -> tuple[float, float]:
    if row.gain_interval_db is None or row.gain_db is None:
        return 0.0, 0.0
    return row.gain_interval_db[1] - row.gain_db, row.gain_db - row.gain_interval_db[0]


def trade_plot(bench: BenchRecord) -> Figure | None:
    """Accuracy against median latency, the baseline as a level; None with fewer than two measured models."""
    rows = [row for row in bench.models if row.latency]
    if len(rows) < 2:
        return None
    traces = [_points(rows, threads, place) for place, threads in enumerate(bench.thread_counts)]
    base = bench.baseline
    limits = p.marks(p.level(base.psnr_db, f"{base.label} {w.decibel(base.psnr_db)}")) if base else {}
    x = p.axis(f"{'modelled' if bench.modelled else 'median'} milliseconds a frame", rangemode="tozero")
    return p.figure(traces, "", f"{bench.metric}, dB", xaxis=x, showlegend=len(traces) > 1, **limits)


def _points(rows: Sequence[Row], threads: int, place: int) -> Figure:
    """The models with one thread count; the first thread count carries the names, above and below in turn."""
    at = [(latency.time_ms, row) for row in rows for latency in row.latency if latency.threads == threads]
    hover = [f"<b>{p.escaped(row.label)}</b><br>{w.decibel(row.psnr_db)} dB<br>{w.milliseconds(ms)} ms" for ms, row in at]
    look = {"hovertext": hover, "hoverinfo": "text", "cliponaxis": False}
    if place == 0:
        sides = ["top center" if number % 2 == 0 else "bottom center" for number in range(len(at))]
        names = [p.escaped(row.label) for _, row in at]
        look |= {"mode": "markers+text", "text": names, "textposition": sides, "textfont": {"size": 11, "color": p.INK}}
    x, y = [ms for ms, _ in at], [row.psnr_db for _, row in at]
    return p.dots(w.plural(threads, "thread"), x, y, COLORS[place % len(COLORS)], 10, **look)
