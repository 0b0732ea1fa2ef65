"""A thread behind the loop: one SKU is finished there while the next one is worked on."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self


class Backroom:
    """Carries out tasks one after another. Use as a context manager; every task is done at its end.

    What a task raises is raised by the next :meth:`finish` or :meth:`wait`.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="backroom")
        self._last: Future[None] | None = None             # of all that was handed in
        self._finishing: Future[None] | None = None        # of the SKU that is finished there

    def then(self, task: Callable[[], None]) -> None:
        """Do something small after all that was handed in before."""
        self._last = self._thread.submit(contextvars.copy_context().run, task)

    def finish(self, task: Callable[[], None]) -> None:
        """Finish a SKU; blocks until the one before it is finished, so two are in work at most."""
        if self._finishing is not None:
            self._finishing.result()
        self.then(task)
        self._finishing = self._last

    def wait(self) -> None:
        """Until all is done."""
        if self._finishing is not None:
            self._finishing.result()
        if self._last is not None:
            self._last.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=error is not None)
