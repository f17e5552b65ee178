"""Tasks that threads do in the order of their results: lossctl.engine.run.in_order."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier, get_ident
from time import sleep

import pytest

from lossctl.engine.run import in_order
from lossctl.errors import DataError


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_come_in_the_order_of_the_tasks(threads: int) -> None:
    def work(task: int) -> int:
        sleep(0.001 * (task % 3))
        return task * task

    assert list(in_order(iter(range(40)), work, threads, 4)) == [task * task for task in range(40)]


def test_the_thread_that_asks_is_one_of_them() -> None:
    both = Barrier(2, timeout=10.0)

    def work(task: int) -> int:
        both.wait()  # which one thread alone would never pass
        return get_ident()

    assert set(in_order(iter(range(6)), work, 2, 4)) >= {get_ident()}


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_error_comes_behind_the_results_of_the_tasks_before_it(threads: int) -> None:
    def work(task: int) -> int:
        if task == 5:
            raise DataError("the sixth")
        sleep(0.002)
        return task

    reached: list[int] = []
    with pytest.raises(DataError, match="the sixth"):
        reached.extend(in_order(iter(range(9)), work, threads, 4))
    assert reached == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_what_was_read_before_a_row_that_cannot_be_comes_first(threads: int) -> None:
    def tasks() -> Iterator[int]:
        yield from range(3)
        raise DataError("unreadable")

    reached: list[int] = []
    with pytest.raises(DataError, match="unreadable"):
        reached.extend(in_order(tasks(), lambda task: task, threads, 4))
    assert reached == [0, 1, 2]


def test_no_more_tasks_are_read_than_may_be_ahead() -> None:
    begun = 0

    def tasks() -> Iterator[int]:
        nonlocal begun
        for task in range(100):
            begun += 1
            yield task

    results = in_order(tasks(), lambda task: task, 2, 4)
    assert next(results) == 0
    assert begun <= 5
    results.close()
