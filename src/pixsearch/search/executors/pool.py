"""Run candidates in worker processes of this computer, each of which may die without taking anything along."""

from __future__ import annotations

import itertools
import multiprocessing
import pickle
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from pixsearch.bench.targets.local import cores
from pixsearch.search.executors.base import POLL_S, Call, Crew, Executor, Outcome
from pixsearch.search.executors.limits import over_memory, over_time
from pixsearch.search.executors.worker import READY, VALUE, serve

T = TypeVar("T")

START_S = 300.0
"""What a worker may take to unpack a call, imports included, before it counts as hanging."""


@dataclass(frozen=True)
class Shared:
    """A pickled object and the number it is known by."""

    number: int
    packed: bytes


class Worker:
    """One process, the call it has begun and what it holds of shared objects."""

    def __init__(self, threads: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would take torch's threads and locks along
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, threads), name="pixsearch-worker", daemon=True)
        with _without_interrupts():
            self.process.start()
        theirs.close()
        self.call: Call | None = None
        self.deadline = 0.0
        self._held: frozenset[int] = frozenset()

    def begin(self, call: Call) -> None:
        """Send the call; a worker that has died meanwhile is found out about by `outcome`."""
        self.call, self.deadline = call, time.monotonic() + START_S
        shared = [value for value in call.shared if isinstance(value, Shared)]
        new = {one.number: one.packed for one in shared if one.number not in self._held}
        self._held = frozenset(one.number for one in shared)
        message = pickle.dumps(([one.number for one in shared], new, (call.fn, call.item)))
        with suppress(OSError):
            self.pipe.send_bytes(message)

    def outcome(self, crew: Crew) -> Outcome | None:
        """What came of the call, or None while it runs; a worker over its limits is ended."""
        try:
            while self.pipe.poll():
                kind, value = pickle.loads(self.pipe.recv_bytes())
                if kind != READY:
                    return Outcome(value) if kind == VALUE else Outcome(error=value)
                self.deadline = time.monotonic() + crew.limit_s if crew.limit_s is not None else float("inf")
        except (EOFError, OSError):
            self.process.join()
            return Outcome(lost=_ended_by(self.process.exitcode))
        reason = self._over_limits(crew)
        if reason is None:
            return None
        self.end()
        return Outcome(lost=reason)

    def _over_limits(self, crew: Crew) -> str | None:
        if time.monotonic() > self.deadline:
            return over_time(crew.limit_s or START_S)
        return over_memory(self.process.pid, crew.memory_bytes)

    def end(self) -> None:
        """End the process, whatever it is doing, and free what it held here."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Pool(Executor[T]):
    """As many processes as the crew has workers, started when there is work for them and replaced when they are lost.

    Shared objects travel once to each worker, which keeps those that its newest call reads. No process outlives the owner.
    """

    def __init__(self, crew: Crew | None = None) -> None:
        super().__init__(crew)
        self._size = self.crew.workers or max(1, cores() // self.crew.threads)
        self._workers: list[Worker] = []
        self._numbers = itertools.count()

    def share(self, value: Any) -> Shared:
        """The object, pickled once."""
        return Shared(next(self._numbers), pickle.dumps(value))

    def close(self) -> None:
        """Drop what is in line, end all workers."""
        self.cancel()
        while self._workers:
            self._workers.pop().end()

    def _has_room(self) -> bool:
        return len(self._busy()) < self._size

    def _is_busy(self) -> bool:
        return bool(self._busy())

    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.call is not None]

    def _begin(self, call: Call) -> None:
        idle = next((worker for worker in self._workers if worker.call is None), None)
        if idle is None:
            idle = Worker(self.crew.threads)
            self._workers.append(idle)
        idle.begin(call)

    def _next(self) -> tuple[Call, Outcome] | None:
        pipes: list[Connection] = [worker.pipe for worker in self._busy()]
        wait(pipes, POLL_S)
        for worker in self._busy():
            outcome = worker.outcome(self.crew)
            if outcome is not None:
                call, worker.call = worker.call, None
                assert call is not None
                if outcome.lost is not None:
                    worker.end()
                    self._workers.remove(worker)
                return call, outcome
        return None


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes started within it never see Ctrl-C, which is the owner's to act on."""
    resource_tracker.ensure_running()  # starting it with the first worker would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ended_by(code: int | None) -> str:
    if code is not None and -code in signal.valid_signals():
        return f"Its process was ended by {signal.Signals(-code).name}."
    return f"Its process ended with code {code}."
