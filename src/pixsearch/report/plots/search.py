"""Figures of a search: the front against each cost, and how it grew."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from pixsearch.report import wording as w
from pixsearch.report.plots import look as p
from pixsearch.report.plots.look import Figure
from pixsearch.report.searched import Candidate, Member, Objective, SearchRecord, steady_seconds

SHOWN_FRONTS = 6
WIDE = 30  # costs that differ by more than this factor are told apart on a logarithmic axis only


def front_plot(search: SearchRecord, cost: Objective) -> Figure:
    """Quality against one cost: everything tried, the front, its knee, the bounds, the baseline.

    Points carry their genotype's id as `customdata`; the page puts the genotype into their hover.
    """
    quality = search.quality
    members = {member.id for member in search.front}
    tried = [c for c in search.candidates if c.id not in members and c.figures.get(quality.name) is not None]
    traces = [
        _cloud("out of bounds", [c for c in tried if not c.feasible], quality, cost, symbol="circle-open"),
        _cloud("tried", [c for c in tried if c.feasible], quality, cost, symbol="circle"),
        *_front(search, quality, cost),
    ]
    return p.figure(
        [t for t in traces if t["x"]],
        w.axis(cost.name),
        w.axis(quality.name),
        xaxis=_cost_axis(search, cost),
        **_limits(search, quality, cost),
    )


def _cost_axis(search: SearchRecord, cost: Objective) -> Figure:
    form = "~g" if cost.name.startswith("latency") else "~s"
    if _is_wide(search, cost):
        return p.axis(w.axis(cost.name), type="log", tickformat=form, dtick="D2")
    return p.axis(w.axis(cost.name), rangemode="tozero", tickformat=form)


def _is_wide(search: SearchRecord, cost: Objective) -> bool:
    values = [value for one in search.candidates if (value := one.figures.get(cost.name)) and one.feasible]
    return bool(values) and max(values) > WIDE * min(values)


def _cloud(name: str, candidates: Sequence[Candidate], quality: Objective, cost: Objective, symbol: str) -> Figure:
    known = [c for c in candidates if c.figures.get(cost.name) is not None]
    look = {"symbol": symbol, "line": {"color": p.QUIET, "width": 1.2}}
    x, y = [c.figures[cost.name] for c in known], [c.figures[quality.name] for c in known]
    return p.dots(name, x, y, p.QUIET, 6, marker=look, customdata=[c.id for c in known], hoverinfo="text")


def _front(search: SearchRecord, quality: Objective, cost: Objective) -> list[Figure]:
    known = [m for m in search.front if m.figures.get(cost.name) is not None and m.figures.get(quality.name) is not None]
    known.sort(key=lambda m: m.figures[cost.name] or 0.0)
    knees = [m for m in known if m.id == search.knee]
    marked = {"symbol": "diamond", "line": {"color": p.INK, "width": 1.5}}
    edge = _edge(known, quality, cost)
    return [
        p.line("edge of the front", *edge, line={"color": p.ACCENT, "width": 1.5, "shape": "hv"}, hoverinfo="skip", showlegend=False),
        p.dots("front", *_at(known, quality, cost), p.ACCENT, 9, customdata=[m.id for m in known], hoverinfo="text"),
        p.dots("knee", *_at(knees, quality, cost), p.ACCENT, 14, marker=marked, customdata=[m.id for m in knees], hoverinfo="text"),
    ]


def _at(members: Sequence[Member], quality: Objective, cost: Objective) -> tuple[list[float | None], list[float | None]]:
    return [m.figures[cost.name] for m in members], [m.figures[quality.name] for m in members]


def _edge(members: Sequence[Member], quality: Objective, cost: Objective) -> tuple[list[float | None], list[float]]:
    """What is the best to be had at each cost: with several costs not every member lies on the edge of this plot."""
    x, y = _at(members, quality, cost)
    return x, list(accumulate((value for value in y if value is not None), max))


def _limits(search: SearchRecord, quality: Objective, cost: Objective) -> Figure:
    pairs = []
    if search.baseline and quality.name == "psnr":
        pairs.append(p.level(search.baseline[1], f"{search.baseline[0]} {w.decibel(search.baseline[1])}"))
    if quality.bound is not None:
        pairs.append(p.level(quality.bound, w.bound(quality.name, True, quality.bound)))
    if cost.bound is not None:
        pairs.append(p.wall(cost.bound, f"≤ {w.figure(cost.name, cost.bound)}", log=_is_wide(search, cost)))
    return p.marks(*pairs)


def hypervolume_plot(search: SearchRecord) -> Figure | None:
    """Hypervolume over the time of the search; None before there is any."""
    scale, unit = _clock(search)
    points = [
        (seconds / scale, g)
        for seconds, g in zip(steady_seconds(search.generations), search.generations, strict=True)
        if g.hypervolume is not None
    ]
    if not points:
        return None
    hover = [
        f"{g.evaluated} evaluated<br>generation {g.number}<br>front of {len(g.front)}<br>hypervolume {g.hypervolume:.4g}" for _, g in points
    ]
    trace = p.line(
        "hypervolume", [t for t, _ in points], [g.hypervolume for _, g in points], mode="lines+markers", hovertext=hover, hoverinfo="text"
    )
    trace["line"] = {"color": p.ACCENT, "width": 2, "shape": "hv"}
    trace["marker"] = {"color": p.ACCENT, "size": 6}
    return p.figure([trace], f"time of the search, {unit}", "hypervolume", height=320, showlegend=False)


def _clock(search: SearchRecord) -> tuple[float, str]:
    """Seconds in the unit that a time axis counts in, and the unit's name."""
    total = max([0.0, *steady_seconds(search.generations)])
    return (3600.0, "hours") if total > 3 * 3600 else (60.0, "minutes") if total > 180 else (1.0, "seconds")


def growth_plot(search: SearchRecord, cost: Objective) -> Figure | None:
    """The front as it was after some of the generations, from pale to dark; None while there are fewer than two."""
    fronts = [g for g in search.generations if g.front]
    if len(fronts) < 2:
        return None
    known = {c.id: c for c in search.candidates}
    picked = sorted({round(i * (len(fronts) - 1) / (SHOWN_FRONTS - 1)) for i in range(SHOWN_FRONTS)})
    traces = []
    for place, number in enumerate(picked, start=1):
        members = [known[i] for i in fronts[number].front if i in known]
        trace = _old_front(members, search.quality, cost, fronts[number].evaluated)
        traces.append({**trace, "opacity": round(place / len(picked), 2)})
    return p.figure(traces, w.axis(cost.name), w.axis(search.quality.name), height=320, xaxis=_cost_axis(search, cost))


def _old_front(members: Sequence[Candidate], quality: Objective, cost: Objective, evaluated: int) -> Figure:
    points = sorted((c.figures[cost.name] or 0.0, c.figures[quality.name] or 0.0) for c in members if c.figures.get(cost.name) is not None)
    best = list(accumulate((y for _, y in points), max))
    return p.line(f"after {evaluated}", [x for x, _ in points], best, line={"color": p.ACCENT, "width": 2, "shape": "hv"}, hoverinfo="name")
