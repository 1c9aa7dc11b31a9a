"""What every executor offers: work is submitted, results come back in the order of submission."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Executor(ABC, Generic[T]):
    """Runs submitted calls, here or elsewhere.

    Used from one thread by one owner, who closes it. Results do not depend on how many workers there are, and come in
    the order of submission. A call that raises raises again where its result is taken; what was submitted after it
    stays in line.
    """

    @abstractmethod
    def submit(self, fn: Callable[[Any], T], item: Any) -> None:
        """Line up `fn(item)`."""

    @abstractmethod
    def results(self) -> Iterator[T]:
        """The results of all that is in line, in order; each leaves the line as it is taken."""

    @abstractmethod
    def cancel(self) -> None:
        """Drop what is in line and not begun."""

    @abstractmethod
    def share(self, value: Any) -> Any:
        """A handle for a large object that many calls read; calls may be given the handle or the object."""

    @abstractmethod
    def close(self) -> None:
        """Drop what is in line and give back all workers; may be called twice."""
