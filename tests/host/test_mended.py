"""Where Theater loses messages or acknowledged states, this host does not.

The numbers are those of the runs in which Theater lost some. Failed calls of the storage are in
``test_failures.py``, messages behind a stop or a crash in ``test_delivery.py`` and there.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.host.memory import (
    Failures,
    MemoryStorage,
    Puppet,
    SwapStorage,
    crash,
    increment,
    on_loop,
    peek,
    returning,
)
from theater_sql.errors import Conflict, Unavailable
from theater_sql.host import NoPersist, Persist, Stop, Theater


def slow_increment(seconds: float) -> Any:
    """A message that counts, and takes its time."""

    async def turn(state: int | None) -> Persist[int]:
        await asyncio.sleep(seconds)
        return increment("process", state)

    return lambda method, state: turn(state)


@on_loop
async def test_actors_that_move_to_another_host_take_their_mailboxes_along() -> None:
    storage = SwapStorage()
    failures = Failures()
    old, new = (Theater(storage, on_error=failures) for _ in range(2))
    for number in range(86):
        for _ in range(40):
            await old.send(Puppet, number, increment)
    await old.drain()
    for number in range(86):
        assert await new.ask(Puppet, number, increment) == 41
    await new.close()
    await old.close()
    assert not failures


@on_loop
async def test_two_live_copies_lose_no_acknowledged_update() -> None:
    storage = SwapStorage()
    for number in range(86):
        storage.write(Puppet, number, 10)
    async with Theater(storage) as old, Theater(storage) as new:
        slow = [old.ask(Puppet, number, slow_increment(0.5)) for number in range(86)]
        slow_replies = asyncio.gather(*slow)
        await asyncio.sleep(0.1)
        assert [await new.ask(Puppet, number, increment) for number in range(86)] == [11] * 86
        assert await slow_replies == [12] * 86
    assert [storage.state(Puppet, number) for number in range(86)] == [12] * 86


@on_loop
async def test_two_hosts_in_a_fight_count_what_they_acknowledge_and_report_the_rest() -> None:
    storage = SwapStorage()
    failures = Failures()
    acknowledged = refused = 0

    async def sender(theater: Theater, number: int) -> None:
        nonlocal acknowledged, refused
        for turn in range(50):
            await theater.send(Puppet, number % 3, slow_increment(0.001))
            try:
                await theater.ask(Puppet, turn % 3, slow_increment(0.001 * number))
                acknowledged += 1
            except Conflict:
                refused += 1

    one, other = (Theater(storage, on_error=failures) for _ in range(2))
    async with one, other:
        await asyncio.gather(*[sender((one, other)[n % 2], n) for n in range(6)])
    assert set(failures.errors) == {Conflict}
    sent = 6 * 50 - len(failures)
    assert acknowledged + refused == 300
    assert refused > 0
    assert sum(storage.state(Puppet, number) for number in range(3)) == acknowledged + sent


@on_loop
async def test_a_storage_that_fails_again_and_again_stops_no_host() -> None:
    storage = MemoryStorage()
    failures = Failures()
    storage.errors["get"] = [Unavailable("T", "a", "down") for _ in range(20)]
    async with Theater(storage, on_error=failures) as theater:
        for _ in range(30):
            await theater.send(Puppet, "a", increment)
    assert failures.errors == [Unavailable] * 20
    assert storage.state(Puppet, "a") == 10


@on_loop
async def test_messages_behind_an_eviction_are_counted() -> None:
    storage = MemoryStorage()
    async with Theater(storage, max_activations=1) as theater:
        for _ in range(10):
            await theater.send(Puppet, "a", increment)
            await theater.send(Puppet, "b", increment)
    assert [storage.state(Puppet, name) for name in "ab"] == [10, 10]


@on_loop
async def test_messages_to_an_actor_that_stops_after_each_are_counted() -> None:
    def step(method: str, state: int | None) -> Stop[int]:
        return Stop.persist((state or 0) + 1)

    storage = MemoryStorage()
    async with Theater(storage) as theater:
        for _ in range(20_000):
            await theater.send(Puppet, "a", step)
    assert storage.state(Puppet, "a") == 20_000


@on_loop
async def test_messages_at_once_to_an_actor_that_is_not_in_memory_find_one_activation() -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        await asyncio.gather(*[theater.send(Puppet, "a", increment) for _ in range(2000)])
    assert storage.state(Puppet, "a") == 2000
    assert storage.calls.count("get") == 1


@on_loop
async def test_crashes_do_not_wedge_the_eviction() -> None:
    async with Theater(
        MemoryStorage(), max_activations=10, on_error=lambda failure: None
    ) as theater:
        for number in range(5000):
            await theater.send(Puppet, number, crash)
        for number in range(1000):
            await theater.ask(Puppet, number, returning(NoPersist(number)))
        assert len(theater._activations) == 10
        assert await theater.ask(Puppet, 999, peek) == ("process", 999)


@pytest.mark.parametrize("door", ["send", "ask"])
@on_loop
async def test_a_storage_that_hangs_holds_up_no_sender_to_others(door: str) -> None:
    storage = MemoryStorage()
    gate = storage.gates["put"] = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with Theater(storage) as theater:
        begun = loop.time()
        await theater.send(Puppet, "a", increment)
        await getattr(theater, door)(Puppet, "b", peek)
        assert loop.time() - begun < 1
        gate.set()
