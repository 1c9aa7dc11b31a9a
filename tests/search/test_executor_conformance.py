"""What every executor keeps: results in order of submission, each call's own failure, nothing after close."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from pixsearch.registry import EXECUTORS


def double(value: int) -> int:
    if value < 0:
        raise ValueError(f"{value} is negative")
    return 2 * value


@pytest.mark.parametrize("name", EXECUTORS.names())
class TestExecutor:
    @pytest.fixture
    def executor(self, name: str) -> Any:
        with closing(EXECUTORS.load(name)()) as executor:
            yield executor

    def test_results_come_in_the_order_of_submission(self, executor: Any) -> None:
        for value in (5, 1, 3):
            executor.submit(double, value)
        assert list(executor.results()) == [10, 2, 6]
        assert list(executor.results()) == []

    def test_more_can_be_submitted_later(self, executor: Any) -> None:
        executor.submit(double, 1)
        assert next(executor.results()) == 2
        executor.submit(double, 2)
        assert list(executor.results()) == [4]

    def test_a_failure_is_raised_where_its_result_is_taken(self, executor: Any) -> None:
        for value in (1, -1, 3):
            executor.submit(double, value)
        taken = executor.results()
        assert next(taken) == 2
        with pytest.raises(ValueError, match="-1 is negative"):
            next(taken)
        assert list(executor.results()) == [6]

    def test_cancel_drops_what_is_not_begun(self, executor: Any) -> None:
        executor.submit(double, 1)
        executor.submit(double, 2)
        assert next(executor.results()) == 2
        executor.cancel()
        assert list(executor.results()) in ([], [4])

    def test_a_shared_object_is_read_by_calls(self, executor: Any) -> None:
        handle = executor.share([1, 2, 3])
        executor.submit(sum, handle)
        assert list(executor.results()) == [6]

    def test_closing_twice_is_fine(self, executor: Any) -> None:
        executor.close()
        executor.close()


def test_in_process_nothing_runs_before_its_result_is_asked_for() -> None:
    ran: list[int] = []
    executor = EXECUTORS.load("inprocess")()
    executor.submit(ran.append, 1)
    executor.submit(ran.append, 2)
    next(executor.results())
    assert ran == [1]
