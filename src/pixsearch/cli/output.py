"""Where a command's results go: tables on stdout and progress on stderr, or one JSON document."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import RenderableType

from pixsearch.interrupt import graceful_interrupt
from pixsearch.report.console import open_console, show_stage
from pixsearch.train.ranks import speaks


class Output:
    """Collects what a command has to say; use it as a context manager around the whole command.

    Within it Ctrl-C is graceful. On leaving without an error the JSON document is printed when it was asked for: the one
    result, or a mapping of stages to results when there are several.
    """

    def __init__(self, as_json: bool = False, as_csv: bool = False) -> None:
        self.as_json, self.as_csv = as_json, as_csv
        self._results: dict[str, dict[str, Any]] = {}
        self._stack = ExitStack()

    @property
    def for_people(self) -> bool:
        """Whether a person reads stdout."""
        return not self.as_json and not self.as_csv

    def add_stage(self, run: Path, name: str, result: dict[str, Any]) -> None:
        """Keep a stage's result for the document; show a person its tables out of the record."""
        self._results[name] = result
        if self.for_people:
            show_stage(run, name, detail=name == "bench")

    def add(self, name: str, result: dict[str, Any], *shown: RenderableType) -> None:
        """Keep `result` for the document; print `shown` when a person is reading."""
        self._results[name] = result
        if self.for_people:
            open_console().print(*shown, sep="\n", crop=False, soft_wrap=True)

    def csv(self, text: str) -> None:
        """Print CSV when it was asked for."""
        if self.as_csv:
            print(text, end="")

    def __enter__(self) -> Output:
        self._stack.enter_context(graceful_interrupt())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)
        if error is None and self.as_json and speaks():
            results = self._results
            document = next(iter(results.values())) if len(results) == 1 else results
            print(json.dumps(document, indent=1, default=str))
