"""How long actors stay in memory, and what they cost there."""

from __future__ import annotations

import asyncio
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.host.memory import MemoryStorage, Puppet, increment, on_loop, peek, rest
from theater_sql.host import Actor, NoPersist, Theater
from theater_sql.host.idle import BATCH, SLACK


class Brief(Puppet):
    """Its state says how long it may stay idle."""

    def time_to_live(self, state: float, actor_id: Any) -> float:
        return state


def living(seconds: float) -> Any:
    """A message after which the actor lives for so long."""
    return lambda method, state: NoPersist(seconds, reply=method)


async def in_memory(theater: Theater, storage: MemoryStorage, actor_id: Any) -> bool:
    """Tell whether an actor is in memory, by a message that needs a get if it isn't."""
    storage.calls.clear()
    await theater.ask(Puppet, actor_id, peek)
    return storage.calls == []


@on_loop
async def test_an_idle_actor_is_passivated_without_a_put() -> None:
    storage = MemoryStorage()
    storage.write(Brief, "a", 9.0)
    async with Theater(storage) as theater:
        await theater.ask(Brief, "a", living(0.03))
        assert await theater.ask(Brief, "a", peek) == ("process", 0.03)
        await asyncio.sleep(0.1)
        assert await theater.ask(Brief, "a", peek) == ("process", 9.0)
    assert storage.calls == ["get", "get"]


@on_loop
async def test_by_default_an_actor_may_be_idle_for_ten_minutes() -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        await theater.ask(Puppet, "a", increment)
        await asyncio.sleep(599)
        assert await in_memory(theater, storage, "a")
        await asyncio.sleep(599)
        assert await in_memory(theater, storage, "a")
        await asyncio.sleep(601)
        assert not await in_memory(theater, storage, "a")


@on_loop
async def test_each_message_starts_the_time_anew() -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        for _ in range(10):
            await theater.ask(Brief, "a", living(0.2))
            await asyncio.sleep(0.04)
        assert storage.calls == ["get"]
        await asyncio.sleep(0.3)
        await theater.ask(Brief, "a", peek)
    assert storage.calls == ["get", "get"]


@pytest.mark.parametrize("seconds", [Decimal("0.5"), Fraction(1, 2), True])
@on_loop
async def test_a_time_is_any_number(seconds: Any) -> None:
    async with Theater(MemoryStorage(), max_activations=1) as theater:
        await theater.ask(Brief, "a", living(seconds))
        await asyncio.sleep(0.4)
        assert len(theater._idle) == len(theater._activations) == 1
        await asyncio.sleep(0.7)
        assert not theater._activations


@pytest.mark.parametrize(("before", "after"), [(600, 0.03), (math.inf, 0.03), (0.03, 600)])
@on_loop
async def test_the_time_is_asked_anew_before_each_wait(before: float, after: float) -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        await theater.ask(Brief, "a", living(before))
        assert await theater.ask(Brief, "a", living(after)) == "process"
        await asyncio.sleep(0.1)
        method = await theater.ask(Brief, "a", living(600))
    assert method == ("init" if after < before else "process")


@on_loop
async def test_zero_is_one_message_unless_more_are_waiting() -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        await theater.ask(Brief, "a", living(0))
        await asyncio.sleep(0.01)
        assert await theater.ask(Brief, "a", living(0)) == "init"
        await asyncio.sleep(0.01)
        asked = [theater.ask(Brief, "a", living(0)) for _ in range(3)]
        assert await asyncio.gather(*asked) == ["init", "process", "process"]


@on_loop
async def test_actors_with_different_times_go_each_at_its_own() -> None:
    async with Theater(MemoryStorage()) as theater:
        times = {"long": 600, "short": 0.02, "middle": 0.3, "for ever": math.inf}
        for name, seconds in times.items():
            await theater.ask(Brief, name, living(seconds))
        await asyncio.sleep(0.1)
        assert {key[1] for key in theater._activations} == {"long", "middle", "for ever"}
        await asyncio.sleep(0.4)
        assert {key[1] for key in theater._activations} == {"long", "for ever"}


@on_loop
async def test_messages_paced_at_the_time_to_live_are_not_lost() -> None:
    class Hasty(Puppet):
        def time_to_live(self, state: Any, actor_id: Any) -> float:
            return 0.002

    storage = MemoryStorage()
    async with Theater(storage) as theater:
        for number in range(200):
            await theater.send(Hasty, "a", increment)
            await asyncio.sleep(0.0019 + number * 1e-6)
    assert storage.state(Hasty, "a") == 200
    assert 1 < storage.calls.count("get") < 200


@on_loop
async def test_a_busy_actor_is_not_passivated() -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        await theater.ask(Brief, "a", living(0.02))
        storage.gates["put"] = asyncio.Event()
        reply = asyncio.ensure_future(theater.ask(Brief, "a", increment))
        queued = asyncio.ensure_future(theater.ask(Brief, "a", peek))
        await asyncio.sleep(0.1)
        storage.gates["put"].set()
        assert await reply == 1.02
        assert await queued == ("process", 1.02)
    assert storage.calls == ["get", "put"]


@on_loop
async def test_many_actors_that_expire_together_all_go() -> None:
    async with Theater(MemoryStorage()) as theater:
        for number in range(3 * BATCH):
            await theater.send(Brief, number, living(0.05))
        await asyncio.sleep(0.02)
        assert len(theater._activations) == 3 * BATCH
        await asyncio.sleep(0.3)
        assert not theater._activations
        assert not theater._idle._order


@on_loop
async def test_beyond_the_bound_the_least_recently_used_is_evicted() -> None:
    storage = MemoryStorage()
    async with Theater(storage, max_activations=3) as theater:
        for name in "abcabd":
            await theater.ask(Puppet, name, increment)
        assert [await in_memory(theater, storage, name) for name in "abd"] == [True] * 3
        assert not await in_memory(theater, storage, "c")
        assert not await in_memory(theater, storage, "a")
        assert await in_memory(theater, storage, "c")
    assert storage.calls == []


@on_loop
async def test_an_idle_actor_makes_room_as_soon_as_another_is_wanted() -> None:
    storage = MemoryStorage()
    async with Theater(storage, max_activations=1) as theater:
        await theater.ask(Puppet, "idle", increment)
        gate = storage.gates["get"] = asyncio.Event()
        await theater.send(Puppet, "busy", increment)
        assert [key[1] for key in theater._activations] == ["busy"]
        gate.set()


@on_loop
async def test_eviction_stores_nothing() -> None:
    storage = MemoryStorage()
    storage.write(Brief, "a", 9.0)
    async with Theater(storage, max_activations=1) as theater:
        await theater.ask(Brief, "a", living(8.0))
        await theater.ask(Brief, "b", living(8.0))
        assert await theater.ask(Brief, "a", peek) == ("process", 9.0)
    assert set(storage.calls) == {"get"}


@on_loop
async def test_with_no_room_at_all_every_message_is_still_processed() -> None:
    storage = MemoryStorage()
    async with Theater(storage, max_activations=0) as theater:
        for _ in range(5):
            await theater.ask(Puppet, "a", increment)
            await rest()
            assert not theater._activations
    assert storage.state(Puppet, "a") == 5


@on_loop
async def test_idle_actors_have_no_task_and_no_mailbox() -> None:
    async with Theater(MemoryStorage()) as theater:
        for number in range(1000):
            await theater.send(Puppet, number, increment)
        await theater.ask(Puppet, 0, peek)
        await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) == 1
        assert all(act.mailbox is None for act in theater._activations.values())


@on_loop
async def test_alarms_stay_in_proportion_to_the_idle_actors() -> None:
    async with Theater(MemoryStorage(), max_activations=10) as theater:
        for number in range(3 * SLACK):
            await theater.ask(Brief, number, living(600))
        assert len(theater._idle._alarms) <= SLACK + 20


@on_loop
async def test_an_actor_that_is_used_all_the_time_has_one_alarm() -> None:
    async with Theater(MemoryStorage()) as theater:
        for _ in range(100):
            await theater.ask(Brief, "a", living(600))
            await rest()
        assert len(theater._idle._alarms) == 1


@on_loop
async def test_alarms_that_were_set_too_early_go_without_a_trace() -> None:
    async with Theater(MemoryStorage()) as theater:
        for seconds in (*range(100, 0, -1), 600):
            await theater.ask(Brief, "a", living(seconds))
        await asyncio.sleep(200)
        assert len(theater._idle._alarms) == 1
        await asyncio.sleep(500)
        assert not theater._activations


@on_loop
async def test_an_actor_whose_alarm_was_dropped_while_it_was_busy_gets_another() -> None:
    storage = MemoryStorage()
    async with Theater(storage, max_activations=10) as theater:
        await theater.ask(Brief, "a", living(600))
        gate = storage.gates["put"] = asyncio.Event()
        await theater.send(Brief, "a", increment)
        for number in range(2 * SLACK):
            await theater.ask(Brief, number, living(600))
        gate.set()
        await asyncio.sleep(1300)
        assert not theater._activations


@on_loop
async def test_a_crash_or_a_stop_leaves_nothing_in_memory() -> None:
    class Fragile(Actor[int]):
        def process(self, state: int | None, actor_id: int, message: Any) -> Any:
            raise ValueError

    async with Theater(MemoryStorage(), on_error=lambda failure: None) as theater:
        for number in range(100):
            await theater.send(Fragile, number, "hello")
        await asyncio.sleep(0.05)
        assert not theater._activations
        assert not theater._idle._order
