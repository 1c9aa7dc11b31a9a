"""Where a command's results go: tables on stdout and progress on stderr, or one JSON document."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from rich.console import Console, RenderableType

from pixsearch.events import Listener
from pixsearch.interrupt import graceful_interrupt


class Output:
    """Collects what a command has to say; use it as a context manager around the whole command.

    Within it Ctrl-C is graceful and progress is drawn. On leaving without an error the JSON document is printed when it was
    asked for: the one result, or a mapping of stages to results when there are several.
    """

    def __init__(self, as_json: bool = False, as_csv: bool = False) -> None:
        self.as_json, self.as_csv = as_json, as_csv
        self._results: dict[str, dict[str, Any]] = {}
        self._console = Console(soft_wrap=False)
        self._stack = ExitStack()
        self._listener: Listener | None = None

    @property
    def listeners(self) -> list[Listener]:
        """Who hears a stage's events; the progress view is made when a stage first needs it."""
        if self._listener is None:
            from pixsearch.report.live import LiveView

            self._listener = self._stack.enter_context(LiveView(stream=sys.stderr))
        return [self._listener]

    def add(self, name: str, result: dict[str, Any], *shown: RenderableType) -> None:
        """Keep `result` for the document; print `shown` when a person is reading."""
        self._results[name] = result
        if not self.as_json and not self.as_csv:
            for part in shown:
                self._console.print(part)

    def text(self, text: str) -> None:
        """Print text as it is, whatever the width of the terminal."""
        if not self.as_json:
            self._console.out(text, highlight=False)

    def __enter__(self) -> Output:
        self._stack.enter_context(graceful_interrupt())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)
        if error is None and self.as_json:
            results = self._results
            document = next(iter(results.values())) if len(results) == 1 else results
            print(json.dumps(document, indent=1, default=str))
