"""Mailboxes and busy actors are bounded: senders wait for room, in order, and not for ever."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from tests.host.memory import Failures, MemoryStorage, Puppet, increment, on_loop
from theater_sql.errors import InvalidId
from theater_sql.host import (
    Actor,
    NoPersist,
    NoUpdate,
    Outcome,
    Overloaded,
    Persist,
    Theater,
    TheaterClosed,
)
from theater_sql.host.deadlines import KEPT

FULL = r"Puppet\['a'\]: its mailbox is full; the message was not accepted"
CROWDED = r"Puppet\['b'\]: too many actors are busy; the message was not accepted"


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def noting(log: list[int], number: int) -> Any:
    """A message that writes down its number."""

    def note(method: str, state: Any) -> NoPersist[int]:
        log.append(number)
        return NoPersist(number)

    return note


@on_loop
async def test_a_sender_waits_while_the_mailbox_is_full_and_goes_on_as_there_is_room() -> None:
    storage = MemoryStorage()
    gate = storage.gates["get"] = asyncio.Event()
    sent = 0

    async def sender() -> None:
        nonlocal sent
        for _ in range(20):
            await theater.send(Puppet, "a", increment)
            sent += 1

    async with Theater(storage, max_mailbox=5) as theater:
        sending = asyncio.ensure_future(sender())
        await settle()
        assert sent == 5 + 1  # one is being processed
        await theater.send(Puppet, "b", increment)  # others have mailboxes of their own
        gate.set()
        await sending
    assert storage.state(Puppet, "a") == 20


@on_loop
async def test_what_waits_for_room_keeps_its_place() -> None:
    storage = MemoryStorage()
    gate = storage.gates["get"] = asyncio.Event()
    log: list[int] = []
    async with Theater(storage, max_mailbox=2) as theater:
        senders = [
            asyncio.ensure_future((theater.ask, theater.send)[n % 2](Puppet, "a", noting(log, n)))
            for n in range(30)
        ]
        await settle()
        gate.set()
        await asyncio.gather(*senders)
    assert log == list(range(30))


@pytest.mark.parametrize("door", ["send", "ask"])
@on_loop
async def test_a_message_without_room_in_time_is_not_accepted_and_its_sender_is_told(
    door: str,
) -> None:
    storage = MemoryStorage()
    gate = storage.gates["get"] = asyncio.Event()
    failures = Failures()
    loop = asyncio.get_running_loop()
    async with Theater(storage, max_mailbox=1, ask_timeout=5, on_error=failures) as theater:
        for _ in range(2):
            await theater.send(Puppet, "a", increment)
            await settle()
        for timeout, seconds in ((None, 5), (60, 60)):
            start = loop.time()
            with pytest.raises(Overloaded, match=FULL):
                await getattr(theater, door)(Puppet, "a", increment, timeout=timeout)
            assert loop.time() - start == pytest.approx(seconds, abs=0.01)
        gate.set()
    assert storage.state(Puppet, "a") == 2
    assert not failures


@pytest.mark.parametrize("door", ["send", "ask"])
@on_loop
async def test_a_sender_that_is_cancelled_while_it_waits_for_room_takes_its_message_back(
    door: str,
) -> None:
    storage = MemoryStorage()
    gate = storage.gates["get"] = asyncio.Event()
    async with Theater(storage, max_mailbox=1) as theater:
        senders = []
        for _ in range(5):
            senders.append(asyncio.ensure_future(getattr(theater, door)(Puppet, "a", increment)))
            await settle()
        senders[3].cancel()
        await settle()
        gate.set()
        results = await asyncio.gather(*senders, return_exceptions=True)
    assert isinstance(results[3], asyncio.CancelledError)
    assert storage.state(Puppet, "a") == 4


@on_loop
async def test_an_actor_whose_own_mailbox_is_full_is_told_so_at_once() -> None:
    class Breeder(Actor[int]):
        async def process(self, state: int | None, actor_id: str, message: int) -> Outcome[int]:
            for _ in range(message):
                await self.theater.send(Breeder, actor_id, 0)
            return Persist((state or 0) + 1)

    storage = MemoryStorage()
    async with Theater(storage, max_mailbox=3) as theater:
        start = asyncio.get_running_loop().time()
        with pytest.raises(Overloaded, match="mailbox is full"):
            await theater.ask(Breeder, "a", 4)
        assert asyncio.get_running_loop().time() - start < 1
    assert storage.state(Breeder, "a") == 3


@on_loop
async def test_messages_that_wait_for_room_are_told_when_the_theater_gives_up() -> None:
    storage = MemoryStorage()
    storage.gates["get"] = asyncio.Event()
    failures = Failures()
    theater = Theater(storage, max_mailbox=1, drain_timeout=1, on_error=failures)
    askers = []
    for _ in range(4):
        askers.append(asyncio.ensure_future(theater.ask(Puppet, "a", increment)))
        await settle()
    sender = asyncio.ensure_future(theater.send(Puppet, "a", increment))
    await settle()
    await theater.close()
    told = await asyncio.gather(*askers, return_exceptions=True)
    assert [type(error) for error in told] == [TheaterClosed] * 4
    await sender
    assert failures.errors == [TheaterClosed]


@pytest.mark.parametrize("door", ["send", "ask"])
@on_loop
async def test_no_more_actors_are_busy_than_there_is_room_for(door: str) -> None:
    storage = MemoryStorage()
    gate = storage.gates["get"] = asyncio.Event()
    async with Theater(storage, max_activations=3) as theater:
        senders = [
            asyncio.ensure_future(getattr(theater, door)(Puppet, n, increment)) for n in range(50)
        ]
        await settle()
        assert storage.calls == ["get"] * 3
        assert len(theater._activations) == 3
        gate.set()
        await asyncio.gather(*senders)
        assert len(theater._activations) <= 3
    assert [storage.state(Puppet, n) for n in range(50)] == [1] * 50


@on_loop
async def test_a_sender_that_never_waits_by_itself_fills_no_memory() -> None:
    storage = MemoryStorage()
    most = 0
    async with Theater(storage, max_activations=10) as theater:
        for number in range(1000):
            await theater.send(Puppet, number, increment)
            most = max(most, len(theater._activations))
    assert most <= 11
    assert len(storage.rows) == 1000


@on_loop
async def test_actors_do_not_wait_for_room_that_they_take_themselves() -> None:
    class Tree(Actor[int]):
        async def process(self, state: int | None, actor_id: str, depth: int) -> Outcome[int]:
            below = [
                await self.theater.ask(Tree, f"{actor_id}{side}", depth - 1)
                for side in "lr"
                if depth
            ]
            return NoUpdate(reply=1 + sum(below))

    async with Theater(MemoryStorage(), max_activations=1, ask_timeout=1) as theater:
        assert await theater.ask(Tree, "", 5) == 63


@on_loop
async def test_nobody_passes_those_who_wait_in_a_crowd() -> None:
    storage = MemoryStorage()
    order: list[int] = []
    async with Theater(storage, max_activations=1) as theater:
        gate = storage.gates["get"] = asyncio.Event()
        senders = [
            asyncio.ensure_future(theater.ask(Puppet, n, noting(order, n))) for n in range(5)
        ]
        await settle()
        gate.set()
        while not senders[0].done():
            await asyncio.sleep(0)
        for n in range(5, 40):  # one in each turn of the loop, whatever the others are at
            senders.append(asyncio.ensure_future(theater.ask(Puppet, n, noting(order, n))))
            await asyncio.sleep(0)
        await asyncio.gather(*senders)
    assert order == list(range(40))


@on_loop
async def test_a_crowd_that_does_not_go_is_told_to_who_waits() -> None:
    storage = MemoryStorage()
    gate = storage.gates["get"] = asyncio.Event()
    async with Theater(storage, max_activations=1, ask_timeout=5) as theater:
        await theater.send(Puppet, "a", increment)
        for door in (theater.send, theater.ask):
            with pytest.raises(Overloaded, match=CROWDED):
                await door(Puppet, "b", increment)
        gate.set()
        assert await theater.ask(Puppet, "b", increment) == 1


@on_loop
async def test_who_leaves_the_queue_or_is_refused_after_it_holds_nobody_up() -> None:
    storage = MemoryStorage()
    gate = storage.gates["get"] = asyncio.Event()
    async with Theater(storage, max_activations=1) as theater:
        await theater.send(Puppet, "a", increment)
        senders = [asyncio.ensure_future(theater.ask(Puppet, n, increment)) for n in range(6)]
        senders.append(asyncio.ensure_future(theater.ask(Puppet, True, increment)))
        senders.append(asyncio.ensure_future(theater.ask(Puppet, "last", increment)))
        await settle()
        senders[2].cancel()
        storage.gates["put"] = asyncio.Event()
        gate.set()
        await storage.until("put")
        asyncio.get_running_loop().call_soon(senders[0].cancel)
        storage.gates["put"].set()
        told = await asyncio.gather(*senders, return_exceptions=True)
    assert [type(one) for one in told[2:]] == [
        asyncio.CancelledError,
        int,
        int,
        int,
        InvalidId,
        int,
    ]


@on_loop
async def test_who_waits_in_a_crowd_is_refused_by_a_theater_that_drains() -> None:
    storage = MemoryStorage()
    gate = storage.gates["get"] = asyncio.Event()
    theater = Theater(storage, max_activations=1)
    await theater.send(Puppet, "a", increment)
    senders = [asyncio.ensure_future(theater.ask(Puppet, n, increment)) for n in range(5)]
    await settle()
    draining = asyncio.ensure_future(theater.drain())
    told = await asyncio.gather(*senders, return_exceptions=True)
    assert [type(error) for error in told] == [TheaterClosed] * 5
    gate.set()
    await draining
    await theater.close()
    assert storage.state(Puppet, "a") == 1


def test_a_mailbox_has_room() -> None:
    with pytest.raises(ValueError, match="max_mailbox is at least 1"):
        Theater(MemoryStorage(), max_mailbox=0)


@pytest.mark.parametrize("most", [1, 2, 3, 10])
@on_loop
async def test_senders_that_come_and_go_never_make_it_crowded(most: int) -> None:
    chance = random.Random(most)
    busy = 0

    async def sender(theater: Theater) -> None:
        nonlocal busy
        for _ in range(50):
            door = chance.choice([theater.ask, theater.send])
            await door(Puppet, chance.randrange(20), increment)
            for _ in range(chance.randrange(4)):
                busy = max(busy, len(theater._activations) - len(theater._idle))
                await asyncio.sleep(0)

    async with Theater(MemoryStorage(), max_activations=most) as theater:
        await asyncio.gather(*[sender(theater) for _ in range(20)])
    assert busy == most


@on_loop
async def test_who_gave_up_in_a_crowd_leaves_nothing_behind() -> None:
    storage = MemoryStorage()
    gate = storage.gates["get"] = asyncio.Event()
    async with Theater(storage, max_activations=1) as theater:
        await theater.send(Puppet, "a", increment)
        for number in range(100):
            with pytest.raises(Overloaded):
                await theater.ask(Puppet, number, increment, timeout=0.01)
        assert not theater._gate._waiting
        gate.set()


@on_loop
async def test_who_waited_in_a_crowd_leaves_no_timer_behind() -> None:
    async with Theater(MemoryStorage(), max_activations=1) as theater:

        async def asker(number: int) -> None:
            for _ in range(50):
                await theater.ask(Puppet, number, increment)

        await asyncio.gather(*[asker(number) for number in range(10)])
        assert len(theater._deadlines._timers) <= KEPT
