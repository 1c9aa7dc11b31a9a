"""Tell how far a long preparation has come, now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from pixsearch.interrupt import check_stop

Note = Callable[..., None]
EVERY_S = 2.0


def silent(kind: str, **fields: object) -> None:
    """A `note` that nobody hears."""


class Progress:
    """Counts finished items; an event `preparing` {what, done, total, elapsed_s, eta_s} every two seconds, none for short work."""

    def __init__(self, note: Note, what: str, total: int) -> None:
        self._note, self._what, self._total = note, what, total
        self._done = 0
        self._start = self._last = time.monotonic()

    def advance(self) -> None:
        """One more is done; raises `Interrupted` when the user asked to stop."""
        self._done += 1
        check_stop("Start the same command again to go on.")
        now = time.monotonic()
        if now - self._last < EVERY_S:
            return
        self._last = now
        elapsed = now - self._start
        remaining = elapsed * (self._total - self._done) / self._done
        self._note("preparing", what=self._what, done=self._done, total=self._total, elapsed_s=round(elapsed, 1), eta_s=round(remaining, 1))
