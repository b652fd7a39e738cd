"""Leases: what keeps an actor from being in the memory of two hosts."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from theater_sql import ABSENT, AsyncSQLStorage, Conflict, StorageError, TheaterSQLError

LEASE: Final = "theater_sql.lease"
"""The actor type whose generic rows are the leases."""
LONGEST_WAIT: Final = 60.0
"""Seconds for which at least an actor is waited for that somebody else has."""


class LeaseLost(TheaterSQLError):
    """A host's own lease has ended, so that it may claim no actor."""


class Lease:
    """One host's claim to all actors that name it as their holder.

    A holder judges by its own monotonic clock and stops early; the others judge by the
    database's clock alone.
    """

    def __init__(self, storage: AsyncSQLStorage, seconds: float) -> None:
        self.holder = uuid4().hex
        self._storage = storage
        self._seconds = seconds
        self._etag: Any = ABSENT
        self._ends = -math.inf
        self._seen: datetime | None = None
        self._ended: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def patience(self) -> float:
        """Seconds after which somebody else's lease will not end soon: it is being renewed."""
        return max(LONGEST_WAIT, 2 * self._seconds)

    @property
    def is_live(self) -> bool:
        """Whether nobody else may have an actor that names this holder."""
        return time.monotonic() < self._ends

    async def take(self) -> None:
        """Begin, and renew it from now on."""
        await self._renew()
        self._task = asyncio.create_task(self._keep())

    async def give_up(self) -> None:
        """End it, so that nobody has to wait for its end."""
        self._ends = -math.inf
        if self._task is not None:
            self._task.cancel()
        with suppress(StorageError):
            await self._storage.delete(LEASE, self.holder)

    async def is_over(self, holder: str) -> bool:
        """Tell whether somebody else's lease has ended; then it can't be renewed any more."""
        if holder in self._ended:
            return True
        found = await self._storage.get(LEASE, holder)
        if found:
            end = found.updated_at + timedelta(seconds=found.state["seconds"])
            if self._seen is None or self._seen < end:
                return False
            try:
                await self._storage.delete(LEASE, holder, expect=found.etag)
            except Conflict:
                return False
        self._ended.add(holder)
        return True

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3)
            with suppress(StorageError):  # it ends, unless the next attempt is in time
                await self._renew()

    async def _renew(self) -> None:
        begin, state = time.monotonic(), {"seconds": self._seconds}
        self._etag = await self._storage.put(LEASE, self.holder, state, expect=self._etag)
        found = await self._storage.get(LEASE, self.holder)
        if found and found.etag == self._etag:
            self._seen, self._ends = found.updated_at, begin + self._seconds
