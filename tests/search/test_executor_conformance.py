"""What every executor keeps: each call's own value or failure, a second try for a lost worker, nothing after close."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pixsearch import interrupt
from pixsearch.errors import Interrupted, MachineError
from pixsearch.registry import EXECUTORS
from pixsearch.search.executors.base import Crew

apart = pytest.mark.parametrize("executor_name", ["pool", "ray"], indirect=True)


def double(value: int) -> int:
    if value < 0:
        raise ValueError(f"{value} is negative")
    return 2 * value


def add(value: int, more: list[int]) -> int:
    return value + sum(more)


def torch_threads(_: int, loaded: Any) -> int:
    return int(sys.modules["torch"].get_num_threads())


def die_once(mark: Path) -> str:
    """Ends its process when it is called for the first time."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def die(value: int) -> int:
    if value == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def hang(value: int) -> int:
    if value == 2:
        time.sleep(600)
    return value


def eat(value: int) -> int:
    if value == 2:
        eaten = []
        for _ in range(100):
            eaten.append(b"x" * 2**26)
            time.sleep(0.05)
    return value


@pytest.fixture
def executor(executor_name: str) -> Any:
    with closing(EXECUTORS.load(executor_name)(Crew(workers=2))) as executor:
        yield executor


def values(executor: Any) -> list[Any]:
    return [ended.value for ended in executor.results()]


def test_every_call_ends_with_its_value(executor: Any) -> None:
    for value in (5, 1, 3):
        executor.submit(double, value)
    assert sorted((ended.item, ended.value) for ended in executor.results()) == [(1, 2), (3, 6), (5, 10)]
    assert list(executor.results()) == []


def test_more_can_be_submitted_later(executor: Any) -> None:
    executor.submit(double, 1)
    assert next(executor.results()).value == 2
    executor.submit(double, 2)
    assert values(executor) == [4]


def test_a_failure_is_raised_where_its_result_is_taken(executor: Any) -> None:
    for value in (1, -1, 3):
        executor.submit(double, value)
    taken = []
    with pytest.raises(ValueError, match="-1 is negative"):
        taken += [ended.value for ended in executor.results()]
    assert {2, 6} >= set(values(executor))


def test_calls_are_begun_in_the_order_of_submission(executor: Any) -> None:
    begun: list[Any] = []
    for value in range(6):
        executor.submit(double, value)
    ended = list(executor.results(lambda item, lost: begun.append((item, lost))))
    assert begun == [(value, None) for value in range(6)]
    assert len(ended) == 6


def test_cancel_drops_what_is_not_begun(executor: Any) -> None:
    for value in range(8):
        executor.submit(double, value)
    assert next(executor.results()).value in (0, 2)
    executor.cancel()
    assert len(values(executor)) <= 1


def test_a_shared_object_is_read_by_calls(executor: Any) -> None:
    handle, other = executor.share([1, 2, 3]), executor.share([10])
    executor.submit(add, 1, handle)
    executor.submit(add, 2, other)
    executor.submit(add, 3, handle)
    assert sorted(values(executor)) == [7, 9, 12]


def test_asked_to_stop_it_drops_what_is_left(executor: Any) -> None:
    for value in range(8):
        executor.submit(double, value)
    taken = executor.results()
    next(taken)
    interrupt._asked.set()
    try:
        with pytest.raises(Interrupted):
            next(taken)
    finally:
        interrupt._asked.clear()
    assert list(executor.results()) == []


def test_closing_twice_is_fine(executor: Any) -> None:
    executor.close()
    executor.close()


@apart
class TestApart:
    """Executors whose workers are processes of their own."""

    def tries(self, executor_name: str, fn: Any, **limits: Any) -> tuple[dict[int, Any], list[tuple[int, str]]]:
        """How `fn` ended for 1, 2 and 3, and what was tried again and why."""
        again: list[tuple[int, str]] = []

        def begin(item: int, lost: str | None) -> None:
            if lost is not None:
                again.append((item, lost))

        with closing(EXECUTORS.load(executor_name)(Crew(workers=2, **limits))) as executor:
            for value in (1, 2, 3):
                executor.submit(fn, value)
            return {ended.item: ended.lost or ended.value for ended in executor.results(begin)}, again

    def test_torch_in_a_worker_has_the_crews_threads(self, executor_name: str) -> None:
        torch = pytest.importorskip("torch")
        with closing(EXECUTORS.load(executor_name)(Crew(workers=1, threads=2))) as executor:
            executor.submit(torch_threads, 0, executor.share(torch.float32))  # unpacking it loads torch
            assert values(executor) == [2]

    def test_a_call_whose_worker_is_killed_is_tried_again(self, executor: Any, tmp_path: Path) -> None:
        executor.submit(die_once, tmp_path / "mark")
        assert values(executor) == ["alive"]

    def test_a_call_that_kills_its_worker_twice_is_lost_alone(self, executor_name: str) -> None:
        ended, again = self.tries(executor_name, die)
        assert [ended[1], ended[3]] == [1, 3]
        assert "SIGKILL" in ended[2] if executor_name == "pool" else "process was lost" in ended[2]
        assert [item for item, _ in again] == [2]

    def test_a_call_that_hangs_is_lost_alone(self, executor_name: str) -> None:
        ended, again = self.tries(executor_name, hang, limit_s=0.5)
        assert ended == {1: 1, 2: "It took longer than the limit of 0.5 s.", 3: 3}
        assert again == [(2, ended[2])]

    def test_a_call_that_eats_memory_is_lost_alone(self, executor_name: str) -> None:
        ended, again = self.tries(executor_name, eat, memory_bytes=400 * 2**20)
        assert [ended[1], ended[3]] == [1, 3]
        assert "of memory; the limit is 419 MB." in ended[2]
        assert [item for item, _ in again] == [2]


def test_in_process_nothing_runs_before_its_result_is_asked_for() -> None:
    ran: list[int] = []
    executor = EXECUTORS.load("inprocess")()
    executor.submit(ran.append, 1)
    executor.submit(ran.append, 2)
    next(executor.results())
    assert ran == [1]


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9"])
def test_a_cluster_that_is_not_there_is_said_at_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed (`pip install pixsearch[ray]`): its executor is NOT tested")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(MachineError, match=f"no Ray cluster at `{address}`.*use `--executor pool`"):
        EXECUTORS.load("ray")(Crew(address=address))


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MachineError, match=r"Install `pixsearch\[ray\]`"):
        EXECUTORS.load("ray")(Crew())
