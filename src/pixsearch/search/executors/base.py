"""What every executor offers: calls are submitted, and how each ended comes back; a call whose worker is lost is tried once more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pixsearch.errors import Interrupted
from pixsearch.interrupt import stop_asked

T = TypeVar("T")
Begin = Callable[[Any, str | None], None]

TRIES = 2
POLL_S = 0.1
"""How long an executor may wait before it looks up: for Ctrl-C, for time and memory of its workers."""


@dataclass(frozen=True)
class Crew:
    """Who works: how many `workers` (None: as many as there are cores for), with how many `threads` each.

    A call that takes longer than `limit_s` seconds, or whose worker takes more than `memory_bytes`, is ended together with its worker. The
    caller's own process cannot be ended so: `inprocess` keeps no limits. `address` is the cluster's, for executors that have one.
    """

    workers: int | None = None
    threads: int = 1
    limit_s: float | None = None
    memory_bytes: int | None = None
    address: str | None = None


@dataclass
class Call:
    """`fn(item, *shared)`, and how often it was begun."""

    fn: Callable[..., Any]
    item: Any
    shared: tuple[Any, ...]
    tries: int = 0
    lost: str | None = None


@dataclass(frozen=True)
class Ended(Generic[T]):
    """How the call for `item` ended: with its `value`, or `lost`, which says what ended its worker every time it was tried."""

    item: Any
    value: T | None = None
    lost: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of one try: a value, an error that the call raised, or the reason why its worker is gone."""

    value: Any = None
    error: BaseException | None = None
    lost: str | None = None


class Executor(ABC, Generic[T]):
    """Runs submitted calls, here or elsewhere.

    Used from one thread by one owner, who closes it. How a call ends does not depend on how many workers there are; the order in
    which calls end does. Calls are begun in the order of submission, never more of them than there are workers. A subclass
    says how a call is begun and what has ended; the line, the second try and Ctrl-C are dealt with here.
    """

    def __init__(self, crew: Crew | None = None) -> None:
        self.crew = crew or Crew()
        self._line: deque[Call] = deque()

    def submit(self, fn: Callable[..., T], item: Any, *shared: Any) -> None:
        """Line up `fn(item, *shared)`; handles of shared objects are given to `fn` as the objects."""
        self._line.append(Call(fn, item, shared))

    def results(self, begin: Begin = lambda _item, _lost: None) -> Iterator[Ended[T]]:
        """How each call in line ended, as soon as it did.

        `begin(item, lost)` is called right before each try, with what ended the try before, if there was one. A call that
        raises raises again here; what else is in line stays there, and asking for results again goes on with it. Raises
        `Interrupted` when the user asked to stop; what is not taken by then is dropped.
        """
        while self._line or self._is_busy():
            if stop_asked():
                self.close()
                raise Interrupted("Stopped as asked.")
            while self._line and self._has_room():
                call = self._line.popleft()
                begin(call.item, call.lost)
                call.tries += 1
                self._begin(call)
            ended = self._next()
            if ended is None:
                continue
            call, outcome = ended
            if outcome.error is not None:
                raise outcome.error
            if outcome.lost is not None and call.tries < TRIES:
                call.lost = outcome.lost
                self._line.appendleft(call)
                continue
            yield Ended(call.item, outcome.value, outcome.lost)

    def cancel(self) -> None:
        """Drop what is in line and not begun."""
        self._line.clear()

    @abstractmethod
    def share(self, value: Any) -> Any:
        """A handle for a large object that many calls read; it is sent once, not with each call."""

    @abstractmethod
    def close(self) -> None:
        """Drop what is in line or running and give back all workers; may be called twice."""

    @abstractmethod
    def _has_room(self) -> bool:
        """Whether another call may begin now."""

    @abstractmethod
    def _is_busy(self) -> bool:
        """Whether calls have begun whose outcome was not given yet."""

    @abstractmethod
    def _begin(self, call: Call) -> None:
        """Have a worker begin `call`."""

    @abstractmethod
    def _next(self) -> tuple[Call, Outcome] | None:
        """A call that has ended, or None when none has after a short while; only asked while busy."""
