"""Figures of a pruning to several shares: quality against what is kept."""

from __future__ import annotations

from collections.abc import Sequence

from pixsearch.report import wording as w
from pixsearch.report.plots import look as p
from pixsearch.report.plots.look import Figure
from pixsearch.report.pruned import PruneRecord, Size


def curve_plot(prune: PruneRecord) -> Figure | None:
    """PSNR by multiply-adds of the whole network and of what each share left, just cut and fine-tuned; None for one share."""
    if not prune.curve:
        return None
    tuned = [one.after for one in prune.curve if one.training.psnr_db is not None]
    traces = [
        _trace("just cut", [one.cut for one in prune.curve], color=p.QUIET, dash="dot"),
        _trace("fine-tuned", [prune.before, *tuned], color=p.ACCENT, dash="solid"),
    ]
    base = prune.training.baseline_psnr_db
    limits = p.marks(p.level(base, f"baseline {w.decibel(base)}")) if base is not None else {}
    axis = p.axis(w.axis("macs_720p"), rangemode="tozero", tickformat="~s")
    return p.figure(traces, w.axis("macs_720p"), "PSNR on validation photos, dB", xaxis=axis, height=320, **limits)


def _trace(name: str, sides: Sequence[Size], *, color: str, dash: str) -> Figure:
    known = [side for side in sides if side.macs_720p is not None and side.psnr_db is not None]
    x, y = [side.macs_720p for side in known], [side.psnr_db for side in known]
    hover = [f"{w.count(side.macs_720p)} MACs 720p<br>{w.decibel(side.psnr_db)} dB<br>{p.escaped(side.description)}" for side in known]
    line, marker = {"color": color, "width": 2, "dash": dash}, {"color": color, "size": 7}
    return p.line(name, x, y, mode="lines+markers", hovertext=hover, hoverinfo="text", line=line, marker=marker)
