"""What each return value of ``init`` and ``process`` does to the rows of a database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.host.memory import Puppet, crash, increment, peek, rest, returning
from tests.host.test_outcomes import INIT, PROCESS, STOPPED
from theater_sql import NOT_PRESENT, ActorRegistry, AsyncSQLStorage, SQLStorage
from theater_sql.host import NoPersist, Persist, Theater

ACTORS = ActorRegistry()


@pytest.fixture
def rows(url: str) -> Iterator[SQLStorage]:
    """The storage of somebody who looks."""
    with SQLStorage(url, ACTORS) as storage:
        storage.create_all()
        yield storage


def stored(rows: SQLStorage, actor_id: int) -> Any:
    found = rows.get(Puppet, actor_id)
    return found.state if found else NOT_PRESENT


async def in_memory(theater: Theater, actor_id: int) -> Any:
    await rest()
    if not any(activation.actor_id == actor_id for activation in theater._activations.values()):
        return STOPPED
    _, state = await theater.ask(Puppet, actor_id, peek)
    return state


def test_init(url: str, rows: SQLStorage) -> None:
    async def all_of_them() -> None:
        async with AsyncSQLStorage(url, ACTORS) as storage, Theater(storage) as theater:
            for n, (outcome, _, memory, row) in enumerate(INIT):
                assert await theater.ask(Puppet, n, returning(outcome)) == "r"
                assert await in_memory(theater, n) == memory
                assert stored(rows, n) == row

    asyncio.run(all_of_them())


def test_process(url: str, rows: SQLStorage) -> None:
    async def all_of_them() -> None:
        async with AsyncSQLStorage(url, ACTORS) as storage, Theater(storage) as theater:
            for n, (outcome, _, memory, row) in enumerate(PROCESS):
                await theater.ask(Puppet, n, returning(Persist("row")))
                await theater.ask(Puppet, n, returning(NoPersist("memory")))
                assert await theater.ask(Puppet, n, returning(outcome)) == "r"
                assert await in_memory(theater, n) == memory
                assert stored(rows, n) == row

    asyncio.run(all_of_them())


def test_what_fails_leaves_the_row(url: str, rows: SQLStorage) -> None:
    async def fail() -> None:
        async with AsyncSQLStorage(url, ACTORS) as storage, Theater(storage) as theater:
            await theater.ask(Puppet, 1, returning(Persist(7)))
            for message in (crash, returning("nonsense"), returning(Persist(object()))):
                with pytest.raises(Exception, match=r"Puppet|can't go on"):
                    await theater.ask(Puppet, 1, message)
                assert await in_memory(theater, 1) == STOPPED
                assert stored(rows, 1) == 7
            assert await theater.ask(Puppet, 1, increment) == 8

    asyncio.run(fail())


def test_two_hosts_write_one_row_in_turns(url: str, rows: SQLStorage) -> None:
    async def take_turns() -> None:
        async with (
            AsyncSQLStorage(url, ACTORS) as storage,
            Theater(storage) as one,
            Theater(storage) as other,
        ):
            for count in range(1, 20, 2):
                assert await one.ask(Puppet, 1, increment) == count
                assert await other.ask(Puppet, 1, increment) == count + 1

    asyncio.run(take_turns())
    assert stored(rows, 1) == 20
