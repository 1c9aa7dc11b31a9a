"""The figure of a ladder: accuracy against latency, from rung to rung."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from pixsearch.report import wording as w
from pixsearch.report.measured import BenchRecord, Row
from pixsearch.report.plots import look as p
from pixsearch.report.plots.look import Figure

LOSS_DB = 0.5
"""What a ladder is usually allowed to lose: its level below the first rung is drawn."""


def ladder_plot(bench: BenchRecord, rungs: Sequence[Row]) -> Figure:
    """The `rungs` joined by a line, latency on a logarithmic axis, with the level that lies `LOSS_DB` below the first."""
    times = [row.latency[0].time_ms for row in rungs]
    hover = [
        f"<b>{p.escaped(row.label)}</b><br>{w.decibel(row.psnr_db)} dB<br>{w.milliseconds(ms)} ms"
        for row, ms in zip(rungs, times, strict=True)
    ]
    sides = ["top center" if number % 2 == 0 else "bottom center" for number in range(len(rungs))]
    look: dict[str, Any] = {
        "mode": "lines+markers+text",
        "text": [p.escaped(name) for name in _short([row.label for row in rungs])],
        "textposition": sides,
        "textfont": {"size": 11, "color": p.INK},
        "hovertext": hover,
        "hoverinfo": "text",
        "cliponaxis": False,
        "marker": {"color": p.ACCENT, "size": 10},
    }
    trace = p.line("ladder", times, [row.psnr_db for row in rungs], **look)
    limit = rungs[0].psnr_db - LOSS_DB
    levels = p.marks(p.level(limit, f"{LOSS_DB:g} dB below {rungs[0].label}"))
    x = p.axis(f"{'modelled' if bench.modelled else 'median'} milliseconds a frame", type="log")
    return p.figure([trace], "", f"{bench.metric}, dB", xaxis=x, showlegend=False, **levels)


def _short(labels: Sequence[str]) -> list[str]:
    """The labels without the words that all of them begin with, which would cover those of near-by rungs."""
    words = [label.split() for label in labels]
    alike = len(list(takewhile(lambda same: len(set(same)) == 1, zip(*words, strict=False))))
    return [" ".join(own[alike:]) or label for own, label in zip(words, labels, strict=True)]
