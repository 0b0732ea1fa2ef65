"""A thread behind the loop: one SKU is finished there while the next one is worked on."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self


class Backroom:
    """Carries out one task at a time. Use as a context manager; the task in hand is done at its end.

    What a task raises is raised by the next :meth:`do` or :meth:`wait`.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="backroom")
        self._task: Future[None] | None = None

    def do(self, task: Callable[[], None]) -> None:
        """Hand over a task; blocks until the one before it is done."""
        self.wait()
        self._task = self._thread.submit(contextvars.copy_context().run, task)

    def wait(self) -> None:
        """Until nothing is left to do."""
        task, self._task = self._task, None
        if task is not None:
            task.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        self._thread.shutdown(wait=True)
