"""How fast a pool is, as figures; what is asserted is that every message counted."""

from __future__ import annotations

import asyncio
import time

from tests.conftest import Figure
from tests.ray.actors import Counter
from tests.ray.support import counts
from theater_sql.adapters.ray import Pool, RayTheater, scale

ACTORS = 2_000
ROUNDS = 10


def test_activations_and_persisted_messages(pool: Pool, figure: Figure) -> None:
    names = [f"actor {number}" for number in range(ACTORS)]

    async def ask_all(theater: RayTheater, message: int | None) -> float:
        start = time.perf_counter()
        await asyncio.gather(*[theater.ask(Counter, name, message) for name in names])
        return time.perf_counter() - start

    async def send_all(theater: RayTheater) -> float:
        start = time.perf_counter()
        for number in range(ROUNDS):
            for name in names:
                await theater.send(Counter, name, number)
        await theater.close()
        return time.perf_counter() - start

    async def test() -> None:
        await scale(pool, 2)
        theater = RayTheater(pool.name)
        seconds = await ask_all(theater, 1)
        figure(f"{ACTORS / seconds:,.0f} new actors/s, stored with their first message")
        await scale(pool, 1)  # every actor is forgotten
        await scale(pool, 2)
        seconds = await ask_all(theater, None)
        figure(f"{ACTORS / seconds:,.0f} activations/s of stored actors")
        seconds = await ask_all(theater, 2)
        figure(f"{ACTORS / seconds:,.0f} persisted messages/s, one to each of {ACTORS} actors")
        seconds = await send_all(theater)
        figure(f"{ACTORS * ROUNDS / seconds:,.0f} persisted messages/s, {ROUNDS} to each, sent")

    asyncio.run(test())
    assert counts(pool.url) == dict.fromkeys(names, 2 + ROUNDS)
