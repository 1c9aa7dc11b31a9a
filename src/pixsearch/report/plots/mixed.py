"""The figure of a search for formats: loss against latency of every mixture, with the front and the bound."""

from __future__ import annotations

from collections.abc import Sequence

from pixsearch.report import wording as w
from pixsearch.report.mixed import Mixture, MixtureRecord
from pixsearch.report.plots import look as p
from pixsearch.report.plots.look import Figure


def mixture_plot(record: MixtureRecord) -> Figure:
    """What was tried, the front within the bound, int8 and the chosen mixture."""
    apart = {one.formats for one in record.front}
    others = [one for one in record.tried if one.formats not in apart]
    chosen = [record.chosen] if record.chosen else []
    traces = [
        _dots("out of bounds", [one for one in others if not one.feasible], p.QUIET, 6, symbol="circle-open"),
        _dots("tried", [one for one in others if one.feasible], p.QUIET, 6),
        _dots("front", record.front, p.ACCENT, 9),
        _dots("all int8", [record.int8], p.SECOND, 11, symbol="square"),
        _dots("chosen", chosen, p.ACCENT, 14, symbol="diamond"),
    ]
    words = "modelled" if record.modelled else "measured"
    bound = p.marks(p.wall(record.bound_ms, f"int8 {record.extra_latency:+.0%}"))
    return p.figure([trace for trace in traces if trace["x"]], f"{words} latency, ms", "loss against float, dB", **bound)


def _dots(name: str, mixtures: Sequence[Mixture], color: str, size: int, symbol: str = "circle") -> Figure:
    texts = [p.escaped(f"{w.formats(one.formats)}: {one.loss_db:.3f} dB, {one.latency_ms:.1f} ms, {w.size(one.bytes)}") for one in mixtures]
    look = {"symbol": symbol, "line": {"color": color, "width": 1.2}}
    x, y = [one.latency_ms for one in mixtures], [one.loss_db for one in mixtures]
    return p.dots(name, x, y, color, size, marker=look, hovertext=texts, hoverinfo="text")
