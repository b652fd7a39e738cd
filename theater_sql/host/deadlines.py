"""Until when senders wait: one timer for all that wait for equally long."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, Final, Protocol, TypeAlias

KEPT: Final = 16
"""How many different times to wait keep their timer while nobody waits."""


class Waited(Protocol):
    """What a sender waits for."""

    def expire(self, future: asyncio.Future[Any], seconds: float) -> None:
        """Tell the sender that nothing came in time, unless something did."""


_Queue: TypeAlias = OrderedDict[asyncio.Future[Any], tuple[float, Waited]]


class Deadlines:
    """Futures of senders, which expire unless they are done in time.

    Most are done long before, and a timer of the event loop for each would cost as much as its
    place in the mailbox. Those with the same time to wait expire in the order in which they came,
    so the timer of the first does for all behind it.
    """

    def __init__(self) -> None:
        self._queues: dict[float, _Queue] = {}
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
            if not queue and len(self._queues) > KEPT:
                self._forget(seconds, queue)

    def close(self) -> None:
        """Leave no timer behind, save for those who still wait."""
        for seconds, queue in list(self._queues.items()):
            if all(future.done() for future in queue):
                self._forget(seconds, queue)

    def _forget(self, seconds: float, queue: _Queue) -> None:
        """Drop a queue: what is left of the time at a gate is hardly ever the same twice."""
        if self._queues.get(seconds) is queue:
            del self._queues[seconds]
            self._timers.pop(seconds).cancel()

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
