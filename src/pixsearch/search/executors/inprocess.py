"""Run candidates in this process, each when its result is asked for."""

from __future__ import annotations

from typing import Any, TypeVar

from pixsearch.search.executors.base import Call, Crew, Executor, Outcome

T = TypeVar("T")


class InProcess(Executor[T]):
    """Lazy and sequential: nothing runs ahead, so what has been taken is all that has been computed.

    A call that ends the process ends the search with it (the record knows how to go on), so limits are not kept here.
    """

    def __init__(self, crew: Crew | None = None) -> None:
        super().__init__(crew)
        self._begun: Call | None = None

    def share(self, value: Any) -> Any:
        """The object itself."""
        return value

    def close(self) -> None:
        """Drop what is in line."""
        self.cancel()
        self._begun = None

    def _has_room(self) -> bool:
        return self._begun is None

    def _is_busy(self) -> bool:
        return self._begun is not None

    def _begin(self, call: Call) -> None:
        self._begun = call

    def _next(self) -> tuple[Call, Outcome]:
        call, self._begun = self._begun, None
        assert call is not None
        return call, Outcome(call.fn(call.item, *call.shared))
