"""What the fault tests run in processes of their own.

They are forked by a server that has imported everything and holds no thread and no connection.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import multiprocessing as mp
import random
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from tests.faults.support import ACTORS, BOX, Count, scalar
from theater_sql import (
    ABSENT,
    AsyncSQLStorage,
    Conflict,
    Etag,
    Found,
    Put,
    SQLStorage,
    StorageError,
)
from theater_sql.host import Actor, NoUpdate, Outcome, Persist, Theater

CONTEXT = mp.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.faults.workers", "psycopg", "sqlalchemy.dialects.sqlite"])

PATIENCE = 60
BATCH = 50


def run_many(
    work: Callable[..., Any], processes: int, *args: Any, patience: float = PATIENCE
) -> list[Any]:
    """Run ``work(go, *args)`` in processes that start together; return what each returned."""
    barrier = CONTEXT.Barrier(processes)
    pipes = [CONTEXT.Pipe(duplex=False) for _ in range(processes)]
    children = [
        CONTEXT.Process(target=_child, args=(work, barrier, writer, n, *args))
        for n, (_, writer) in enumerate(pipes)
    ]
    for child in children:
        child.start()
    try:
        results = []
        for reader, writer in pipes:
            writer.close()
            assert reader.poll(patience), "a process did not answer"
            results.append(reader.recv())
    finally:
        for child, (reader, _) in zip(children, pipes, strict=True):
            child.join(5)
            child.kill()
            child.join()
            child.close()
            reader.close()
    errors = [result for result in results if isinstance(result, Exception)]
    assert not errors, errors
    return results


def _child(
    work: Callable[..., Any], barrier: Any, writer: Connection, number: int, *args: Any
) -> None:
    try:
        result = work(lambda: barrier.wait(PATIENCE), number, *args)
    except Exception as error:
        result = RuntimeError(f"{type(error).__name__}: {error}")
    writer.send(result)
    writer.close()


class _Counting(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def overwrite(
    go: Callable[[], object],
    number: int,
    url: str,
    rows: int,
    batch: int,
    seconds: float,
    pooler: bool = False,
) -> tuple[int, list[str], int]:
    """Write random rows, many at once; return writes, errors, and how often a lane complained."""
    reports = _Counting()
    logging.getLogger("theater_sql.lanes").addHandler(reports)
    acked, errors = asyncio.run(_overwrite(go, number, url, rows, batch, seconds, pooler))
    return acked, errors, reports.count


async def _overwrite(
    go: Callable[[], object],
    number: int,
    url: str,
    rows: int,
    batch: int,
    seconds: float,
    pooler: bool,
) -> tuple[int, list[str]]:
    chance = random.Random(number)
    acked = 0
    errors: list[str] = []
    async with AsyncSQLStorage(url, ACTORS, pooler=pooler) as storage:

        async def one(actor_id: str, etag: Etag) -> None:
            nonlocal acked
            try:
                await storage.put(BOX, actor_id, Count(acked), expect=etag)
                acked += 1
            except Conflict:
                pass
            except StorageError as error:
                errors.append(str(error))

        await storage.get(BOX, "x")
        go()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ids = [f"{n:05}" for n in chance.sample(range(rows), chance.randint(2, batch))]
            there = await asyncio.gather(*[storage.get(BOX, i) for i in ids])
            # In no order: to bring them into one is the lanes' task.
            writes = [one(i, found.etag) for i, found in zip(ids, there, strict=True) if found]
            await asyncio.gather(*writes)
    return acked, errors


def deadlocks(url: str) -> int:
    """Return how many deadlocks PostgreSQL has counted in this database."""
    time.sleep(0.2)  # sessions tell their figures when they end
    sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    count: int = scalar(url, sql)
    return count


def create_all_of(go: Callable[[], object], number: int, url: str, actors: int) -> list[str]:
    """Create the same actors as everybody else; return what became of each."""
    return asyncio.run(_create(go, number, url, actors))


async def _create(go: Callable[[], object], number: int, url: str, actors: int) -> list[str]:
    async with AsyncSQLStorage(url, ACTORS, timeout=50) as storage:

        async def one(n: int) -> tuple[int, str]:
            try:
                await storage.put(BOX, f"{n}", Count(number), expect=ABSENT)
            except Conflict as conflict:
                return n, conflict.kind
            return n, "won"

        await storage.get(BOX, "nothing")
        order = random.Random(number).sample(range(actors), actors)
        told: dict[int, str] = {}
        go()
        for start in range(0, actors, 10):
            told |= await asyncio.gather(*[one(n) for n in order[start : start + 10]])
        return [told[n] for n in range(actors)]


def increment(
    go: Callable[[], object], number: int, url: str, counters: int, times: int
) -> tuple[int, int]:
    """Count up by handles, again after each conflict; return increments and conflicts."""
    return asyncio.run(_increment(go, url, counters, times))


async def _increment(
    go: Callable[[], object], url: str, counters: int, times: int
) -> tuple[int, int]:
    conflicts = 0
    async with AsyncSQLStorage(url, ACTORS, timeout=50) as storage:

        async def one(n: int) -> None:
            nonlocal conflicts
            handle = storage.handle(BOX, f"{n}")
            found = await handle.get()
            for _ in range(times):
                while True:
                    count = found.state.count + 1 if isinstance(found, Found) else 1
                    try:
                        await handle.put(Count(count))
                    except Conflict:
                        conflicts += 1
                        found = await handle.get()
                    else:
                        found = await handle.get()
                        break

        await storage.get(BOX, "nothing")
        go()
        await asyncio.gather(*[one(n) for n in range(counters)])
    return counters * times, conflicts


class Counter(Actor[Count]):
    """Counts messages."""

    __actor_name__ = "Box"

    def process(self, state: Count | None, actor_id: str, message: str) -> Outcome[Count]:
        count = state.count if state else 0
        if message == "read":
            return NoUpdate(reply=count)
        return Persist(Count(count + 1), reply=count + 1)


def ask(
    go: Callable[[], object], number: int, url: str, counters: int, times: int
) -> tuple[int, int]:
    """Have a host count up; return increments, and how often it gave a message up."""
    return asyncio.run(_ask(go, url, counters, times))


async def _ask(go: Callable[[], object], url: str, counters: int, times: int) -> tuple[int, int]:
    again = 0
    async with (
        AsyncSQLStorage(url, ACTORS, timeout=50) as storage,
        Theater(storage, conflict_retries=3) as theater,
    ):

        async def one(n: int) -> None:
            nonlocal again
            for _ in range(times):
                while True:
                    try:
                        await theater.ask(Counter, f"{n}", "up", timeout=50)
                    except Conflict:
                        again += 1
                    else:
                        break

        await storage.get(BOX, "nothing")
        go()
        await asyncio.gather(*[one(n) for n in range(counters)])
    return counters * times, again


def stream(url: str, acks: Connection) -> None:
    """Write for ever, telling each write once it was acknowledged."""
    asyncio.run(_stream(url, acks))


async def _stream(url: str, acks: Connection) -> None:
    async with AsyncSQLStorage(url, ACTORS) as storage:

        async def one(n: int) -> None:
            expect: Any = ABSENT
            for count in itertools.count(1):
                expect = await storage.put(BOX, f"{n}", Count(count), expect=expect)
                acks.send((f"{n}", count, expect))

        await asyncio.gather(*[one(n) for n in range(20)])


def stream_batches(url: str, acks: Connection) -> None:
    """Write all actors at once, all or nothing, for ever; tell the number of each such batch."""
    with SQLStorage(url, ACTORS) as storage:
        etags: list[Any] = [ABSENT] * BATCH
        for count in itertools.count(1):
            puts = [Put(BOX, f"b{n}", Count(count), etag) for n, etag in enumerate(etags)]
            etags = list(storage.put_many(puts, atomic=True).raise_errors())
            acks.send(count)
