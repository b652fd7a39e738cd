"""What one actor's commit waits for is not the others' concern."""

from __future__ import annotations

import asyncio
import time

import sqlalchemy as sa

from tests.ray.actors import Counter, actors
from tests.ray.local import Local, run


def test_a_row_that_somebody_holds_does_not_stop_other_actors(pg_url: str) -> None:
    table = actors.table(Counter)
    names = [str(number) for number in range(50)]

    async def test(local: Local) -> None:
        engine = sa.create_engine(pg_url)
        async with local.client() as client:

            async def ask(names: list[str], number: int) -> None:
                asked = [client.ask(Counter, name, number) for name in names]
                assert await asyncio.gather(*asked) == [number] * len(names)

            await ask(names, 1)
            with engine.begin() as connection:
                held = sa.select(table.c.count).where(table.c.actor_id == names[0])
                connection.execute(held.with_for_update())
                start = time.monotonic()
                blocked = asyncio.create_task(ask(names[:1], 2))
                await ask(names[1:], 2)
                await ask(names[1:], 3)
                assert time.monotonic() - start < 6
                assert not blocked.done()
            await blocked
        engine.dispose()

    run(pg_url, test)
