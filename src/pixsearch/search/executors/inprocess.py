"""Run candidates in this process, each when its result is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pixsearch.search.executors.base import Executor

T = TypeVar("T")


class InProcess(Executor[T]):
    """Lazy and sequential: nothing runs ahead, so what has been taken is all that has been computed."""

    def __init__(self) -> None:
        self._line: deque[tuple[Callable[[Any], T], Any]] = deque()

    def submit(self, fn: Callable[[Any], T], item: Any) -> None:
        """Line up `fn(item)`; it runs when its result is asked for."""
        self._line.append((fn, item))

    def results(self) -> Iterator[T]:
        """Run what is in line, one call a result."""
        while self._line:
            fn, item = self._line.popleft()
            yield fn(item)

    def cancel(self) -> None:
        """Drop what is in line."""
        self._line.clear()

    def share(self, value: Any) -> Any:
        """The object itself."""
        return value

    def close(self) -> None:
        """Drop what is in line."""
        self._line.clear()
