"""Tell a candidate that ends the process, by lack of memory or a crash in native code, from a process that somebody ended."""

from __future__ import annotations

import faulthandler
import re
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

from pixsearch.events import Event

CRASHES = "crashes.log"


def oom_kills(counters: Path = Path("/proc/vmstat")) -> int | None:
    """How many processes the kernel has ended for lack of memory since it started; None where it does not say."""
    try:
        match = re.search(r"^oom_kill (\d+)$", counters.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(match[1]) if match else None


class Witness:
    """Sees what a dead process cannot report: the kernel's count of ended processes, and the last words of a crash.

    While it is open, a fatal signal in native code (segmentation fault, abort) leaves a traceback in `folder`/crashes.log.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / CRASHES

    def __enter__(self) -> Witness:
        self._enabled = faulthandler.is_enabled()
        self._file = self._path.open("ab")
        faulthandler.enable(self._file)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        faulthandler.disable()
        if self._enabled and sys.__stderr__ is not None:
            faulthandler.enable(sys.__stderr__)
        self._file.close()
        if self._path.stat().st_size == 0:
            self._path.unlink()

    def state(self) -> dict[str, Any]:
        """What can be compared later: `oom_kills` (or None) and `crash_bytes`."""
        return {"oom_kills": oom_kills(), "crash_bytes": self._path.stat().st_size if self._path.exists() else 0}


def deaths(events: Sequence[Event], id: str, fidelity: str, now: dict[str, Any]) -> int:
    """How often the process ended while this candidate was tried, for a reason that lies in the candidate.

    Each `begun` without a result is held against the state at the next one (or `now`): it counts when the kernel
    ended a process for lack of memory in between, or a crash was logged. Where the kernel keeps no such count, every end
    but an orderly stop counts.
    """
    begun: list[Event] = []
    for event in events:
        if event["kind"] == "begun" and (event["id"], event["fidelity"]) == (id, fidelity):
            begun.append(event)
        elif event["kind"] == "stopped" and begun:
            begun[-1] = {**begun[-1], "orderly": True}
    return sum(_killed(before, after) for before, after in pairwise([*begun, now]))


def _killed(before: dict[str, Any], after: dict[str, Any]) -> bool:
    if before.get("orderly"):
        return False
    if after["crash_bytes"] > before["crash_bytes"]:
        return True
    if before["oom_kills"] is None or after["oom_kills"] is None:
        return True
    return bool(after["oom_kills"] > before["oom_kills"])
