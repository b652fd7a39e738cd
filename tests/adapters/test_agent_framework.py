"""The Agent Framework's own sessions and agents, with the sessions in SQL."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from agent_framework import AgentSession, SessionStore
from agent_framework.exceptions import AgentFrameworkException, IntegrationException

from tests.adapters.conftest import Run, Start, execute, race
from tests.adapters.sessions import OWN_TABLE, REGISTRIES, full_session, say
from tests.conftest import Figure
from theater_sql import AsyncSQLStorage, Conflict, CorruptState, SQLStorage
from theater_sql.adapters.agent_framework import SessionConflict, SQLSessionStore

Work = Callable[[SQLSessionStore], Awaitable[None]]


@pytest.fixture(params=REGISTRIES)
def registry(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def in_store(url: str, work: Work, registry: str = "own table") -> None:
    async def main() -> None:
        async with AsyncSQLStorage(url, REGISTRIES[registry]) as storage:
            await storage.create_all()
            await work(SQLSessionStore(storage))

    asyncio.run(main())


def test_a_session_comes_back_exactly_in_a_new_process(url: str, registry: str, run: Run) -> None:
    async def work(store: SQLSessionStore) -> None:
        await store.set("s", full_session("s"))

    in_store(url, work, registry)
    assert run("sessions", "differences", url, registry, "s") == []


def test_an_agent_goes_on_with_its_session_in_a_new_process(url: str, run: Run) -> None:
    async def work(store: SQLSessionStore) -> None:
        assert await say(store, "s", "hello") == "1 so far"
        assert await say(store, "s", "again") == "3 so far"

    in_store(url, work)
    reply = run("sessions", "say", url, "own table", "s", 1)
    assert reply == {"reply": "5 so far", "conflicts": 0}


def test_the_parts_of_a_session_are_columns(url: str) -> None:
    async def work(store: SQLSessionStore) -> None:
        await store.set("s", AgentSession(session_id="inner", service_session_id="c-1"))

    in_store(url, work)
    table = OWN_TABLE.table("AgentSession")
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        columns = table.c.actor_id, table.c.session_id, table.c.service_session_id, table.c.state
        assert connection.execute(sa.select(*columns)).all() == [("s", "inner", "c-1", {})]
    engine.dispose()


def test_it_is_a_session_store_and_absent_is_none(url: str) -> None:
    async def work(store: SQLSessionStore) -> None:
        assert isinstance(store, SessionStore)
        assert await store.get("nobody") is None
        await store.delete("nobody")

    in_store(url, work)


def test_a_copy_that_is_behind_is_a_conflict(url: str, registry: str) -> None:
    async def work(store: SQLSessionStore) -> None:
        first = AgentSession(session_id="s")
        await store.set("s", first)
        second = await store.get("s")
        assert second is not None and second is not first
        second.state["by"] = "second"
        await store.set("s", second)
        await store.set("s", second)  # which has the new etag
        first.state["by"] = "first"
        for _ in range(2):
            with pytest.raises(SessionConflict, match="nothing was written") as caught:
                await store.set("s", first)
            assert isinstance(caught.value, AgentFrameworkException)
            assert isinstance(caught.value.__cause__, Conflict)
        kept = await store.get("s")
        assert kept is not None and kept.state == {"by": "second"}

    in_store(url, work, registry)


def test_a_session_that_is_set_twice_at_once_is_no_conflict_with_itself(url: str) -> None:
    async def work(store: SQLSessionStore) -> None:
        session = AgentSession(session_id="s")
        sets = []
        for turn in range(5):
            session.state["turn"] = turn
            sets.append(asyncio.ensure_future(store.set("s", session)))
            await asyncio.sleep(0)
        await asyncio.gather(*sets)
        kept = await store.get("s")
        assert kept is not None and kept.state == {"turn": 4}

    in_store(url, work)


def test_a_session_that_was_not_got_must_be_the_first(url: str) -> None:
    async def work(store: SQLSessionStore) -> None:
        session = AgentSession(session_id="s")
        await store.set("s", session)
        for other in (AgentSession(session_id="s"), copy.deepcopy(session)):
            with pytest.raises(SessionConflict):
                await store.set("s", other)
        await store.set("another id", session)  # a branch of the conversation

    in_store(url, work)


def test_writers_in_two_processes_lose_no_message(url: str, start: Start, figure: Figure) -> None:
    with SQLStorage(url, OWN_TABLE) as storage:
        storage.create_all()
        writers = [start("sessions", "say", url, "own table", "s", 25) for _ in range(2)]
        answers = race(writers)
        found = storage.get("AgentSession", "s")
        assert found and len(found.state["state"]["history"]["messages"]) == 100
    figure(f"50 runs, {sum(a['conflicts'] for a in answers)} conflicts retried")


def test_a_deleted_session_is_gone_for_those_who_still_have_it(url: str) -> None:
    async def work(store: SQLSessionStore) -> None:
        session = AgentSession(session_id="s")
        await store.set("s", session)
        await store.delete("s")
        assert await store.get("s") is None
        with pytest.raises(SessionConflict) as caught:
            await store.set("s", session)
        assert isinstance(caught.value.__cause__, Conflict)
        assert caught.value.__cause__.kind == "gone"
        await store.set("s", AgentSession(session_id="s"))

    in_store(url, work)


@pytest.mark.parametrize(
    ("kind", "breaking"),
    [
        ("own table", "UPDATE agent_session SET state = '[]'"),
        ("generic table", """UPDATE theater_actor SET state = '{"a": {"$nonsense": 1}}'"""),
        ("typed, generic table", """UPDATE theater_actor SET state = '{"session_id": "s"}'"""),
    ],
)
def test_a_row_that_cannot_be_decoded_is_an_error_and_not_absent(
    url: str, kind: str, breaking: str
) -> None:
    async def work(store: SQLSessionStore) -> None:
        session = AgentSession(session_id="s")
        await store.set("s", session)
        await asyncio.to_thread(execute, url, breaking)
        with pytest.raises(IntegrationException) as caught:
            await store.get("s")
        assert isinstance(caught.value.__cause__, CorruptState)
        with pytest.raises(SessionConflict):
            await store.set("s", AgentSession(session_id="s"))
        await store.delete("s")
        assert await store.get("s") is None

    in_store(url, work, kind)


@pytest.mark.parametrize(
    "stored",
    [
        [1],
        {"no": "session"},
        {"session_id": "s", "state": []},
        {
            "session_id": "s",
            "service_session_id": None,
            "state": {"preferences": {"type": "tests.Preferences", "language": 1}},
        },
    ],
)
def test_what_is_no_session_is_an_error_and_not_absent(url: str, stored: Any) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await storage.put("AgentSession", "s", stored)
        with pytest.raises(IntegrationException, match="can't be restored"):
            await SQLSessionStore(storage).get("s")

    async def main() -> None:
        async with AsyncSQLStorage(url, REGISTRIES["generic table"]) as storage:
            await storage.create_all()
            await work(storage)

    asyncio.run(main())


def test_what_would_not_come_back_is_refused(url: str, registry: str) -> None:
    class Special(AgentSession):
        pass

    async def work(store: SQLSessionStore) -> None:
        with pytest.raises(TypeError, match="Special"):
            await store.set("s", Special())
        session = AgentSession(session_id="s")
        session.state["number"] = float("nan")
        with pytest.raises(IntegrationException, match="nothing was written"):
            await store.set("s", session)
        with pytest.raises(ValueError, match="non-empty"):
            await store.get("")
        with pytest.raises(IntegrationException, match="nothing was sent"):
            await store.get("x" * 513)

    in_store(url, work, registry)


def test_no_error_quotes_what_is_stored(url: str) -> None:
    stored = {
        "session_id": "s",
        "service_session_id": None,
        "state": {
            "preferences": {"type": "tests.Preferences", "language": "de", "limits": "SECRET"}
        },
    }

    async def main() -> None:
        async with AsyncSQLStorage(url, REGISTRIES["generic table"]) as storage:
            await storage.create_all()
            await storage.put("AgentSession", "s", stored)
            with pytest.raises(IntegrationException, match="ValidationError") as caught:
                await SQLSessionStore(storage).get("s")
            assert caught.value.__cause__ is caught.value.__context__ is None

    asyncio.run(main())
