"""A run as it goes: one live panel on a terminal, plain and few lines anywhere else, always apart from the results."""

from __future__ import annotations

import contextlib
import sys
from types import TracebackType
from typing import IO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pixsearch.events import Event
from pixsearch.report.console import open_console
from pixsearch.report.narrate import lasts, narrate
from pixsearch.report.panel import Panel

EVERY_S = {"step": 10.0, "candidate": 5.0, "checkpoint": 30.0, "preparing": 10.0}


class LiveView:
    """A listener of events, to be hung on a stage and used as a context manager around it.

    On a terminal it draws a panel that is redrawn with each event (so nothing of ours runs between events, while a
    latency is measured); warnings and results stay above it. Elsewhere it prints plain lines, those of
    steps, candidates and checkpoints at most every few seconds by the events' own clock. Nothing it meets, be it an
    event it does not know or a closed stream, is ever raised into the run: it falls silent instead.
    """

    def __init__(self, stream: IO[str] | None = None, *, title: str = "") -> None:
        self.title = title
        self._console: Console = open_console(stream if stream is not None else sys.stderr)
        self._live: Live | None = None
        self._panel = Panel()
        self._told: dict[str, float] = {}
        self._silent = False

    def __enter__(self) -> LiveView:
        with contextlib.suppress(Exception):
            if self._console.is_terminal and not self._console.is_dumb_terminal:
                self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)
                self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        live, self._live = self._live, None
        with contextlib.suppress(Exception):
            if live is not None:
                live.stop()

    def __call__(self, event: Event) -> None:
        """Show `event`; never raises."""
        if self._silent:
            return
        try:
            self._show(event)
        except Exception:  # a view must not end a run of hours
            self._silent = True

    def _show(self, event: Event) -> None:
        kind = str(event.get("kind", ""))
        if kind == "start":
            self._panel = Panel()
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):  # an event that is not as it should be
            self._panel.take(event)
        if self._live is None:
            if self._due(kind, event):
                self._print(kind, event)
            return
        if lasts(event):
            self._print(kind, event)
        self._live.update(self._panel.draw(self._console.width, self.title), refresh=True)

    def _print(self, kind: str, event: Event) -> None:
        style = "yellow" if kind == "warning" else "red" if kind == "stopped" or event.get("error") else ""
        head = f"{self.title}: " if self.title else ""
        self._console.print(Text(head, style="dim") + Text(narrate(event), style=style), soft_wrap=True)

    def _due(self, kind: str, event: Event) -> bool:
        """Whether a line of this kind may be printed now; failures and rare kinds always may."""
        if kind in ("begun", "measured") and not lasts(event):
            return False
        now, pause = event.get("time"), EVERY_S.get(kind)
        if pause is None or event.get("error") or not isinstance(now, int | float):
            return True
        if kind in self._told and 0 <= now - self._told[kind] < pause:
            return False
        self._told[kind] = now
        return True
