"""A Theater that closes finishes what it accepted and refuses the rest."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.host.memory import Failures, MemoryStorage, Puppet, increment, on_loop, peek
from theater_sql.host import (
    Actor,
    AskTimeout,
    NoUpdate,
    Outcome,
    Persist,
    Theater,
    TheaterClosed,
)


@on_loop
async def test_close_processes_what_was_accepted() -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        for number in range(200):
            await theater.send(Puppet, number % 20, increment)
        assert not storage.rows
    assert [storage.state(Puppet, number) for number in range(20)] == [10] * 20


@on_loop
async def test_close_drains_when_the_block_raises_too() -> None:
    storage = MemoryStorage()

    async def block() -> None:
        async with Theater(storage) as theater:
            await theater.send(Puppet, "a", increment)
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    assert storage.state(Puppet, "a") == 1


@on_loop
async def test_a_closed_theater_refuses() -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        pass
    for door in (theater.send, theater.ask):
        with pytest.raises(TheaterClosed, match="not accepted"):
            await door(Puppet, "a", increment)
    await theater.close()
    assert storage.calls == []


@on_loop
async def test_a_draining_theater_refuses_everybody_but_its_actors() -> None:
    class Chain(Actor[int]):
        async def process(self, state: int | None, actor_id: str, depth: int) -> Outcome[int]:
            await asyncio.sleep(0.01)
            if depth:
                await asyncio.gather(  # in tasks of its own
                    self.theater.send(Chain, f"sent {depth}", depth - 1),
                    self.theater.ask(Chain, f"asked {depth}", 0),
                )
            return Persist(depth)

    storage = MemoryStorage()
    failures = Failures()
    theater = Theater(storage, on_error=failures)
    await theater.send(Chain, "start", 3)
    closing = asyncio.ensure_future(theater.close())
    await asyncio.sleep(0)
    with pytest.raises(TheaterClosed):
        await theater.send(Chain, "outside", 0)
    await closing
    assert not failures
    expected = ["start", *(f"{how} {depth}" for how in ("sent", "asked") for depth in (1, 2, 3))]
    assert sorted(repr(name) for name in expected) == sorted(key[1] for key in storage.rows)


@on_loop
async def test_two_can_close_at_once() -> None:
    storage = MemoryStorage()
    theater = Theater(storage)
    await theater.send(Puppet, "a", increment)
    await asyncio.gather(theater.close(), theater.close())
    assert storage.state(Puppet, "a") == 1


@on_loop
async def test_an_actor_can_not_close_its_theater() -> None:
    class Closer(Actor[int]):
        async def process(self, state: int | None, actor_id: str, message: str) -> Outcome[int]:
            await self.theater.close()
            return NoUpdate()

    async with Theater(MemoryStorage()) as theater:
        with pytest.raises(RuntimeError, match="would wait for itself"):
            await theater.ask(Closer, "a", "close")
        assert await theater.ask(Puppet, "a", increment) == 1


@on_loop
async def test_what_is_not_drained_in_time_is_told_to_its_senders() -> None:
    storage = MemoryStorage()
    storage.gates["put"] = asyncio.Event()
    failures = Failures()
    theater = Theater(storage, drain_timeout=0.05, on_error=failures)
    replies = [
        asyncio.ensure_future(theater.ask(Puppet, "a", message)) for message in (increment, peek)
    ]
    await asyncio.sleep(0)
    await theater.send(Puppet, "a", increment)
    await theater.send(Puppet, "b", increment)
    await theater.close()
    for reply in replies:
        with pytest.raises(TheaterClosed, match=r"Puppet\['a'\]: closed before the message"):
            await reply
    assert failures.errors == [TheaterClosed] * 2
    assert len(asyncio.all_tasks()) == 1


@on_loop
async def test_an_actor_that_feeds_itself_is_given_up_at_the_drain_timeout() -> None:
    class Clock(Actor[int]):
        async def process(self, state: int | None, actor_id: str, message: str) -> Outcome[int]:
            await self.theater.send(Clock, actor_id, message)
            return Persist((state or 0) + 1)

    storage = MemoryStorage()
    failures = Failures()
    async with Theater(storage, drain_timeout=0.05, on_error=failures) as theater:
        await theater.send(Clock, "a", "tick")
    assert storage.state(Clock, "a") > 1
    assert set(failures.errors) == {TheaterClosed}


@on_loop
async def test_a_close_that_is_cancelled_gives_up_what_waits_but_not_what_is_under_way() -> None:
    storage = MemoryStorage()
    gate = storage.gates["put"] = asyncio.Event()
    failures = Failures()
    theater = Theater(storage, on_error=failures)
    for _ in range(3):
        await theater.send(Puppet, "a", increment)
    closing = asyncio.ensure_future(theater.close())
    await asyncio.sleep(0.01)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    gate.set()
    await asyncio.sleep(0.01)
    assert storage.state(Puppet, "a") == 1
    assert failures.errors == [TheaterClosed] * 2
    assert not theater._idle._order


@pytest.mark.parametrize("queued", [0, 3])
def test_messages_of_an_event_loop_that_ends_are_told(queued: int) -> None:
    failures = Failures()

    async def leave_open() -> None:
        storage = MemoryStorage()
        storage.gates["get"] = asyncio.Event()
        theater = Theater(storage, on_error=failures)
        for _ in range(1 + queued):
            await theater.send(Puppet, "a", increment)
        await asyncio.sleep(0.01)

    asyncio.run(leave_open())
    assert failures.errors == [TheaterClosed] * (1 + queued)


@on_loop
async def test_a_closed_theater_leaves_no_timer() -> None:
    loop: Any = asyncio.get_running_loop()
    async with Theater(MemoryStorage()) as theater:
        await theater.ask(Puppet, "a", increment)
        await theater.send(Puppet, "b", increment)
    assert all(timer.cancelled() for timer in loop._scheduled)


@on_loop
async def test_after_a_cancelled_close_an_ask_still_has_its_timeout() -> None:
    storage = MemoryStorage()
    gate = storage.gates["put"] = asyncio.Event()
    theater = Theater(storage, ask_timeout=5)
    asking = asyncio.ensure_future(theater.ask(Puppet, "a", increment))
    await storage.until("put")
    closing = asyncio.ensure_future(theater.close())
    await asyncio.sleep(1)
    closing.cancel()
    with pytest.raises(AskTimeout):
        await asking
    gate.set()


@on_loop
async def test_a_close_waits_for_what_is_under_way_though_another_was_cancelled() -> None:
    storage = MemoryStorage()
    gate = storage.gates["put"] = asyncio.Event()
    theater = Theater(storage)
    await theater.send(Puppet, "a", increment)
    await storage.until("put")
    first, second = (asyncio.ensure_future(theater.close()) for _ in range(2))
    await asyncio.sleep(1)
    first.cancel()
    await asyncio.sleep(1)
    third = asyncio.ensure_future(theater.close())
    await asyncio.sleep(1)
    assert (first.done(), second.done(), third.done()) == (True, False, False)
    gate.set()
    await asyncio.gather(second, third)
    assert storage.state(Puppet, "a") == 1
    assert not theater._activations
