"""The figures of the page as plain plotly.js descriptions; colours are names of the style sheet's variables.

Everything a record says is escaped, because plotly reads a little HTML in its texts.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pixsearch.report import wording as w

Figure = dict[str, Any]

ACCENT, SECOND, THIRD = "var(--plot-1)", "var(--plot-2)", "var(--plot-3)"
QUIET, INK, RULE, PAPER, BOUND = "var(--plot-quiet)", "var(--ink)", "var(--rule)", "var(--paper)", "var(--plot-bound)"


def escaped(value: object) -> str:
    """Text that plotly shows as it is."""
    return html.escape(w.printable(value), quote=False)


def figure(data: Sequence[Mapping[str, Any]], x: str, y: str, **layout: Any) -> Figure:
    """Traces under one look: titled axes `x` and `y`, thin grid, legend above; `layout` is laid over it."""
    top = 14 if layout.get("showlegend") is False else 40
    base: Figure = {
        "margin": {"l": 64, "r": 20, "t": top, "b": 52},
        "height": 380,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": INK, "size": 13},
        "xaxis": axis(x),
        "yaxis": axis(y),
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "var(--panel)", "bordercolor": RULE, "font": {"color": INK, "size": 12}, "align": "left"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": QUIET, "activecolor": ACCENT},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 12}},
    }
    return {"data": list(data), "layout": {**base, **layout}}


def axis(title: str, **more: Any) -> Figure:
    """One axis of that look."""
    look = {"gridcolor": RULE, "linecolor": RULE, "zeroline": False, "automargin": True, "ticks": ""}
    return {"title": {"text": escaped(title), "font": {"size": 12}, "standoff": 8}, **look, **more}


def level(y: float, label: str) -> tuple[Figure, Figure]:
    """A dashed level over the whole width and its label, as (shape, annotation)."""
    shape = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": {"color": SECOND, "width": 1.5, "dash": "dash"}}
    note = {"xref": "paper", "x": 1, "xanchor": "right", "y": y, "yanchor": "bottom", "text": escaped(label), "showarrow": False}
    return shape, {**note, "font": {"color": SECOND, "size": 12}, "bgcolor": PAPER}


def wall(x: float, label: str, *, log: bool = False) -> tuple[Figure, Figure]:
    """A dotted upright bound and its label along it, as (shape, annotation); `log` when the axis is logarithmic."""
    shape = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": x, "x1": x, "line": {"color": BOUND, "width": 1.5, "dash": "dot"}}
    at = math.log10(x) if log else x  # plotly places shapes by value but annotations by exponent
    note = {
        "yref": "paper",
        "y": 0.5,
        "x": at,
        "xanchor": "right",
        "xshift": -3,
        "textangle": -90,
        "text": escaped(label),
        "showarrow": False,
    }
    return shape, {**note, "font": {"color": BOUND, "size": 12}, "bgcolor": PAPER}


def line(name: str, x: Sequence[Any], y: Sequence[Any], color: str = ACCENT, **more: Any) -> Figure:
    """A thin line trace."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": escaped(name),
        "x": list(x),
        "y": list(y),
        "line": {"color": color, "width": 2},
        **more,
    }


def dots(name: str, x: Sequence[Any], y: Sequence[Any], color: str, size: float = 8, **more: Any) -> Figure:
    """A trace of round marks; a `marker` in `more` is laid over their look."""
    marker = {"color": color, "size": size, **more.pop("marker", {})}
    return {"type": "scatter", "mode": "markers", "name": escaped(name), "x": list(x), "y": list(y), "marker": marker, **more}


def marks(*pairs: tuple[Figure, Figure]) -> Figure:
    """The layout of levels and walls."""
    return {"shapes": [shape for shape, _ in pairs], "annotations": [note for _, note in pairs]}
