"""Tables that never cut a figure: columns that do not fit are left out, least wanted first; names fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from pixsearch.report.wording import printable

GAP = 2
NAME_WIDTH = 14  # cells that the name of a model may be folded to


@dataclass(frozen=True)
class Column:
    """A column of a console table; `rank` 0 always stays, higher ranks leave first when the screen is narrow.

    `narrowest` lets a column of words fold to that many cells; figures never fold. `styles` gives a cell a style of rich's.
    """

    head: str
    cells: Sequence[str]
    rank: int = 0
    align: Literal["left", "right"] = "right"
    narrowest: int | None = None
    styles: Sequence[str] = ()

    @property
    def width(self) -> int:
        """Cells the column takes when nothing folds."""
        return max(cell_len(printable(text)) for text in [self.head, *self.cells])

    @property
    def least(self) -> int:
        """Cells the column cannot do without."""
        return self.width if self.narrowest is None else min(self.width, max(self.narrowest, cell_len(self.head)))


def table(columns: Sequence[Column], width: int) -> Table:
    """`columns` as a plain table within `width` cells.

    When even the columns of rank 0 do not fit, the table is wider than the screen rather than short of a figure.
    """
    kept = _fitting([column for column in columns if any(text.strip() for text in column.cells)], width)
    widths = _widths(kept, width)
    result = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold", width=sum(widths) + GAP * (len(kept) - 1))
    for column, cells in zip(kept, widths, strict=True):
        result.add_column(Text(column.head), justify=column.align, no_wrap=column.narrowest is None, width=cells, overflow="fold")
    for number in range(max((len(column.cells) for column in kept), default=0)):
        result.add_row(*(_cell(column, number) for column in kept))
    return result


def _cell(column: Column, row: int) -> Text:
    style = column.styles[row] if row < len(column.styles) else ""
    return Text(printable(column.cells[row]) if row < len(column.cells) else "", style=style)


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    kept = list(columns)
    while kept and sum(c.least + GAP for c in kept) - GAP > width:
        worst = max(c.rank for c in kept)
        if worst == 0:
            break
        kept.remove([c for c in kept if c.rank == worst][-1])
    return kept


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Every column at its least, then the room that is left to the columns that fold, in turn."""
    widths = [column.least for column in columns]
    room = width - sum(widths) - GAP * (len(columns) - 1)
    for number, column in enumerate(columns):
        more = max(0, min(room, column.width - widths[number]))
        widths[number] += more
        room -= more
    return widths


def note(*parts: str) -> Text:
    """A dim line under a table, of the parts that say something."""
    return Text(" · ".join(printable(part) for part in parts if part), style="dim")
