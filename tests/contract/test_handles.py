"""A handle remembers one actor's etag between its calls."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from tests.contract.doors import LIMIT, Door
from tests.contract.kinds import ACTORS, KINDS, Kind
from theater_sql import (
    NOT_PRESENT,
    AsyncSQLStorage,
    Conflict,
    InvalidState,
    SQLStorage,
    StorageError,
)


def test_put_before_get_reads_first_and_replaces(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    shared_door.put(kind.actor_type, actor_id, kind.make(1))
    handle = shared_door.handle(kind.actor_type, actor_id)
    etag = handle.put(kind.make(2))
    found = shared_door.get(kind.actor_type, actor_id)
    assert (kind.number(found.state), found.etag, found.version) == (2, etag, 2)


def test_put_before_get_creates(shared_door: Door, kind: Kind, actor_id: str) -> None:
    shared_door.handle(kind.actor_type, actor_id).put(kind.make(1))
    assert shared_door.get(kind.actor_type, actor_id).version == 1


def test_puts_in_a_row_need_no_get(shared_door: Door, kind: Kind, actor_id: str) -> None:
    handle = shared_door.handle(kind.actor_type, actor_id)
    assert handle.get() is NOT_PRESENT
    for number in (1, 2, 3):
        handle.put(kind.make(number))
    found = handle.get()
    assert (kind.number(found.state), found.version) == (3, 3)


def test_delete_then_put_creates_anew(shared_door: Door, kind: Kind, actor_id: str) -> None:
    handle = shared_door.handle(kind.actor_type, actor_id)
    handle.put(kind.make(1))
    handle.put(kind.make(2))
    handle.delete()
    assert shared_door.get(kind.actor_type, actor_id) is NOT_PRESENT
    handle.put(kind.make(3))
    assert handle.get().version == 1


def test_delete_of_nothing_succeeds_before_and_after_a_get(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    handle = shared_door.handle(kind.actor_type, actor_id)
    handle.delete()
    handle.get()
    handle.delete()
    assert handle.get() is NOT_PRESENT


@pytest.mark.parametrize("event", ["put", "delete", "recreate"])
@pytest.mark.parametrize("call", ["put", "delete"])
def test_somebody_elses_write_makes_it_unusable_until_get(
    shared_door: Door, kind: Kind, actor_id: str, event: str, call: str
) -> None:
    handle = shared_door.handle(kind.actor_type, actor_id)
    handle.put(kind.make(1))
    if event != "put":
        shared_door.delete(kind.actor_type, actor_id)
    if event != "delete":
        shared_door.put(kind.actor_type, actor_id, kind.make(2))

    def write() -> None:
        if call == "put":
            handle.put(kind.make(3))
        else:
            handle.delete()

    with pytest.raises(Conflict) as caught:
        write()
    assert caught.value.kind == ("gone" if event == "delete" else "stale")
    for _ in range(2):
        with pytest.raises(StorageError, match=r"get\(\) first") as refused:
            write()
        assert not isinstance(refused.value, Conflict)
    found = handle.get()
    assert (kind.number(found.state) if found else None) == (None if event == "delete" else 2)
    write()


def test_a_create_that_lost_the_race_conflicts(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    handle = shared_door.handle(kind.actor_type, actor_id)
    assert handle.get() is NOT_PRESENT
    shared_door.put(kind.actor_type, actor_id, kind.make(1))
    with pytest.raises(Conflict) as caught:
        handle.put(kind.make(2))
    assert caught.value.kind == "exists"
    assert kind.number(shared_door.get(kind.actor_type, actor_id).state) == 1


def test_any_error_makes_it_unusable_until_get(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    handle = shared_door.handle(kind.actor_type, actor_id)
    handle.put(kind.make(1))
    with pytest.raises(InvalidState):
        handle.put(object())
    with pytest.raises(StorageError, match=r"InvalidState.*get\(\) first"):
        handle.put(kind.make(2))
    handle.get()
    handle.put(kind.make(3))
    assert handle.get().version == 2


def test_two_threads_on_one_handle_never_conflict(
    shared_url: str, shared_engine: sa.Engine, actor_id: str
) -> None:
    kind = KINDS["derived"]
    with SQLStorage(shared_url, ACTORS) as storage:
        handle = storage.handle(kind.actor_type, actor_id)
        start = threading.Barrier(2)

        def many(_: int) -> None:
            start.wait(LIMIT)
            for number in range(10):
                handle.put(kind.make(number))

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(many, range(2), timeout=LIMIT))
        found = handle.get()
        assert found
        assert found.version == 20


def test_two_tasks_on_one_handle_never_conflict(
    shared_url: str, shared_engine: sa.Engine, actor_id: str
) -> None:
    kind = KINDS["derived"]

    async def main() -> int:
        async with AsyncSQLStorage(shared_url, ACTORS) as storage:
            handle = storage.handle(kind.actor_type, actor_id)
            await asyncio.gather(*(handle.put(kind.make(number)) for number in range(20)))
            found = await handle.get()
            return found.version if found else 0

    assert asyncio.run(main()) == 20


def test_a_cancelled_call_makes_it_unusable_until_get(
    shared_url: str, shared_engine: sa.Engine, actor_id: str
) -> None:
    kind = KINDS["derived"]

    async def main() -> None:
        async with AsyncSQLStorage(shared_url, ACTORS) as storage:
            handle = storage.handle(kind.actor_type, actor_id)
            await handle.put(kind.make(1))
            task = asyncio.create_task(handle.put(kind.make(2)))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(StorageError, match=r"get\(\) first"):
                await handle.put(kind.make(3))
            found = await handle.get()
            assert found
            await handle.put(kind.make(4))

    asyncio.run(main())
