"""How a run ends that is asked to: after the stage in hand, or at once if it is asked twice."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from dagster import DagsterExecutionInterruptedError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Notes the first interrupt of the block, from terminal, UI or scheduler; a second one takes its usual way.

    Outside the main thread signals cannot be had, and nothing is noted.
    """

    def __init__(self) -> None:
        self.asked = False
        self._usual: dict[int, Any] = {}

    def raise_if_asked(self) -> None:
        """Tell Dagster, once all is put away. Raises DagsterExecutionInterruptedError."""
        if self.asked:
            raise DagsterExecutionInterruptedError

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._usual = {number: signal.getsignal(number) for number in SIGNALS}
            for number in SIGNALS:
                signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self._restore()

    def _restore(self) -> None:
        for number, usual in self._usual.items():
            signal.signal(number, usual)
        self._usual = {}
