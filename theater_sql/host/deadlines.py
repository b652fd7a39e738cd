"""Until when senders wait: one timer for all that wait for equally long."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, Protocol


class Waited(Protocol):
    """What a sender waits for."""

    def expire(self, future: asyncio.Future[Any], seconds: float) -> None:
        """Tell the sender that nothing came in time, unless something did."""


class Deadlines:
    """Futures of senders, which expire unless they are done in time.

    Most are done long before, and a timer of the event loop for each would cost as much as its
    place in the mailbox. Those with the same time to wait expire in the order in which they came,
    so the timer of the first does for all behind it.
    """

    def __init__(self) -> None:
        self._queues: dict[float, OrderedDict[asyncio.Future[Any], tuple[float, Waited]]] = {}
        self._timers: dict[float, asyncio.TimerHandle] = {}

    async def wait(self, future: asyncio.Future[Any], waited: Waited, seconds: float) -> Any:
        """Return what the future gives, within so many seconds."""
        loop = asyncio.get_running_loop()
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = OrderedDict()
            self._timers[seconds] = loop.call_later(seconds, self._ring, seconds)
        queue[future] = (loop.time() + seconds, waited)
        try:
            return await future
        finally:
            queue.pop(future, None)

    def close(self) -> None:
        """Leave no timer behind."""
        for timer in self._timers.values():
            timer.cancel()

    def _ring(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        queue = self._queues[seconds]
        while queue:
            future, (deadline, waited) = next(iter(queue.items()))
            if deadline > loop.time():
                self._timers[seconds] = loop.call_at(deadline, self._ring, seconds)
                return
            del queue[future]
            waited.expire(future, seconds)
        del self._queues[seconds], self._timers[seconds]
