"""Work that goes on beside the caller's: one thread, a short queue, and no error lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self


class Background:
    """Carries out tasks one after another in a thread. Use as a context manager.

    At the end of the block every task is done. The first error of a task is raised by the next
    :meth:`do`, or else at the end of the block, and tasks not yet begun are dropped.
    """

    def __init__(self, waiting: int = 1) -> None:
        self._waiting = waiting            # tasks that may wait behind the one in hand; bounds what they hold
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")
        self._tasks: deque[Future[None]] = deque()

    def do(self, task: Callable[[], None]) -> None:
        """Hand over a task; blocks while the queue is full."""
        while self._tasks and (len(self._tasks) > self._waiting or self._tasks[0].done()):
            self._tasks.popleft().result()
        self._tasks.append(self._thread.submit(task))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        try:
            while self._tasks and error is None:
                self._tasks.popleft().result()
        finally:
            self._thread.shutdown(wait=True, cancel_futures=True)
