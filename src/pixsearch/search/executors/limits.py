"""What a worker may take of the machine: threads, time and memory, and the words for having taken more."""

from __future__ import annotations

import sys

import psutil

from pixsearch.units import format_bytes, format_duration


def limit_threads(threads: int) -> None:
    """Give torch so many threads, if it is loaded."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def over_time(limit_s: float) -> str:
    """The reason of a candidate that was ended for its time."""
    return f"It took longer than the limit of {format_duration(limit_s)}."


def over_memory(pid: int | None, limit_bytes: int | None) -> str | None:
    """The reason why process `pid` is to be ended for its memory, or None while it keeps the limit."""
    if limit_bytes is None or (used := own_memory(pid)) <= limit_bytes:
        return None
    return f"It took {format_bytes(used)} of memory; the limit is {format_bytes(limit_bytes)}."


def own_memory(pid: int | None) -> int:
    """Bytes of memory a process holds for itself; mapped files, which many processes share, are not counted. 0 when it is gone."""
    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss - getattr(memory, "shared", 0))
