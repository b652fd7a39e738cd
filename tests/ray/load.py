"""Counters that are asked without a pause, by somebody who knows what was acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Bag
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any, TypeAlias

from tests.ray.actors import Counter
from theater_sql.adapters.ray import Pool, RayTheater, scale
from theater_sql.adapters.ray.placing import address_key, host_of
from theater_sql.identity import type_name

ACTORS = 40
HOSTS = 2


class Load:
    """Each actor gets its messages one after the other."""

    def __init__(self, theater: RayTheater) -> None:
        self.acknowledged: Bag[str] = Bag()
        self._times: dict[int, list[float]] = {number: [] for number in range(HOSTS)}
        self._theater = theater
        self._stopped = False

    async def around(self, trouble: Coroutine[Any, Any, None]) -> None:
        """Run while ``trouble`` does."""
        async with asyncio.TaskGroup() as group:
            for number in range(ACTORS):
                group.create_task(self._ask(f"actor {number}"))
            await trouble
            self._stopped = True

    async def _ask(self, name: str) -> None:
        times = self._times[host_of(address_key(type_name(Counter), name), HOSTS)]
        while not self._stopped:
            number = self.acknowledged[name] + 1
            count = await self._theater.ask(Counter, name, number, timeout=120)
            assert count == number  # none twice, none lost
            self.acknowledged[name] += 1
            times.append(time.monotonic())

    async def goes_on(self, number: int, since: float) -> float:
        """Wait until a host's actors answer again, and return for how long they did not."""
        times = self._times[number]
        before = len(times)
        while len(times) < before + 10 * ACTORS:
            await asyncio.sleep(0.05)
        moments = [since, *(moment for moment in times if moment > since)]
        return max(later - earlier for earlier, later in pairwise(moments))


Trouble: TypeAlias = Callable[[Load], Coroutine[Any, Any, None]]


def run_load(pool: Pool, trouble: Trouble) -> Load:
    """Start a pool, and ask its actors until what happens meanwhile has happened."""

    async def run() -> Load:
        await scale(pool, HOSTS)
        async with RayTheater(pool.name) as theater:
            load = Load(theater)
            await load.around(trouble(load))
            return load

    return asyncio.run(run())
