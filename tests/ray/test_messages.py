"""Messages through a pool: what ``Theater`` promises, ``RayTheater`` does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import ray
from ray import cloudpickle

from tests.host.memory import Failures, Puppet, crash, increment, peek, returning
from tests.host.test_delivery import DISTINCT
from tests.host.test_outcomes import INIT, PROCESS, STOPPED
from tests.ray.actors import Counter, Forgetful, Friend, Journal, Odd, Tally, Waiter, actors
from tests.ray.conftest import NewPool
from theater_sql import NOT_PRESENT, InvalidId, SQLStorage
from theater_sql.adapters.ray import Pool, RayTheater, ReplyLost, scale
from theater_sql.adapters.ray.mail import Letter
from theater_sql.host import (
    Actor,
    AskTimeout,
    NoPersist,
    Overloaded,
    SyncTheater,
    TheaterClosed,
)

Test = Callable[[RayTheater], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def shared(cluster: Any, new_pools: Any) -> Iterator[Pool]:
    """A pool for the tests that only need actors of their own."""
    with new_pools() as new:
        pool: Pool = new()
        asyncio.run(scale(pool, 2))
        yield pool


def run(pool: Pool, test: Test, **options: Any) -> None:
    async def inside() -> None:
        async with RayTheater(pool.name, **options) as theater:
            await test(theater)

    asyncio.run(inside())


def stored(pool: Pool, actor_type: Any, actor_id: Any) -> Any:
    with SQLStorage(pool.url, actors) as storage:
        found = storage.get(actor_type, actor_id)
        return found.state if found else NOT_PRESENT


@pytest.mark.parametrize(("outcome", "calls", "memory", "state"), INIT)
def test_init(shared: Pool, outcome: Any, calls: Any, memory: Any, state: Any) -> None:
    name = f"init {outcome}"

    async def test(theater: RayTheater) -> None:
        assert await theater.ask(Puppet, name, returning(outcome)) == "r"
        assert stored(shared, Puppet, name) == state
        await check_memory(theater, name, memory, state)

    run(shared, test)


@pytest.mark.parametrize(("outcome", "calls", "memory", "state"), PROCESS)
def test_process(shared: Pool, outcome: Any, calls: Any, memory: Any, state: Any) -> None:
    name = f"process {outcome}"
    with SQLStorage(shared.url, actors) as storage:
        storage.put(Puppet, name, "row")

    async def test(theater: RayTheater) -> None:
        await theater.ask(Puppet, name, remember)
        assert await theater.ask(Puppet, name, returning(outcome)) == "r"
        assert stored(shared, Puppet, name) == state
        await check_memory(theater, name, memory, state)

    run(shared, test)


def remember(method: str, state: Any) -> Any:
    return NoPersist("memory")


async def check_memory(theater: RayTheater, name: str, memory: Any, state: Any) -> None:
    """Find out from the next message what was in memory."""
    found = await theater.ask(Puppet, name, peek)
    if memory is not STOPPED:
        assert found == ("process", memory)
    elif state is NOT_PRESENT:
        assert found == ("init", None)
    else:
        assert found == ("process", state)


def test_different_ids_are_different_actors(shared: Pool) -> None:
    async def test(theater: RayTheater) -> None:
        for count in (1, 2):
            asked = [theater.ask(Puppet, actor_id, increment) for actor_id in DISTINCT]
            assert await asyncio.gather(*asked) == [count] * len(DISTINCT)

    run(shared, test)


def test_messages_of_one_sender_arrive_in_order(shared: Pool) -> None:
    async def test(theater: RayTheater) -> None:
        for number in range(300):
            for name in "abc":
                await theater.send(Journal, name, number)

    run(shared, test)  # which ends once all are stored
    for name in "abc":
        assert stored(shared, Journal, name) == list(range(300))


def test_a_fast_sender_waits(shared: Pool) -> None:
    async def test(theater: RayTheater) -> None:
        start = time.monotonic()
        for _ in range(5):
            await theater.send(Waiter, "crowded", 0.2)
        assert time.monotonic() - start >= 0.5

    run(shared, test, max_waiting=2)
    assert stored(shared, Waiter, "crowded") == 5


def test_a_sender_does_not_wait_for_ever(shared: Pool) -> None:
    async def test(theater: RayTheater) -> None:
        await theater.send(Waiter, "full", 1)
        with pytest.raises(Overloaded, match=r"Waiter\['full'\]: too many messages"):
            await theater.send(Waiter, "full", 1)

    run(shared, test, max_waiting=1, ask_timeout=0.1)


def test_the_timeout_of_one_message_goes_before_that_of_all(shared: Pool) -> None:
    async def test(theater: RayTheater) -> None:
        await theater.send(Waiter, "hurried", 1)
        for door in (theater.send, theater.ask):
            with pytest.raises(Overloaded, match=r"Waiter\['hurried'\]: too many messages"):
                await door(Waiter, "hurried", 1, timeout=0.1)

    run(shared, test, max_waiting=1)
    assert stored(shared, Waiter, "hurried") == 1


def test_activate_reads_an_actor_and_creates_none(shared: Pool) -> None:
    async def test(theater: RayTheater) -> None:
        assert not await theater.activate(Forgetful, "ahead")
        assert await theater.ask(Forgetful, "ahead", "hello") == "new"
        assert await theater.activate(Forgetful, "ahead")
        assert await theater.ask(Forgetful, "ahead", "forget") == "forgotten"
        assert not await theater.activate(Forgetful, "ahead")
        assert await theater.ask(Forgetful, "ahead", "hello") == "new"

    run(shared, test)


def test_what_others_wrote_meanwhile_is_taken_up(shared: Pool) -> None:
    async def test(theater: RayTheater) -> None:
        await theater.ask(Puppet, "others", increment)
        with SQLStorage(shared.url, actors) as storage:
            storage.put(Puppet, "others", 100)
        assert await theater.ask(Puppet, "others", increment) == 101

    run(shared, test)


def test_errors_reach_who_asked_and_else_on_error(shared: Pool) -> None:
    failures = Failures()

    async def test(theater: RayTheater) -> None:
        await theater.ask(Puppet, "errors", increment)
        with pytest.raises(ValueError, match="can't go on with 1"):
            await theater.ask(Puppet, "errors", crash)
        await theater.send(Puppet, "errors", crash)
        assert await theater.ask(Puppet, "errors", increment) == 2

    run(shared, test, on_error=failures)
    assert failures.errors == [ValueError]


def test_an_error_that_can_not_be_pickled_is_told_by_its_name(shared: Pool) -> None:
    async def test(theater: RayTheater) -> None:
        with pytest.raises(RuntimeError, match="an actor raised a Unpicklable"):
            await theater.ask(Puppet, "unpicklable", raise_unpicklable)

    run(shared, test)


def raise_unpicklable(method: str, state: Any) -> Any:
    class Unpicklable(Exception):
        def __reduce__(self) -> Any:
            raise TypeError

    raise Unpicklable


def test_a_slow_message_does_not_hold_up_its_neighbours_and_happens_once(shared: Pool) -> None:
    async def test(theater: RayTheater) -> None:
        start = time.monotonic()
        slow = asyncio.create_task(theater.ask(Waiter, "slow", 3.0))
        names = [str(number) for number in range(20)]
        await asyncio.gather(*[theater.ask(Waiter, name, 0) for name in names])
        assert not slow.done()
        assert await slow == 1
        assert time.monotonic() - start >= 3

    run(shared, test)
    assert stored(shared, Waiter, "slow") == 1


def test_an_ask_that_times_out_does_not_stop_the_message(shared: Pool) -> None:
    async def test(theater: RayTheater) -> None:
        with pytest.raises(AskTimeout, match=r"Waiter\['late'\]: no reply within 0.1 s"):
            await theater.ask(Waiter, "late", 0.5, timeout=0.1)

    run(shared, test)
    assert stored(shared, Waiter, "late") == 1


def test_actors_ask_each_other_on_all_hosts_but_not_themselves(shared: Pool) -> None:
    async def test(theater: RayTheater) -> None:
        path = [f"friend {number}" for number in range(8)]
        assert await theater.ask(Friend, "first", path) == 9
        with pytest.raises(RuntimeError, match="an actor that asks itself"):
            await theater.ask(Friend, "self", ["self"])

    run(shared, test)


@pytest.mark.parametrize("bad", [True, 1.0, None, (), "a\0", "x" * 513])
def test_an_invalid_id_is_refused_at_once(shared: Pool, bad: Any) -> None:
    async def test(theater: RayTheater) -> None:
        with pytest.raises(InvalidId):
            await theater.send(Puppet, bad, increment)

    run(shared, test)


def test_an_actor_of_the_program_itself_is_refused(
    shared: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counter, "__module__", "__main__")

    async def test(theater: RayTheater) -> None:
        with pytest.raises(TypeError, match=r"Counter: hosts would run this program"):
            await theater.send(Counter, "a", 1)

    run(shared, test)


def test_messages_go_to_actors_that_hosts_can_import(shared: Pool) -> None:
    class Local(Actor[int]):
        pass

    async def test(theater: RayTheater) -> None:
        wrong: Any = int
        with pytest.raises(TypeError, match="messages go to subclasses of Actor"):
            await theater.send(wrong, "a", 1)
        with pytest.raises(TypeError, match="hosts import actors by name"):
            await theater.send(Local, "a", 1)

    run(shared, test)


def test_a_closed_theater_refuses(shared: Pool) -> None:
    async def test(theater: RayTheater) -> None:
        await theater.close()
        with pytest.raises(TheaterClosed):
            await theater.send(Counter, "a", 1)

    run(shared, test)


def test_without_a_pool_nothing_is_answered_and_it_is_said_why(
    cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    why = "there is no host 0 of the pool 'none' in the namespace 'theater_sql'"

    async def test() -> None:
        async with RayTheater("none", resend_for=1) as theater:
            with pytest.raises(AskTimeout, match=why):
                await theater.ask(Counter, "a", 1, timeout=0.5)

    asyncio.run(test())
    warnings = [one.message for one in caplog.records if one.levelname == "WARNING"]
    assert warnings == [f"{why}: scale() starts it; trying again"]


def test_threads_send_to_a_pool_too(shared: Pool) -> None:
    with SyncTheater(RayTheater(shared.name)) as theater:
        assert not theater.activate(Counter, "threads")
        assert theater.ask(Counter, "threads", 1) == 1
        theater.send(Counter, "threads", 2)
        theater.drain()
    assert stored(shared, Counter, "threads").count == 2


def test_idle_actors_are_forgotten_and_come_back(new_pool: NewPool) -> None:
    pool = new_pool(max_activations=10)
    asyncio.run(scale(pool, 1))

    async def test(theater: RayTheater) -> None:
        for count in (1, 2, 3):
            asked = [theater.ask(Counter, str(number), count) for number in range(100)]
            assert await asyncio.gather(*asked) == [count] * 100

    run(pool, test)


def test_busy_actors_do_not_wait_for_each_other_to_make_room(new_pool: NewPool) -> None:
    pool = new_pool(max_activations=2)
    asyncio.run(scale(pool, 1))

    async def test(theater: RayTheater) -> None:
        asked = [theater.ask(Friend, name, [f"{name} 2", f"{name} 3"]) for name in ("a", "b")]
        assert await asyncio.gather(*asked) == [3, 3]

    run(pool, test, ask_timeout=10)


class Posted:
    """Sends one letter as often as it likes, as a client does whose host does not answer."""

    def __init__(self, pool: Pool, number: int, actor: type[Actor[Any]], message: Any) -> None:
        self._pool = pool
        place = f"{actor.__module__}:{actor.__qualname__}"
        self._letter = Letter(number, number, place, "sent twice", cloudpickle.dumps(message))

    def deliver(self) -> Any:
        host: Any = ray.get_actor(f"{self._pool.name}/0", self._pool.namespace)
        version = ray.get(host.resume.remote()).version
        _, [(kind, data)] = ray.get(host.deliver.remote(version, "c", [self._letter], 5.0))
        return kind, cloudpickle.loads(data)


def test_a_letter_that_comes_twice_happens_once(pool: Pool) -> None:
    asyncio.run(scale(pool, 1))
    first = Posted(pool, 1, Counter, 7)
    assert [first.deliver(), first.deliver()] == [("reply", 1)] * 2
    restart(pool)
    assert first.deliver() == ("reply", 1)
    second = Posted(pool, 2, Counter, 8)
    assert [second.deliver(), second.deliver()] == [("reply", 2)] * 2
    assert first.deliver() == ("reply", None)  # nobody waits for it any more
    assert stored(pool, Counter, "sent twice") == Tally(2, [7, 8])


def test_a_delete_that_comes_twice_happens_once(pool: Pool) -> None:
    asyncio.run(scale(pool, 1))
    Posted(pool, 1, Forgetful, "remember").deliver()
    forget = Posted(pool, 2, Forgetful, "forget")
    assert forget.deliver() == ("reply", "forgotten")
    assert stored(pool, Forgetful, "sent twice") is NOT_PRESENT
    restart(pool)
    assert forget.deliver() == ("reply", "forgotten")
    assert Posted(pool, 3, Forgetful, "remember").deliver() == ("reply", "new")


def test_a_reply_that_only_python_can_hold_is_lost_with_its_host(pool: Pool) -> None:
    asyncio.run(scale(pool, 1))
    odd = Posted(pool, 1, Odd, None)
    assert odd.deliver() == ("reply", Tally(1))
    kind, error = odd.deliver()
    assert kind == "error"
    assert isinstance(error, ReplyLost)


def restart(pool: Pool) -> None:
    """Have the host forget what it has in memory."""
    host: Any = ray.get_actor(f"{pool.name}/0", pool.namespace)
    ray.get(host.pause.remote())
    ray.get(host.resume.remote())
