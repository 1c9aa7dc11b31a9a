"""HTML whose text is escaped by construction: whatever a record says is shown, never run."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any

from pixsearch.report.wording import printable

VOID = frozenset({"img", "input", "br", "hr"})


class Markup(str):
    """HTML as it stands; any other text is escaped where it enters an element."""

    __slots__ = ()


def text(value: object) -> Markup:
    """`value` as text of a page: escaped, control characters spelled out."""
    return value if isinstance(value, Markup) else Markup(html.escape(printable(value)))


def join(parts: Iterable[object], between: str = "") -> Markup:
    """Parts one after another, each escaped unless it is markup."""
    return Markup(between.join(text(part) for part in parts if part is not None))


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """One element; children that are None and attributes that are None or False are left out.

    Attributes are written with `_` for `-` and may end in `_` (`class_`, `for_`, `data_crop`); True makes a bare one.
    """
    names = "".join(_attribute(name, value) for name, value in attributes.items() if value is not None and value is not False)
    if tag in VOID:
        return Markup(f"<{tag}{names}>")
    return Markup(f"<{tag}{names}>{join(children)}</{tag}>")


def _attribute(name: str, value: object) -> str:
    written = name.rstrip("_").replace("_", "-")
    return f" {written}" if value is True else f' {written}="{text(value)}"'


def table(heads: Sequence[object], rows: Iterable[Sequence[object]], *, words: Sequence[int] = (0,), caption: object = None) -> Markup:
    """A table that scrolls within its own frame when the page is narrow.

    Columns in `words` hold text, all others figures, which are set to the right. Rows and cells may be `Cell`s.
    """
    classes = ["words" if number in words else None for number in range(len(heads))]
    head = element("tr", *(element("th", title, scope="col", class_=kind) for title, kind in zip(heads, classes, strict=True)))
    body = [element("tr", *_cells(row, classes)) for row in rows]
    shown = element("table", element("caption", caption) if caption else None, element("thead", head), element("tbody", *body))
    return element("div", shown, class_="scroll", tabindex="0", role="region", aria_label="Table")


def _cells(row: Sequence[object], classes: Sequence[str | None]) -> list[Markup]:
    first = element("th", row[0], scope="row", class_=classes[0])
    return [first, *(element("td", value, class_=kind) for value, kind in zip(row[1:], classes[1:], strict=True))]


def script_json(value: Any) -> Markup:
    """JSON that may stand inside a script element: no sequence in it can end the element or open a comment."""
    data = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
