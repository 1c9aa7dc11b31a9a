"""The search on the page: the front against each cost and as a table, and how it grew."""

from __future__ import annotations

from collections.abc import Sequence

from pixsearch.report import wording as w
from pixsearch.report.markup import Markup, element, join, table
from pixsearch.report.page import Page, quiet
from pixsearch.report.plots.search import front_plot, growth_plot, hypervolume_plot
from pixsearch.report.searched import Member, SearchRecord


def front(page: Page, search: SearchRecord) -> None:
    """The front against each cost, and as a table."""
    named = w.title(search.quality.name)
    plots = [
        page.figure(f"front-{n}", front_plot(search, cost), f"{named} against {w.title(cost.name)}") for n, cost in enumerate(search.costs)
    ]
    body = _table(search) if search.front else element("p", "No feasible architecture is known yet.")
    page.add("front", "The front", quiet(*_counts(search)), element("div", *plots, class_="plots"), _picked(), body, _notes(search))


def _counts(search: SearchRecord) -> list[str]:
    outside = sum(not candidate.feasible and not candidate.error for candidate in search.candidates)
    return [
        search.tried,
        f"{outside} outside the bounds" if outside else "",
        f"{len(search.failed)} failed" if search.failed else "",
        f"strategy {search.start['strategy']}" if search.start.get("strategy") else "",
        f"space {search.start['space']}" if search.start.get("space") else "",
        f"seed {search.start['seed']}" if search.start.get("seed") is not None else "",
    ]


def _picked() -> Markup:
    """Where the page's script writes the genotype that was clicked."""
    hint = "Point at a mark to see its genotype; click it, or an id in the table, to keep it here."
    return element("div", element("p", hint, class_="quiet"), id="picked", aria_live="polite")


def _table(search: SearchRecord) -> Markup:
    """The members of the front, cheapest first, the knee marked."""
    sought = [objective.name for objective in (search.quality, *search.costs)]
    names = [*sought, *(name for name in ("ssim", "macs_720p", "params", "memory") if name not in sought)]
    names = [name for name in names if any(member.figures.get(name) is not None for member in search.front)]
    rows = [_member_row(member, names, member.id == search.knee) for member in search.front]
    return table(["id", *map(w.title, names), "architecture"], rows, words=(0, len(names) + 1))


def _member_row(member: Member, names: Sequence[str], knee: bool) -> list[object]:
    button = element("button", member.id, type="button", class_="pick", data_id=member.id)
    mark = element("span", "knee", class_="mark") if knee else None
    return [join([button, mark]), *(w.figure(name, member.figures.get(name)) for name in names), member.description]


def _notes(search: SearchRecord) -> Markup | None:
    latencies = [f"latency: {w.conditions(o.name)}" for o in search.costs if o.name.startswith("latency")]
    return quiet(search.convention, f"fidelity: {search.fidelity}" if search.fidelity else "", *latencies)


def growth(page: Page, search: SearchRecord) -> None:
    """How hypervolume and front grew while the search went on."""
    volume = page.figure("hypervolume", hypervolume_plot(search), "Hypervolume over time")
    fronts = [page.figure("growth", growth_plot(search, cost), "The front after so many candidates") for cost in search.costs[:1]]
    if volume is None:
        return
    corner = ", ".join(f"{w.title(name)} {w.figure(name, value)}" for name, value in search.reference_point.items())
    reference = f"measured from {corner}" if corner else ""
    said = quiet("larger is better: decibels times decades of each cost", reference)
    page.add("growth", "Growth of the front", element("div", volume, *fronts, class_="plots"), said)
