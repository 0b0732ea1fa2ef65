"""Work beside the caller's: all of it done at the end, no error lost, no queue without an end."""

from __future__ import annotations

import threading
import time

import pytest

from assets.background import Background
from pipeline.errors import StoreError


def test_everything_is_done_at_the_end_and_in_order() -> None:
    done: list[int] = []

    def task(number: int) -> None:
        time.sleep(0.01)
        done.append(number)

    with Background() as background:
        for number in range(5):
            background.do(lambda number=number: task(number))  # type: ignore[misc]
    assert done == [0, 1, 2, 3, 4]


def test_the_caller_goes_on_until_the_queue_is_full() -> None:
    gate = threading.Event()

    def wait() -> None:
        gate.wait(5)

    with Background(waiting=1) as background:
        background.do(wait)
        background.do(lambda: None)        # returns although the first is in hand
        third = threading.Thread(target=background.do, args=(lambda: None,))
        third.start()
        third.join(0.1)
        assert third.is_alive()            # one in hand, one waiting: the third waits for room
        gate.set()
        third.join(5)
        assert not third.is_alive()


def test_an_error_reaches_the_caller_and_stops_what_waits() -> None:
    done: list[str] = []

    def fail() -> None:
        time.sleep(0.05)
        raise StoreError("store_unwritable", "full")

    def work() -> None:
        with Background() as background:
            background.do(fail)
            background.do(lambda: done.append("second"))
            time.sleep(0.2)
            background.do(lambda: done.append("third"))

    with pytest.raises(StoreError, match="full"):
        work()
    assert "third" not in done


def test_an_error_of_the_last_task_is_raised_at_the_end() -> None:
    def fail() -> None:
        raise StoreError("store_unwritable", "full")

    with pytest.raises(StoreError, match="full"), Background() as background:
        background.do(fail)


def test_the_callers_own_error_comes_first() -> None:
    def fail() -> None:
        raise StoreError("store_unwritable", "full")

    def work() -> None:
        with Background() as background:
            background.do(fail)
            raise KeyError("camera")

    with pytest.raises(KeyError):
        work()
