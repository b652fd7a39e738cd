"""What each return value of ``init`` and ``process`` does to memory and storage."""

from __future__ import annotations

from typing import Any

import pytest

from tests.host.memory import (
    AsyncPuppet,
    MemoryStorage,
    Puppet,
    SwapStorage,
    increment,
    on_loop,
    peek,
    returning,
)
from theater_sql.contract import NOT_PRESENT
from theater_sql.host import (
    NO_UPDATE,
    Actor,
    NoPersist,
    NoUpdate,
    Outcome,
    Persist,
    Stop,
    Theater,
)

STOPPED = "stopped"

STORAGES = pytest.mark.parametrize("storage_class", [MemoryStorage, SwapStorage])
ACTORS = pytest.mark.parametrize("actor", [Puppet, AsyncPuppet])

# outcome, calls after get, state in memory, state in the storage
INIT = [
    (Persist("new", reply="r"), ["put"], "new", "new"),
    (NoPersist("new", reply="r"), [], "new", NOT_PRESENT),
    (NoUpdate(reply="r"), [], STOPPED, NOT_PRESENT),
    (Stop.delete(reply="r"), ["delete"], STOPPED, NOT_PRESENT),
    (Stop.persist("new", reply="r"), ["put"], STOPPED, "new"),
    (Stop.no_persist(reply="r"), [], STOPPED, NOT_PRESENT),
]
# the same, where "memory" was in memory and "row" in the storage
PROCESS = [
    (Persist("new", reply="r"), ["put"], "new", "new"),
    (NoPersist("new", reply="r"), [], "new", "row"),
    (NoUpdate(reply="r"), [], "memory", "row"),
    (Stop.delete(reply="r"), ["delete"], STOPPED, NOT_PRESENT),
    (Stop.persist("new", reply="r"), ["put"], STOPPED, "new"),
    (Stop.no_persist(reply="r"), [], STOPPED, "row"),
]


async def check_after(
    theater: Theater, storage: MemoryStorage, actor: type[Actor[Any]], memory: Any, stored: Any
) -> None:
    """Look at the storage, then find out from the next message what was in memory."""
    assert storage.state(actor, "a") == stored
    storage.calls.clear()
    method, state = await theater.ask(actor, "a", peek)
    if memory is not STOPPED:
        assert (method, state, storage.calls) == ("process", memory, [])
    elif stored is NOT_PRESENT:
        assert (method, state, storage.calls) == ("init", None, ["get"])
    else:
        assert (method, state, storage.calls) == ("process", stored, ["get"])


@STORAGES
@ACTORS
@pytest.mark.parametrize(("outcome", "calls", "memory", "stored"), INIT)
@on_loop
async def test_init(
    outcome: Any,
    calls: list[str],
    memory: Any,
    stored: Any,
    actor: type[Actor[Any]],
    storage_class: type[MemoryStorage],
) -> None:
    storage = storage_class()
    async with Theater(storage) as theater:
        assert await theater.ask(actor, "a", returning(outcome)) == "r"
        assert storage.calls == ["get", *calls]
        await check_after(theater, storage, actor, memory, stored)


@STORAGES
@ACTORS
@pytest.mark.parametrize(("outcome", "calls", "memory", "stored"), PROCESS)
@on_loop
async def test_process(
    outcome: Any,
    calls: list[str],
    memory: Any,
    stored: Any,
    actor: type[Actor[Any]],
    storage_class: type[MemoryStorage],
) -> None:
    storage = storage_class()
    storage.write(actor, "a", "row")
    async with Theater(storage) as theater:
        await theater.ask(actor, "a", returning(NoPersist("memory")))
        storage.calls.clear()
        assert await theater.ask(actor, "a", returning(outcome)) == "r"
        assert storage.calls == calls
        await check_after(theater, storage, actor, memory, stored)


@on_loop
async def test_a_stored_actor_that_is_not_in_memory_stays_there_after_no_update() -> None:
    storage = MemoryStorage()
    storage.write(Puppet, "a", "row")
    async with Theater(storage) as theater:
        assert await theater.ask(Puppet, "a", peek) == ("process", "row")
        assert await theater.ask(Puppet, "a", peek) == ("process", "row")
    assert storage.calls == ["get"]


@on_loop
async def test_a_stored_none_is_present() -> None:
    storage = MemoryStorage()
    storage.write(Puppet, "a", None)
    async with Theater(storage) as theater:
        assert await theater.ask(Puppet, "a", peek) == ("process", None)


@STORAGES
@on_loop
async def test_an_actor_can_be_created_again_after_its_deletion(
    storage_class: type[MemoryStorage],
) -> None:
    storage = storage_class()
    async with Theater(storage) as theater:
        replies = [
            await theater.ask(Puppet, "a", message)
            for message in (increment, increment, returning(Stop.delete()), increment)
        ]
    assert replies == [1, 2, None, 1]
    assert storage.state(Puppet, "a") == 1


@on_loop
async def test_each_activation_has_one_handle() -> None:
    storage = SwapStorage()
    async with Theater(storage) as theater:
        for _ in range(3):
            await theater.ask(Puppet, "a", increment)
        assert storage.handles == 1
        await theater.ask(Puppet, "a", returning(Stop.no_persist()))
        await theater.ask(Puppet, "a", increment)
    assert storage.handles == 2


class Sum(Actor[int]):
    def process(self, state: int | None, actor_id: str, message: int) -> Outcome[int]:
        return Persist((state or 0) + message, reply=(state, actor_id))


class Deaf(Actor[int]):
    pass


@on_loop
async def test_init_is_by_default_process_with_none() -> None:
    async with Theater(MemoryStorage()) as theater:
        assert await theater.ask(Sum, "a", 5) == (None, "a")
        assert await theater.ask(Sum, "a", 5) == (5, "a")


@on_loop
async def test_process_does_by_default_nothing() -> None:
    storage = MemoryStorage()
    async with Theater(storage) as theater:
        assert await theater.ask(Deaf, "a", "hello") is None
    assert storage.calls == ["get"]
    assert Deaf().time_to_live(1, "a") == 600


def test_outcomes_compare_and_do_not_change() -> None:
    assert Sum().process(1, "a", 2) == Persist(3, reply=(1, "a"))
    outcomes: list[Outcome[int]] = [Persist(1), NoPersist(1), Stop.persist(1), NO_UPDATE]
    assert all(one is other or one != other for one in outcomes for other in outcomes)
    assert NoUpdate() == NO_UPDATE
    assert Stop.delete() == Stop("delete")
    with pytest.raises(AttributeError):
        Persist(1).state = 2  # type: ignore[misc]
