"""Messages to actors of a pool."""

from __future__ import annotations

import asyncio

from tests.ray.actors import Counter
from theater_sql.adapters.ray import Pool, RayTheater, scale


def test_counts(pool: Pool) -> None:
    async def test() -> None:
        await scale(pool, 2)
        async with RayTheater(pool.name) as theater:
            replies = await asyncio.gather(*[theater.ask(Counter, "a", n) for n in range(50)])
            assert replies == list(range(1, 51))
            many = await asyncio.gather(*[theater.ask(Counter, str(n), 1) for n in range(500)])
            assert many == [1] * 500

    asyncio.run(test())
