"""The append-only record of a stage: one JSON object a line, written at once, read back after any crash."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pixsearch.errors import MachineError

Event = dict[str, Any]
Listener = Callable[[Event], None]


def read_events(path: Path) -> Iterator[Event]:
    """The events in the file at `path`, oldest first; a last line cut off by a crash is passed over."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


class EventLog:
    """Writer of one events.jsonl; every listener hears each event after it is on disk.

    One writer at a time: the stage's lock sees to it. Opening cuts off a last line that a crash left incomplete.
    An event has `kind` and `time` (seconds since 1970) and whatever fields its kind calls for.
    """

    def __init__(self, path: Path, listeners: list[Listener] | None = None) -> None:
        self.path = path
        self.listeners = listeners if listeners is not None else []
        try:
            self._file = path.open("ab+", buffering=0)
            self._drop_partial_line()
        except OSError as error:
            raise MachineError(f"`{path}` cannot be written ({error.strerror}). Free the disk or mend the permissions.") from error

    def _drop_partial_line(self) -> None:
        self._file.seek(0)
        kept = 0
        for line in self._file:
            if line.endswith(b"\n"):
                kept += len(line)
        self._file.truncate(kept)
        self._file.seek(0, os.SEEK_END)

    def append(self, kind: str, **fields: Any) -> Event:
        """Write one event through to the disk, then tell the listeners; `MachineError` when it cannot be written."""
        event: Event = {"kind": kind, "time": time.time(), **fields}
        line = json.dumps(event, allow_nan=False) + "\n"
        try:
            self._file.write(line.encode())
            os.fsync(self._file.fileno())
        except OSError as error:
            raise MachineError(f"`{self.path}` cannot be written ({error.strerror}). Free the disk, then resume the run.") from error
        for listener in self.listeners:
            listener(event)
        return event

    def close(self) -> None:
        """Close the file; the log cannot be appended to afterwards."""
        self._file.close()
