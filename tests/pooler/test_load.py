"""A load through PgBouncer: nothing fails, nothing is lost, and nothing stays in its sessions.

``THEATER_SQL_STRESS_SECONDS`` is how long it lasts: 30 by default.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import psycopg
import pytest

from tests.conftest import Figure
from tests.faults.stress import Blocking, finish
from tests.faults.support import ACTORS, BOX, Count, admin, direct, found
from tests.pooler.conftest import POOL, SERVER_SETTINGS, Database
from theater_sql import ABSENT, AsyncSQLStorage, Conflict, SQLStorage

pytestmark = pytest.mark.timed

SECONDS = float(os.environ.get("THEATER_SQL_STRESS_SECONDS", "30"))
STORAGES = 2
"""Storages of each kind: with their lanes many more connections than the pool has sessions."""
THREADS, TASKS = 4, 32
SHARED = [f"shared {n}" for n in range(8)]
SIZE = 20
"""Rows of a batch."""


class Tally:
    """What callers were told: acknowledged additions by actor, and errors."""

    def __init__(self) -> None:
        self.added: Counter[str] = Counter()
        self.conflicts = 0
        self.errors: list[str] = []
        self._lock = threading.Lock()

    def add(self, *ids: str) -> None:
        with self._lock:
            self.added.update(ids)

    def conflict(self) -> None:
        with self._lock:
            self.conflicts += 1


async def work(door: Any, name: str, tally: Tally, until: float) -> None:
    """Add to an actor of one's own, to one that is shared, and to many at once; in turns."""
    turn = 0
    try:
        while time.monotonic() < until:
            turn += 1
            await add(door, f"own {name}", tally)
            await add(door, SHARED[turn % len(SHARED)], tally)
            if turn % 4 == 0:
                await add_many(
                    door, [f"many {name} {n}" for n in range(SIZE)], tally, turn % 8 == 0
                )
    except Exception as error:
        tally.errors.append(f"{name}: {error!r}")


async def add(door: Any, actor_id: str, tally: Tally) -> None:
    there = await door.get(BOX, actor_id)
    count = there.state.count if there else 0
    try:
        await door.put(BOX, actor_id, Count(count + 1), expect=there.etag)
        tally.add(actor_id)
    except Conflict:
        tally.conflict()


async def add_many(door: Any, ids: list[str], tally: Tally, atomic: bool) -> None:
    there = await door.get_many([(BOX, actor_id) for actor_id in ids])
    puts = [
        (BOX, actor_id, Count(one.state.count + 1 if one else 1), one.etag if one else ABSENT)
        for actor_id, one in zip(ids, there, strict=True)
    ]
    for result in await door.put_many(puts, atomic=atomic):
        if isinstance(result, Exception):
            raise result
    tally.add(*ids)


def run(url: str, seconds: float) -> Tally:
    tally = Tally()
    until = time.monotonic() + seconds
    options: Any = {"pooler": True, "writers": 2, "timeout": 30.0}
    with ExitStack() as stack:
        threads = []
        for s in range(STORAGES):
            door = Blocking(stack.enter_context(SQLStorage(url, ACTORS, **options)))
            threads += [
                threading.Thread(target=finish, args=[work(door, f"t{s}.{n}", tally, until)])
                for n in range(THREADS)
            ]

        async def tasks() -> None:
            async with AsyncExitStack() as block:
                storages = [AsyncSQLStorage(url, ACTORS, **options) for _ in range(STORAGES)]
                doors = [await block.enter_async_context(storage) for storage in storages]
                calls = [
                    work(door, f"a{s}.{n}", tally, until)
                    for s, door in enumerate(doors)
                    for n in range(TASKS)
                ]
                await asyncio.gather(*calls)

        for thread in threads:
            thread.start()
        asyncio.run(tasks())
        for thread in threads:
            thread.join()
    return tally


def settings_of(connection: psycopg.Connection[Any]) -> dict[str, str]:
    return dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())


def sessions(url: str) -> list[tuple[int, dict[str, str], int]]:
    """Return each session of the pool: its process, its settings, and what it has prepared."""
    with ExitStack() as stack:
        answers = []
        for _ in range(POOL):
            connection = stack.enter_context(admin(url))
            connection.prepare_threshold = None
            connection.execute("BEGIN")  # which keeps a session from the others
            [[pid]] = connection.execute("SELECT pg_backend_pid()").fetchall()
            [[prepared]] = connection.execute(
                "SELECT count(*) FROM pg_prepared_statements"
            ).fetchall()
            answers.append((pid, settings_of(connection), prepared))
        return answers


def test_a_load_fails_nowhere_and_leaves_no_trace(
    pg: str, database: Database, figure: Figure
) -> None:
    tally = run(database.pooled, SECONDS)
    assert tally.errors == []
    with direct(pg) as other:
        stored = {str(i): found(other, str(i)) for i in other.list_ids(BOX, limit=10_000)}
    assert {i: one.state.count for i, one in stored.items()} == dict(tally.added)
    assert {i: one.version for i, one in stored.items()} == dict(tally.added)
    with admin(pg) as connection:
        own = settings_of(connection)
    found_sessions = sessions(database.pooled)
    assert len({pid for pid, _, _ in found_sessions}) == POOL
    for _, settings, prepared in found_sessions:
        assert settings == own
        assert prepared == 0
    assert own["TimeZone"] == SERVER_SETTINGS["TimeZone"]
    writes = sum(tally.added.values())
    figure(f"{SECONDS:.0f} s: {writes} writes of {len(stored)} actors, {tally.conflicts} conflicts")
