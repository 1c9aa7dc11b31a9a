"""The page as it is put together: sections in order, and the figures they hold places for."""

from __future__ import annotations

from pixsearch.report.markup import Markup, element
from pixsearch.report.plots.look import Figure


class Page:
    """What has been put on the page so far: `contents` are (anchor, title) of the `sections`, `figures` go by name."""

    def __init__(self) -> None:
        self.contents: list[tuple[str, str]] = []
        self.sections: list[Markup] = []
        self.figures: dict[str, Figure] = {}

    def add(self, anchor: str, title: str, *parts: object) -> None:
        """One section, listed in the page's contents."""
        self.contents.append((anchor, title))
        self.sections.append(
            element("section", element("h2", title, id=f"{anchor}-title"), *parts, id=anchor, aria_labelledby=f"{anchor}-title")
        )

    def figure(self, name: str, figure: Figure | None, caption: str) -> Markup | None:
        """A place for `figure`, to be drawn by the page's script; nothing when there is no figure."""
        if figure is None:
            return None
        self.figures[name] = figure
        canvas = element("div", class_="canvas", id=f"plot-{name}", data_figure=name, style=f"height:{figure['layout']['height']}px")
        return element("figure", element("figcaption", caption), canvas, class_="plot")


def quiet(*parts: str) -> Markup | None:
    """A line of small print, such as the conventions of a table; nothing when there is nothing to say."""
    said = [part for part in parts if part]
    return element("p", " · ".join(said), class_="quiet") if said else None
