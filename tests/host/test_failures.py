"""Errors reach the sender, and neither memory nor the stored state goes on with a wrong state."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tests.host.memory import (
    AsyncPuppet,
    Failures,
    MemoryStorage,
    Puppet,
    SwapStorage,
    crash,
    increment,
    on_loop,
    peek,
    rest,
    returning,
)
from theater_sql.contract import NOT_PRESENT
from theater_sql.errors import Conflict, CorruptState, Unavailable
from theater_sql.host import (
    Actor,
    Failure,
    InvalidOutcome,
    NoPersist,
    Persist,
    Stop,
    Theater,
)

DOWN = "the database is down; nothing was written"


def down() -> Unavailable:
    return Unavailable("tests.host.memory.Puppet", "a", DOWN)


@on_loop
async def test_a_failed_get_fails_the_message_and_starts_no_fresh_state() -> None:
    storage = MemoryStorage()
    storage.write(Puppet, "a", 7)
    storage.errors["get"] = [CorruptState("T", "a", "bad"), down()]
    async with Theater(storage) as theater:
        for error in (CorruptState, Unavailable):
            with pytest.raises(error):
                await theater.ask(Puppet, "a", increment)
        assert storage.calls == ["get", "get"]
        assert await theater.ask(Puppet, "a", increment) == 8


@on_loop
async def test_a_storage_that_returns_nonsense_starts_no_fresh_state() -> None:
    class Nonsense(MemoryStorage):
        async def get(self, actor_type: Any, actor_id: Any) -> Any:
            return None

    storage = Nonsense()
    async with Theater(storage) as theater:
        with pytest.raises(TypeError, match="get returned a NoneType"):
            await theater.ask(Puppet, "a", increment)
    assert storage.calls == []


@pytest.mark.parametrize("outcome", [Persist("new"), Stop.persist("new"), Stop.delete()])
@on_loop
async def test_a_failed_write_reaches_the_sender_and_drops_what_is_in_memory(outcome: Any) -> None:
    storage = MemoryStorage()
    storage.write(Puppet, "a", "row")
    async with Theater(storage) as theater:
        await theater.ask(Puppet, "a", returning(NoPersist("memory")))
        storage.errors["put"], storage.errors["delete"] = [down()], [down()]
        with pytest.raises(Unavailable, match=DOWN):
            await theater.ask(Puppet, "a", returning(outcome))
        assert storage.state(Puppet, "a") == "row"
        assert await theater.ask(Puppet, "a", peek) == ("process", "row")


@on_loop
async def test_a_failed_first_put_leaves_nothing_in_memory() -> None:
    storage = MemoryStorage()
    storage.errors["put"] = [down()]
    async with Theater(storage) as theater:
        with pytest.raises(Unavailable):
            await theater.ask(Puppet, "a", increment)
        assert await theater.ask(Puppet, "a", peek) == ("init", None)


@pytest.mark.parametrize("actor", [Puppet, AsyncPuppet])
@on_loop
async def test_an_exception_in_process_drops_what_is_in_memory(actor: type[Actor[Any]]) -> None:
    storage = MemoryStorage()
    storage.write(actor, "a", "row")
    async with Theater(storage) as theater:
        await theater.ask(actor, "a", returning(NoPersist("memory")))
        with pytest.raises(ValueError, match="can't go on with 'memory'"):
            await theater.ask(actor, "a", crash)
        assert await theater.ask(actor, "a", peek) == ("process", "row")
    assert storage.calls == ["get", "get"]


@pytest.mark.parametrize("actor", [Puppet, AsyncPuppet])
@on_loop
async def test_an_exception_in_init_leaves_nothing(actor: type[Actor[Any]]) -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        with pytest.raises(ValueError, match="can't go on with None"):
            await theater.ask(actor, "a", crash)
        assert await theater.ask(actor, "a", peek) == ("init", None)
    assert storage.calls == ["get", "get"]


@pytest.mark.parametrize("nonsense", [None, "state", ("ok", 1), Stop, Stop.delete, Persist])
@pytest.mark.parametrize("actor", [Puppet, AsyncPuppet])
@on_loop
async def test_an_unknown_return_value_is_the_senders_type_error(
    actor: type[Actor[Any]], nonsense: Any
) -> None:
    storage = MemoryStorage()
    storage.write(actor, "a", "row")
    async with Theater(storage) as theater:
        await theater.ask(actor, "a", returning(NoPersist("memory")))
        with pytest.raises(InvalidOutcome, match=r"the actor returned a .*; nothing was"):
            await theater.ask(actor, "a", returning(nonsense))
        assert await theater.ask(actor, "a", peek) == ("process", "row")
    assert storage.state(actor, "a") == "row"


@pytest.mark.parametrize("actor", [Puppet, AsyncPuppet])
@on_loop
async def test_messages_behind_a_crash_are_processed_by_a_fresh_activation(
    actor: type[Actor[Any]],
) -> None:
    storage = MemoryStorage()
    storage.write(actor, "a", 0)
    failures = Failures()
    async with Theater(storage, on_error=failures) as theater:
        await theater.ask(actor, "a", returning(NoPersist(1000)))
        await theater.send(actor, "a", crash)
        for _ in range(10):
            await theater.send(actor, "a", increment)
    assert storage.state(actor, "a") == 10
    assert failures.errors == [ValueError]


@on_loop
async def test_messages_behind_a_failed_put_are_processed_from_the_stored_state() -> None:
    storage = MemoryStorage()
    failures = Failures()
    async with Theater(storage, on_error=failures) as theater:
        storage.errors["put"] = [down()]
        for _ in range(10):
            await theater.send(Puppet, "a", increment)
    assert storage.state(Puppet, "a") == 9
    assert failures.errors == [Unavailable]


@pytest.mark.parametrize(("theirs", "reply"), [(40, 41), (NOT_PRESENT, 1)])
@on_loop
async def test_a_conflict_reads_the_state_and_processes_the_message_once_more(
    theirs: Any, reply: int
) -> None:
    storage = SwapStorage()
    async with Theater(storage) as theater:
        assert await theater.ask(Puppet, "a", increment) == 1
        storage.calls.clear()
        storage.rows.clear()
        if theirs is not NOT_PRESENT:
            storage.write(Puppet, "a", theirs)
        assert await theater.ask(Puppet, "a", increment) == reply
        assert storage.calls == ["put", "get", "put"]


@on_loop
async def test_an_actor_that_somebody_else_created_meanwhile_is_processed_once_more() -> None:
    storage = SwapStorage()
    gate = storage.gates["put"] = asyncio.Event()
    async with Theater(storage) as theater:
        reply = asyncio.ensure_future(theater.ask(Puppet, "a", increment))
        await storage.until("put")
        storage.write(Puppet, "a", 40)
        gate.set()
        assert await reply == 41
    assert storage.calls == ["get", "put", "get", "put"]


@on_loop
async def test_a_conflict_at_a_delete_decides_anew() -> None:
    storage = SwapStorage()

    def delete_if_small(method: str, state: int) -> Any:
        return Stop.delete(reply="gone") if state < 10 else Stop.no_persist(reply="big")

    async with Theater(storage) as theater:
        await theater.ask(Puppet, "a", increment)
        storage.write(Puppet, "a", 40)
        assert await theater.ask(Puppet, "a", delete_if_small) == "big"
    assert storage.state(Puppet, "a") == 40


@pytest.mark.parametrize("retries", [0, 1, 3])
@on_loop
async def test_after_so_many_conflicts_the_sender_is_told(retries: int) -> None:
    storage = SwapStorage()
    storage.write(Puppet, "a", 0)
    turns = 0

    def beaten(method: str, state: int) -> Persist[int]:
        nonlocal turns
        turns += 1
        storage.write(Puppet, "a", state + 10)
        return Persist(-1)

    async with Theater(storage, conflict_retries=retries) as theater:
        with pytest.raises(Conflict) as caught:
            await theater.ask(Puppet, "a", beaten)
        assert caught.value.kind == "stale"
        assert turns == 1 + retries
        assert await theater.ask(Puppet, "a", peek) == ("process", 10 * turns)


@on_loop
async def test_by_default_a_message_is_processed_once_more() -> None:
    storage = MemoryStorage()
    stale = {"kind": "stale", "expected": None, "actual": None}
    storage.errors["put"] = [Conflict("T", "a", "beaten", **stale) for _ in range(2)]
    async with Theater(storage) as theater:
        with pytest.raises(Conflict):
            await theater.ask(Puppet, "a", increment)
    assert storage.calls == ["get", "put"] * 2


@on_loop
async def test_a_conflict_of_the_actors_own_making_is_an_exception_like_others() -> None:
    turns = 0

    def raises(method: str, state: Any) -> None:
        nonlocal turns
        turns += 1
        raise Conflict("Other", 1, "beaten", kind="stale", expected=None, actual=None)

    async with Theater(MemoryStorage()) as theater:
        with pytest.raises(Conflict):
            await theater.ask(Puppet, "a", raises)
    assert turns == 1


@pytest.mark.parametrize(
    ("error", "seen"), [(StopIteration, RuntimeError), (asyncio.CancelledError, RuntimeError)]
)
@on_loop
async def test_exceptions_with_a_meaning_of_their_own_reach_the_sender(
    error: type[BaseException], seen: type[Exception]
) -> None:
    def raises(method: str, state: Any) -> None:
        raise error

    async with Theater(MemoryStorage()) as theater:
        replies = [
            asyncio.ensure_future(theater.ask(Puppet, "a", message))
            for message in (raises, increment)
        ]
        with pytest.raises(seen):
            await replies[0]
        assert await replies[1] == 1


@on_loop
async def test_a_failed_send_is_told_with_its_message() -> None:
    failures = Failures()
    async with Theater(MemoryStorage(), on_error=failures) as theater:
        await theater.send(Puppet, "a", crash)
    (failure,) = failures
    assert failure.actor_type == "tests.host.memory.Puppet"
    assert (failure.actor_id, failure.message) == ("a", crash)
    assert isinstance(failure.error, ValueError)
    assert "crash" not in repr(failure)


@on_loop
async def test_the_log_tells_what_failed_where_but_never_a_state(
    caplog: pytest.LogCaptureFixture,
) -> None:
    storage = MemoryStorage()
    storage.write(Puppet, "a", "secret")
    async with Theater(storage) as theater:
        await theater.send(Puppet, "a", crash)
    storage.errors["get"] = [down()]
    async with Theater(storage) as theater:
        await theater.send(Puppet, "a", crash)
    first, second = caplog.records
    assert first.name == second.name == "theater_sql.host"
    assert first.levelno == logging.ERROR
    assert "tests.host.memory.Puppet['a']: ValueError in crash" in first.getMessage()
    assert second.getMessage() == f"tests.host.memory.Puppet['a']: Unavailable: {DOWN}"
    assert "secret" not in caplog.text


@on_loop
async def test_an_on_error_that_raises_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def on_error(failure: Failure) -> None:
        raise KeyError("secret")

    storage = MemoryStorage()
    async with Theater(storage, on_error=on_error) as theater:
        await theater.send(Puppet, "a", crash)
        await theater.send(Puppet, "a", increment)
    assert storage.state(Puppet, "a") == 1
    assert "on_error itself raised a KeyError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("nonsense", [-1, float("nan"), "soon", None, 10**400])
@on_loop
async def test_a_failing_time_to_live_costs_the_memory_but_no_message(nonsense: Any) -> None:
    class Timeless(Puppet):
        def time_to_live(self, state: Any, actor_id: Any) -> float:
            return nonsense  # type: ignore[no-any-return]

    storage = MemoryStorage()
    failures = Failures()
    async with Theater(storage, max_activations=1, on_error=failures) as theater:
        assert await theater.ask(Timeless, "a", increment) == 1
        await rest()
        assert not theater._activations
        assert await theater.ask(Timeless, "a", increment) == 2
    assert storage.calls == ["get", "put"] * 2
    assert [failure.message for failure in failures] == [None, None]
    assert set(failures.errors) <= {ValueError, TypeError, OverflowError}


@on_loop
async def test_a_state_that_a_crash_left_half_done_is_not_used() -> None:
    storage = MemoryStorage()

    def spoil(method: str, state: list[int]) -> None:
        storage.write(Puppet, "a", [*state])
        state.append(1)
        raise ValueError("half way")

    storage.write(Puppet, "a", [])
    async with Theater(storage) as theater:
        with pytest.raises(ValueError, match="half way"):
            await theater.ask(Puppet, "a", spoil)
        assert await theater.ask(Puppet, "a", peek) == ("process", [])


def test_an_on_error_that_would_have_to_be_awaited_is_refused() -> None:
    async def on_error(failure: Failure) -> None:
        pass

    with pytest.raises(TypeError, match="on_error is not awaited"):
        Theater(MemoryStorage(), on_error=on_error)


def test_to_process_a_message_again_for_ever_is_refused() -> None:
    with pytest.raises(ValueError, match="conflict_retries is at least 0"):
        Theater(MemoryStorage(), conflict_retries=-1)
