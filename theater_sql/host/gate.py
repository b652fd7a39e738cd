"""Where senders wait while too many actors are busy."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable


class Gate:
    """Lets senders in one after the other, first come first served, while it is not crowded.

    ``is_crowded`` tells whether it is with so many more.
    """

    def __init__(self, is_crowded: Callable[[int], bool]) -> None:
        self._is_crowded = is_crowded
        self._coming = 0  # let in, and not there yet
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    @property
    def is_shut(self) -> bool:
        """Tell whether the next sender has to wait."""
        return bool(self._waiting) or self._is_crowded(self._coming)

    async def wait(self, seconds: float) -> float:
        """Wait to be let in, and return how many seconds are left.

        Who is let in makes an actor busy before it awaits anything else.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        turn = loop.create_future()
        self._waiting[turn] = None
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        finally:
            self._waiting.pop(turn, None)
            if turn.done() and not turn.cancelled():
                self._coming -= 1
                loop.call_soon(self.open)  # for the next, whatever becomes of this one
        return deadline - loop.time()

    def open(self) -> None:
        """Let the next one in, unless it is crowded."""
        while self._waiting and not self._is_crowded(self._coming):
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():  # else its sender gave up in this moment
                turn.set_result(None)
                self._coming += 1
                return
