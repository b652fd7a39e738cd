"""Telling those who wait what became of their operations."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

from theater_sql.lanes.operation import Operation


class Delivery:
    """Tells the waiters of settled operations: threads at once, an event loop by one call.

    To wake a loop costs more than to resolve a few futures. So while one call is on its way to
    a busy loop, it takes along what is settled meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on_the_way: dict[asyncio.AbstractEventLoop, list[Operation]] = {}

    def __call__(self, operations: Iterable[Operation]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[Operation]] = {}
        for operation in operations:
            if operation.future is None:
                operation.wake()
                continue
            loop = operation.future.get_loop()
            if loop in by_loop:
                by_loop[loop].append(operation)
            else:
                by_loop[loop] = [operation]
        for loop, settled in by_loop.items():
            self._send(loop, settled)

    def _send(self, loop: asyncio.AbstractEventLoop, settled: list[Operation]) -> None:
        with self._lock:
            waiting = self._on_the_way.get(loop)
            if waiting is not None:
                waiting.extend(settled)
                return
            for closed in [other for other in self._on_the_way if other.is_closed()]:
                del self._on_the_way[closed]
            self._on_the_way[loop] = settled
        try:
            loop.call_soon_threadsafe(self._arrive, loop)
        except BaseException as error:
            self._on_the_way.pop(loop, None)  # else the next would wait for this call
            if not isinstance(error, RuntimeError):  # the loop is closed: nobody waits any more
                raise

    def _arrive(self, loop: asyncio.AbstractEventLoop) -> None:
        """Resolve the futures, in their loop."""
        with self._lock:
            settled = self._on_the_way.pop(loop)
        for operation in settled:
            future, outcome = operation.future, operation.outcome
            if future is not None and outcome is not None and not future.done():
                future.set_result(outcome)
