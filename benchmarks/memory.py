"""What a put costs in memory while it waits its turn."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, NamedTuple

from benchmarks.arena import Arena
from benchmarks.data import ACTORS, KINDS, NOTE, first_etag
from theater_sql import AsyncSQLStorage
from theater_sql.contract import Etag

_KIND = KINDS["typed"]


class Memory(NamedTuple):
    """Bytes of a waiting put, its task and state included, and of a task that waits for nothing."""

    put: float
    bare: float


def queued(arena: Arena, puts: int) -> Memory:
    """Measure so many puts that can't go on, since another connection holds their table."""
    arena.prepare("postgresql", "put", [_KIND])
    return asyncio.run(_queued(arena, puts))


async def _queued(arena: Arena, puts: int) -> Memory:
    async def bare(actor_id: str, state: Any, expect: Etag) -> None:
        await asyncio.get_running_loop().create_future()

    async def put(actor_id: str, state: Any, expect: Etag) -> None:
        await storage.put(_KIND.actor_type, actor_id, state, expect=expect)

    without = await _bytes_each(bare, puts)
    url = arena.urls["postgresql"]
    async with AsyncSQLStorage(url, ACTORS, timeout=600) as storage:
        await storage.put(_KIND.actor_type, "actor-1", _state(1))  # what is made once is no put's
        with arena.engines["postgresql"].begin() as connection:
            connection.exec_driver_sql(f"LOCK TABLE {_KIND.table.name}")
            return Memory(await _bytes_each(put, puts), without)


async def _bytes_each(
    call: Callable[[str, Any, Etag], Coroutine[Any, Any, None]], calls: int
) -> float:
    """Return what Python allocates for each of so many waiting tasks, then cancel them."""
    gc.collect()
    tracemalloc.start()
    try:
        tasks = [
            asyncio.create_task(call(f"actor-{n}", _state(n), Etag(first_etag(n))))
            for n in range(calls)
        ]
        await asyncio.sleep(0)  # each runs until it waits
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return used / calls


def _state(n: int) -> Any:
    """Return a state that shares no string with another."""
    return replace(_KIND.state(n), name=f"Ann {n}", note=f"{NOTE}{n}")
