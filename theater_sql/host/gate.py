"""Where senders wait while too many actors are busy."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Gate:
    """Lets senders in one after the other, first come first served, while it is not crowded."""

    def __init__(self, is_crowded: Callable[[], bool]) -> None:
        self._is_crowded = is_crowded
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_shut(self) -> bool:
        """Tell whether the next sender has to wait."""
        return bool(self._waiting) or self._is_crowded()

    async def wait(self) -> None:
        """Wait to be let in; who was makes an actor busy before it awaits anything else."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        try:
            await turn
        finally:
            if not turn.cancelled():
                loop.call_soon(self.open)  # for the next, whatever becomes of this one

    def open(self) -> None:
        """Let the next one in, unless it is crowded."""
        while self._waiting and not self._is_crowded():
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
