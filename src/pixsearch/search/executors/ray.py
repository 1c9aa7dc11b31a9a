"""Run candidates as tasks of a Ray cluster: this computer's, started for the purpose, or one that is there already (extra `[ray]`)."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from pixsearch.errors import MachineError
from pixsearch.search.executors.base import POLL_S, Call, Crew, Executor, Outcome
from pixsearch.search.executors.limits import limit_threads, over_memory, over_time

T = TypeVar("T")

GRACE_S = 60.0
"""How much later than its limit a task is ended from here: its own watch cannot act while native code holds the interpreter."""

KNOCK_S = 10.0


class RayTasks(Executor[T]):
    """A call is a task of its own; shared objects go through the object store once, whatever the number of tasks.

    Without an address a cluster of the crew's size is started on this computer and stopped on closing; one that runs already is only used,
    and each of its nodes must see the photos' cache under the same path.
    """

    def __init__(self, crew: Crew | None = None) -> None:
        super().__init__(crew)
        self._ray = _import_ray()
        self._owned = _connect(self._ray, self.crew)
        cores = int(self._ray.cluster_resources().get("CPU", 1))
        self._size = self.crew.workers or max(1, cores // self.crew.threads)
        self._task = self._ray.remote(num_cpus=self.crew.threads, max_retries=0)(_run)
        self._running: dict[Any, tuple[Call, str, float]] = {}
        self._began = 0

    def share(self, value: Any) -> Any:
        """The object's place in the object store."""
        return self._ray.put(value)

    def close(self) -> None:
        """Drop what is in line or running; stop the cluster if it was started here."""
        self.cancel()
        for reference in self._running:
            with suppress(Exception):
                self._ray.cancel(reference, force=True)
        self._running.clear()
        if self._owned:
            self._owned = False
            self._ray.shutdown()

    def _has_room(self) -> bool:
        return len(self._running) < self._size

    def _is_busy(self) -> bool:
        return bool(self._running)

    def _begin(self, call: Call) -> None:
        self._began += 1
        key = f"pixsearch-{os.getpid()}-{id(self)}-{self._began}"
        reference = self._task.remote(call.fn, call.item, key, self.crew, *call.shared)
        self._running[reference] = call, key, time.monotonic()

    def _next(self) -> tuple[Call, Outcome] | None:
        ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=POLL_S)
        if not ready:
            self._end_overdue()
            return None
        call, key, _ = self._running.pop(ready[0])
        return call, self._outcome(ready[0], key)

    def _outcome(self, reference: Any, key: str) -> Outcome:
        errors = self._ray.exceptions
        try:
            return Outcome(self._ray.get(reference))
        except errors.RayTaskError as error:
            return Outcome(error=error.cause if isinstance(error.cause, Exception) else error)
        except errors.RayError as error:
            return Outcome(lost=_last_words(key) or _said(error, self.crew))

    def _end_overdue(self) -> None:
        if self.crew.limit_s is not None:
            for reference, (_, _, began) in self._running.items():
                if time.monotonic() - began > self.crew.limit_s + GRACE_S:
                    self._ray.cancel(reference, force=True)


def _run(fn: Callable[..., T], item: Any, key: str, crew: Crew, *shared: Any) -> T:
    """The task: the call, with its process watched over."""
    limit_threads(crew.threads)
    over = threading.Event()
    threading.Thread(target=_watch, args=(over, key, crew), name="watch", daemon=True).start()
    try:
        return fn(item, *shared)
    finally:
        over.set()


def _watch(over: threading.Event, key: str, crew: Crew) -> None:
    """End this process when it takes more than it may, after leaving word in the cluster's own store."""
    began = time.monotonic()
    while not over.wait(POLL_S):
        late = crew.limit_s is not None and time.monotonic() - began > crew.limit_s
        reason = over_time(crew.limit_s or 0.0) if late else over_memory(os.getpid(), crew.memory_bytes)
        if reason is not None:
            _store()._internal_kv_put(key, reason)
            os.kill(os.getpid(), signal.SIGKILL)


def _last_words(key: str) -> str | None:
    """What the watch of a task left, if anything."""
    words = _store()._internal_kv_get(key)
    _store()._internal_kv_del(key)
    return words.decode() if words else None


def _store() -> Any:
    """A few bytes in the cluster that outlive the process that wrote them; an exit code of a task cannot be asked for."""
    from ray.experimental import internal_kv

    return internal_kv


def _said(error: Exception, crew: Crew) -> str:
    if type(error).__name__ == "TaskCancelledError" and crew.limit_s is not None:
        return over_time(crew.limit_s)
    return f"Its process was lost ({type(error).__name__})."


def _connect(ray: Any, crew: Crew) -> bool:
    """Join the cluster; whether it was started here, for this executor alone."""
    if ray.is_initialized():
        return False
    quiet = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    with _own_signals():
        try:
            if crew.address is not None:
                _knock(crew.address)
                ray.init(address=crew.address, **quiet)
            else:
                cores = None if crew.workers is None else crew.workers * crew.threads
                ray.init(address="local", num_cpus=cores, include_dashboard=False, **quiet)
        except Exception as error:
            where = f"at `{crew.address}`" if crew.address else "on this computer"
            raise MachineError(
                f"There is no Ray cluster {where} to work with ({error}). Check the address, or use `--executor pool`."
            ) from error
    return True


def _knock(address: str) -> None:
    """`OSError` when nobody listens at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=KNOCK_S).close()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray puts a handler of its own in place of ours, which would make a stop an abort."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


def _import_ray() -> Any:
    try:
        with _own_signals():
            import ray
    except ImportError:
        raise MachineError("Ray is not installed. Install `pixsearch[ray]`, or use `--executor pool`.") from None
    return ray
