"""Ctrl-C: the first finishes the step, saves and exits 130; the second aborts at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pixsearch.errors import Interrupted

_asked = threading.Event()


def stop_asked() -> bool:
    """Whether the user has asked to stop; loops look at it between steps."""
    return _asked.is_set()


def check_stop(how_to_go_on: str) -> None:
    """Raise `Interrupted` when the user has asked to stop; call where everything so far is saved."""
    if _asked.is_set():
        raise Interrupted(f"Stopped as asked; everything so far is saved. {how_to_go_on}")


@contextmanager
def graceful_interrupt() -> Iterator[None]:
    """Within it the first SIGINT or SIGTERM only sets the flag; the second one aborts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _asked.clear()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if _asked.is_set():
            raise KeyboardInterrupt
        _asked.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _asked.clear()
