"""Messages arrive once, in order, one at a time; replies come after the commit."""

from __future__ import annotations

import asyncio
import random
from contextvars import ContextVar
from typing import Any
from uuid import UUID

import pytest

from tests.host.memory import (
    AsyncPuppet,
    Failures,
    MemoryStorage,
    Puppet,
    increment,
    on_loop,
    peek,
    rest,
    returning,
)
from theater_sql.contract import ActorId
from theater_sql.errors import InvalidId, RegistrationError
from theater_sql.host import (
    Actor,
    AskTimeout,
    NoPersist,
    NoUpdate,
    Outcome,
    Persist,
    Stop,
    Theater,
)


@pytest.mark.parametrize(("message", "call"), [(increment, "put"), (Stop.delete(), "delete")])
@on_loop
async def test_the_reply_comes_after_the_commit(message: Any, call: str) -> None:
    storage = MemoryStorage()
    storage.write(Puppet, "a", 1)
    gate = storage.gates[call] = asyncio.Event()
    message = message if callable(message) else returning(message)
    async with Theater(storage) as theater:
        reply = asyncio.ensure_future(theater.ask(Puppet, "a", message))
        for _ in range(20):
            await asyncio.sleep(0)
        assert storage.calls == ["get", call]
        assert not reply.done()
        gate.set()
        await reply


@on_loop
async def test_send_does_not_wait_for_the_message() -> None:
    storage = MemoryStorage()
    storage.gates["get"] = asyncio.Event()
    async with Theater(storage) as theater:
        await theater.send(Puppet, "a", increment)
        assert storage.calls == []
        storage.gates["get"].set()
    assert storage.state(Puppet, "a") == 1


class Journal(Actor[list[tuple[int, int]]]):
    """Writes down what it gets, stops and crashes between."""

    async def process(
        self, state: list[tuple[int, int]] | None, actor_id: str, message: tuple[int, int]
    ) -> Outcome[list[tuple[int, int]]]:
        await asyncio.sleep(0)
        log = [*(state or []), message]
        match message[1] % 7:
            case 1:
                return Stop.persist(log)
            case 2 if "friend" not in actor_id:
                await self.theater.send(Journal, f"{actor_id}'s friend", message)
        return Persist(log)


@on_loop
async def test_messages_of_one_sender_arrive_in_order_and_none_is_lost() -> None:
    storage = MemoryStorage()
    async with Theater(storage, max_activations=2) as theater:

        async def sender(number: int) -> None:
            for turn in range(50):
                for actor_id in "abcd":
                    await theater.send(Journal, actor_id, (number, turn))
                await asyncio.sleep(random.choice([0, 0, 0.001]))

        await asyncio.gather(*[sender(number) for number in range(5)])
    for actor_id in "abcd":
        log = storage.state(Journal, actor_id)
        for number in range(5):
            assert [entry for entry in log if entry[0] == number] == [
                (number, turn) for turn in range(50)
            ]
        friend = storage.state(Journal, f"{actor_id}'s friend")
        assert len(friend) == 5 * len(range(2, 50, 7))


@pytest.mark.parametrize("actor", [Puppet, AsyncPuppet])
@on_loop
async def test_no_message_behind_a_stop_is_lost(actor: type[Actor[Any]]) -> None:
    storage = MemoryStorage()

    def step(method: str, state: int | None) -> Stop[int]:
        return Stop.persist((state or 0) + 1)

    async with Theater(storage) as theater:
        for _ in range(500):
            await theater.send(actor, "a", step)
    assert storage.state(actor, "a") == 500
    assert storage.calls == ["get", "put"] * 500


@on_loop
async def test_a_message_that_comes_while_the_actor_stops_starts_the_next_activation() -> None:
    storage = MemoryStorage()
    storage.write(Puppet, "a", 1)
    gate = storage.gates["delete"] = asyncio.Event()
    async with Theater(storage) as theater:
        stop = asyncio.ensure_future(theater.ask(Puppet, "a", returning(Stop.delete())))
        await storage.until("delete")
        reply = asyncio.ensure_future(theater.ask(Puppet, "a", increment))
        await asyncio.sleep(0.01)
        gate.set()
        assert await reply == 1
        assert stop.done()


@pytest.mark.parametrize("actor", [Puppet, AsyncPuppet])
@on_loop
async def test_an_actor_processes_one_message_at_a_time(actor: type[Actor[Any]]) -> None:
    inside = most = 0

    async def turn() -> Persist[int]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.001)
        inside -= 1
        return Persist(1)

    async with Theater(MemoryStorage()) as theater:
        message: Any = lambda method, state: turn()  # noqa: E731
        await asyncio.gather(*[theater.ask(actor, "a", message) for _ in range(10)])
        assert most == 1
        await asyncio.gather(*[theater.ask(actor, number, message) for number in range(10)])
        assert most == 10


@on_loop
async def test_many_messages_at_once_to_an_actor_that_is_not_in_memory_read_it_once() -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        replies = await asyncio.gather(*[theater.ask(Puppet, "a", increment) for _ in range(100)])
    assert replies == list(range(1, 101))
    assert storage.calls.count("get") == 1


@on_loop
async def test_a_long_mailbox_leaves_turns_to_others() -> None:
    turns = 0

    def count(method: str, state: Any) -> NoPersist[int]:
        nonlocal turns
        turns += 1
        return NoPersist(turns)

    async with Theater(MemoryStorage(), max_mailbox=10_000) as theater:
        await theater.ask(Puppet, "a", count)
        for _ in range(10_000):
            await theater.send(Puppet, "a", count)
        await asyncio.sleep(0)
        assert 1 < turns < 1000


@on_loop
async def test_an_ask_that_times_out_does_not_stop_the_message() -> None:
    storage = MemoryStorage()
    gate = storage.gates["put"] = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with Theater(storage, ask_timeout=5) as theater:
        for timeout, seconds in ((None, 5), (60, 60)):
            start = loop.time()
            with pytest.raises(AskTimeout, match=rf"Puppet\['a'\]: no reply within {seconds} s"):
                await theater.ask(Puppet, "a", increment, timeout=timeout)
            assert loop.time() - start == pytest.approx(seconds, abs=0.01)
        gate.set()
    assert storage.state(Puppet, "a") == 2


@on_loop
async def test_every_ask_times_out_at_its_own_time() -> None:
    storage = MemoryStorage()
    gate = storage.gates["get"] = asyncio.Event()
    loop = asyncio.get_running_loop()
    waited: list[tuple[float, float]] = []

    async def ask(theater: Theater, begin: float, timeout: float) -> None:
        await asyncio.sleep(begin)
        start = loop.time()
        with pytest.raises(AskTimeout):
            await theater.ask(Puppet, "a", increment, timeout=timeout)
        waited.append((timeout, loop.time() - start))

    async with Theater(storage) as theater:
        times = [(begin / 10, timeout) for begin in range(50) for timeout in (0.05, 1, 1.5, 30)]
        await asyncio.gather(*[ask(theater, *each) for each in times])
        gate.set()
        assert await theater.ask(Puppet, "a", increment, timeout=1) == 201
    assert len(waited) == 200
    for timeout, seconds in waited:
        assert seconds == pytest.approx(timeout, abs=0.01)


@on_loop
async def test_a_reply_leaves_nothing_behind_that_waits_for_its_time() -> None:
    async with Theater(MemoryStorage()) as theater:
        for number in range(100):
            await theater.ask(Puppet, number, increment)
        assert not any(theater._deadlines._queues.values())


@on_loop
async def test_who_asks_again_at_once_finds_the_actor_awake() -> None:
    class Hasty(Puppet):
        def time_to_live(self, state: Any, actor_id: Any) -> float:
            return 0

    storage = MemoryStorage()
    async with Theater(storage) as theater:
        for count in range(1, 10):
            assert await theater.ask(Hasty, "a", increment) == count
        await rest()
        assert await theater.ask(Hasty, "a", increment) == 10
    assert storage.calls.count("get") == 2


@pytest.mark.parametrize("early", range(-3, 6))
@on_loop
async def test_a_reply_in_the_moment_of_the_timeout_is_a_reply_or_a_timeout(early: int) -> None:
    loop = asyncio.get_running_loop()

    async def reply_late() -> NoUpdate:
        await asyncio.sleep(0.999)
        while loop.time() < 1 - early * 1e-5:
            await asyncio.sleep(0)
        return NoUpdate(reply="late")

    async with Theater(MemoryStorage(), ask_timeout=1) as theater:
        try:
            reply = await theater.ask(AsyncPuppet, "a", lambda method, state: reply_late())
        except AskTimeout:
            reply = "timeout"
    assert reply in ("late", "timeout")  # and nothing is left to the loop's exception handler


@on_loop
async def test_the_failure_of_a_message_that_nobody_waits_for_any_more_is_told() -> None:
    def fail(method: str, state: Any) -> None:
        raise ValueError("late")

    storage = MemoryStorage()
    gate = storage.gates["get"] = asyncio.Event()
    failures = Failures()
    async with Theater(storage, on_error=failures) as theater:
        with pytest.raises(AskTimeout):
            await theater.ask(Puppet, "a", fail, timeout=0.01)
        asker = asyncio.ensure_future(theater.ask(Puppet, "a", fail))
        await asyncio.sleep(0)
        asker.cancel()
        gate.set()
    assert failures.errors == [ValueError, ValueError]


@on_loop
async def test_the_failure_of_an_asker_cancelled_in_the_same_moment_is_told() -> None:
    failures = Failures()
    asker: asyncio.Task[Any]

    def fail(method: str, state: Any) -> None:
        asyncio.get_running_loop().call_soon(asker.cancel)
        raise ValueError("late")

    async with Theater(MemoryStorage(), on_error=failures) as theater:
        asker = asyncio.ensure_future(theater.ask(Puppet, "a", fail))
        with pytest.raises(asyncio.CancelledError):
            await asker
    assert failures.errors == [ValueError]


@on_loop
async def test_actors_ask_each_other_but_not_themselves() -> None:
    class Boss(Actor[int]):
        async def process(self, state: int | None, actor_id: str, message: str) -> Outcome[int]:
            return NoUpdate(reply=await self.theater.ask(Boss, message, "a"))

    async with Theater(MemoryStorage(), ask_timeout=1) as theater:
        with pytest.raises(RuntimeError, match=r"Boss\['b'\]: an actor that asks itself"):
            await theater.ask(Boss, "b", "b")
        with pytest.raises(RuntimeError, match=r"Boss\['a'\]: an actor that asks itself"):
            await theater.ask(Boss, "b", "a")


@on_loop
async def test_an_actor_does_not_run_in_the_context_of_a_sender() -> None:
    user: ContextVar[str] = ContextVar("user", default="nobody")
    seen: list[str] = []

    def look(method: str, state: Any) -> NoUpdate:
        seen.append(user.get())
        user.set("the actor's own")
        return NoUpdate()

    async def send_as(name: str) -> None:
        user.set(name)
        await theater.ask(Puppet, "a", look)

    async with Theater(MemoryStorage()) as theater:
        for _ in range(2):
            await asyncio.gather(send_as("ann"), send_as("bob"))
            await rest()
    assert seen == ["nobody", "the actor's own"] * 2


@on_loop
async def test_actors_run_where_tasks_start_at_once() -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory", None))  # Python 3.12 has it
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        await asyncio.gather(*[theater.ask(Puppet, number % 3, increment) for number in range(9)])
        await theater.send(Puppet, 0, increment)
    assert [storage.state(Puppet, number) for number in range(3)] == [4, 3, 3]


DISTINCT: list[ActorId] = [
    *(1, "1", b"1", (1,), ("1",), (b"1",), (1, 1), (1, "1"), ("1", "1"), ("1,1",), "(1,)"),
    *(UUID(int=1), str(UUID(int=1)), (UUID(int=1),), -1, "a", "A", "é", "e\u0301", ""),
]


@on_loop
async def test_different_ids_are_different_actors() -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        for actor_id in DISTINCT:
            assert await theater.ask(Puppet, actor_id, increment) == 1
        for actor_id in DISTINCT:
            assert await theater.ask(Puppet, actor_id, increment) == 2
    assert len(storage.rows) == len(DISTINCT)


@pytest.mark.parametrize("bad", [True, 1.0, None, (), (1, True), "a\0", "\ud800", "x" * 513, 2**63])
@on_loop
async def test_an_invalid_id_is_refused_at_once(bad: Any) -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        await theater.ask(Puppet, 1, increment)
        storage.calls.clear()
        for door in (theater.send, theater.ask):
            with pytest.raises(InvalidId):
                await door(Puppet, bad, increment)
    assert storage.calls == []


@on_loop
async def test_equal_uuids_are_one_actor_and_the_actor_gets_a_plain_one() -> None:
    class MyUUID(UUID):
        pass

    class Echo(Puppet):
        def init(self, actor_id: Any, message: Any) -> Outcome[int]:
            return Persist(1, reply=type(actor_id))

    async with Theater(MemoryStorage()) as theater:
        assert await theater.ask(Echo, MyUUID(int=5), "hello") is UUID
        assert await theater.ask(Echo, UUID(int=5), peek) == ("process", 1)


@on_loop
async def test_one_id_under_two_types_is_two_actors_and_each_type_has_one_instance() -> None:
    instances: list[Actor[Any]] = []

    class One(Puppet):
        def __init__(self) -> None:
            instances.append(self)

    class Two(One):
        pass

    async with Theater(MemoryStorage()) as theater:
        assert [await theater.ask(One, n, increment) for n in (1, 2, 1)] == [1, 1, 2]
        assert [await theater.ask(Two, n, increment) for n in (1, 2)] == [1, 1]
    assert [type(instance) for instance in instances] == [One, Two]
    assert all(instance.theater is theater for instance in instances)


@on_loop
async def test_two_classes_can_not_claim_one_name() -> None:
    def make() -> type[Actor[Any]]:
        class Twin(Puppet):
            pass

        return Twin

    async with Theater(MemoryStorage()) as theater:
        await theater.ask(make(), "a", increment)
        with pytest.raises(RegistrationError, match=r"two classes claim the name .*Twin"):
            await theater.ask(make(), "a", increment)


@pytest.mark.parametrize("target", [int, Puppet(), "tests.host.memory.Puppet"])
@on_loop
async def test_messages_go_to_actors_only(target: Any) -> None:
    async with Theater(MemoryStorage()) as theater:
        with pytest.raises(TypeError, match="messages go to subclasses of Actor"):
            await theater.ask(target, "a", increment)


def test_a_theater_belongs_to_one_event_loop() -> None:
    theater = Theater(MemoryStorage())
    asyncio.run(theater.ask(Puppet, "a", increment))
    with pytest.raises(RuntimeError, match="another one"):
        asyncio.run(theater.ask(Puppet, "a", increment))
