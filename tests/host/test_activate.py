"""An actor can be read before its first message."""

from __future__ import annotations

import asyncio

import pytest

from tests.host.memory import MemoryStorage, Puppet, increment, on_loop, peek, rest, returning
from theater_sql.errors import Unavailable
from theater_sql.host import NoPersist, Theater


@on_loop
async def test_a_stored_actor_is_read_once() -> None:
    storage = MemoryStorage()
    storage.write(Puppet, "a", "row")
    async with Theater(storage) as theater:
        assert await theater.activate(Puppet, "a")
        assert await theater.activate(Puppet, "a")
        assert await theater.ask(Puppet, "a", peek) == ("process", "row")
    assert storage.calls == ["get"]


@on_loop
async def test_what_is_not_stored_is_not_created_and_not_kept() -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        assert not await theater.activate(Puppet, "a")
        await rest()
        assert not theater._activations
        assert await theater.ask(Puppet, "a", peek) == ("init", None)
    assert not storage.rows


@on_loop
async def test_a_failed_read_is_told() -> None:
    storage = MemoryStorage()
    storage.errors["get"] = [Unavailable("T", "a", "down")]
    async with Theater(storage) as theater:
        with pytest.raises(Unavailable):
            await theater.activate(Puppet, "a")


@on_loop
async def test_it_takes_its_turn_behind_what_was_sent() -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        await theater.send(Puppet, "a", increment)
        stored = asyncio.ensure_future(theater.activate(Puppet, "a"))
        assert await theater.ask(Puppet, "a", increment) == 2
        assert await stored
    assert storage.calls == ["get", "put", "put"]


@on_loop
async def test_a_state_that_is_in_memory_alone_is_one() -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        await theater.ask(Puppet, "a", returning(NoPersist("memory")))
        assert await theater.activate(Puppet, "a")
    assert not storage.rows
