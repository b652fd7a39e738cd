"""Dapr's own actor runtime, with its state in SQL and without a sidecar."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from dapr.actor.runtime.runtime import ActorRuntime
from dapr.clients.exceptions import DaprInternalError
from dapr.ext.fastapi import DaprActor
from fastapi import FastAPI

from tests.adapters.carts import ACTORS, CLASSES, EXACT, Basket, Cart, call, in_runtime
from tests.adapters.conftest import Run, Start, execute, race
from tests.conftest import Figure
from theater_sql import AsyncSQLStorage, Conflict, SQLStorage
from theater_sql.adapters import dapr
from theater_sql.adapters.dapr import stored_in

KINDS = list(CLASSES)


@pytest.mark.parametrize("kind", KINDS)
def test_values_come_back_exactly_in_a_new_process(url: str, run: Run, kind: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await call(kind, "ann", "fill")

    in_runtime(url, work)
    assert run("carts", url, kind, "ann", "differences", "null", 1)["reply"] == []


def test_a_name_is_a_column(url: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await call("Cart", "ann", "add", 5)

    in_runtime(url, work)
    assert execute(url, "SELECT actor_id, count, total, version FROM cart") == [("ann", 5, None, 1)]


def test_values_of_an_unregistered_type_go_to_the_generic_table(url: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await call("Basket", "ann", "add", 5)
        found = await storage.get(CLASSES["Basket"], "ann")
        assert found and found.state == {"count": 5}

    in_runtime(url, work)


@pytest.mark.parametrize("kind", KINDS)
def test_a_turn_is_one_write_whatever_it_changes(url: str, kind: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await call(kind, "ann", "fill")
        await call(kind, "ann", "add", 1)
        await call(kind, "ann", "names")  # which changes nothing
        found = await storage.get(CLASSES[kind], "ann")
        assert found and found.version == 2

    in_runtime(url, work)


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_was_not_read_keeps_what_another_turn_stored(url: str, kind: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await call(kind, "ann", "fill")
        await ActorRuntime.deactivate(kind, "ann")
        await call(kind, "ann", "put", {"count": 3})  # with no read of its own
        assert await call(kind, "ann", "names") == list(dict.fromkeys([*EXACT[kind], "count"]))

    in_runtime(url, work)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_writer_is_a_conflict_and_the_next_call_goes_on(
    url: str, run: Run, kind: str
) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        assert await call(kind, "ann", "add", 1) == 1
        other = await asyncio.to_thread(run, "carts", url, kind, "ann", "add", 10, 1)
        assert other == {"reply": 11, "conflicts": 0}
        with pytest.raises(DaprInternalError) as caught:
            await call(kind, "ann", "add", 100)
        assert caught.value.error_code == "Conflict"
        assert "nothing was written" in caught.value.message
        assert isinstance(caught.value.__cause__, Conflict)
        assert await call(kind, "ann", "add", 100) == 111

    in_runtime(url, work)


@pytest.mark.parametrize("kind", KINDS)
def test_two_creators_are_a_conflict(url: str, kind: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        assert await call(kind, "ann", "names") == []  # this activation has seen nothing there
        await storage.put(CLASSES[kind], "ann", {"count": 10})
        with pytest.raises(DaprInternalError) as caught:
            await call(kind, "ann", "add", 1)
        assert isinstance(caught.value.__cause__, Conflict)
        assert caught.value.__cause__.kind == "exists"

    in_runtime(url, work)


def test_writers_in_two_processes_lose_no_turn(url: str, start: Start, figure: Figure) -> None:
    with SQLStorage(url, ACTORS) as storage:
        storage.create_all()
        writers = [start("carts", url, "Cart", "ann", "add", 1, 100) for _ in range(2)]
        answers = race(writers)
        found = storage.get(Cart, "ann")
        assert found and found.state["count"] == 200 == max(a["reply"] for a in answers)
    figure(f"200 turns, {sum(a['conflicts'] for a in answers)} conflicts retried")


def test_what_an_actor_swallows_is_not_written_later(url: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await call("Cart", "ann", "add", 1)
        await storage.put(Cart, "ann", {"count": 11})
        with pytest.raises(DaprInternalError, match="an earlier write of this activation failed"):
            await call("Cart", "ann", "swallow", 100)
        assert await call("Cart", "ann", "add", 1) == 12

    in_runtime(url, work)


def test_a_turn_that_was_cancelled_leaves_nothing_in_memory(url: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await call("Cart", "ann", "add", 1)
        for turns in range(30):  # at any point of the turn
            task = asyncio.ensure_future(call("Cart", "ann", "add", 1))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            # Its write may still be under way, and then the first call is a conflict.
            try:
                reply = await call("Cart", "ann", "add", 1)
            except DaprInternalError:
                reply = await call("Cart", "ann", "add", 1)
            found = await storage.get(Cart, "ann")
            assert found and found.state["count"] == reply == found.version  # one for each write

    in_runtime(url, work)


def test_a_turn_that_outlived_its_activation_does_not_end_the_next_one(url: str) -> None:
    before, after = asyncio.Event(), asyncio.Event()

    class Slow(Basket):
        async def add(self, amount: int) -> int:
            if amount == 1000:
                await self._state_manager.contains_state("count")
                await before.wait()
            count = await super().add(amount)
            if amount == 10:
                await after.wait()
            return count

    async def work(storage: AsyncSQLStorage) -> None:
        await ActorRuntime.register_actor(Slow, actor_factory=stored_in(storage))
        await call("Slow", "ann", "add", 1)
        old = asyncio.ensure_future(call("Slow", "ann", "add", 1000))
        await asyncio.sleep(0.05)
        await ActorRuntime.deactivate(
            "Slow", "ann"
        )  # the sidecar waits for a turn, but not for ever
        assert await call("Slow", "ann", "add", 1) == 2
        turn = asyncio.ensure_future(call("Slow", "ann", "add", 10))
        await asyncio.sleep(0.05)
        before.set()
        with pytest.raises(DaprInternalError):
            await old
        after.set()
        assert await turn == 12
        found = await storage.get(Slow, "ann")
        assert found and found.state == {"count": 12}

    in_runtime(url, work)


def test_a_runtime_that_does_not_tell_what_is_active_ends_it_all_the_same(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Later:
        deactivate = ActorRuntime.deactivate

    async def work(storage: AsyncSQLStorage) -> None:
        await call("Cart", "ann", "add", 1)
        await storage.put(Cart, "ann", {"count": 10})
        with pytest.raises(DaprInternalError):
            await call("Cart", "ann", "add", 1)
        assert await call("Cart", "ann", "add", 1) == 11

    monkeypatch.setattr(dapr, "ActorRuntime", Later)
    in_runtime(url, work)


def test_a_call_that_waits_for_a_write_that_fails_reads_nothing_old(url: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await call("Basket", "ann", "add", 1)
        await storage.put(Basket, "ann", {"count": 1, "zero": 0})
        calls = call("Basket", "ann", "add", 1), call("Basket", "ann", "names")
        told = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(error) for error in told] == [DaprInternalError] * 2
        assert await call("Basket", "ann", "names") == ["zero", "count"]

    in_runtime(url, work)


@pytest.mark.parametrize("kind", KINDS)
def test_an_actor_without_values_has_no_row(url: str, kind: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await call(kind, "ann", "fill")
        await call(kind, "ann", "remove", list(EXACT[kind])[1:])
        assert await call(kind, "ann", "names") == list(EXACT[kind])[:1]
        await call(kind, "ann", "remove", list(EXACT[kind])[:1])
        assert await storage.count(CLASSES[kind]) == 0
        assert await call(kind, "ann", "add", 7) == 7

    in_runtime(url, work)


def test_none_is_no_value(url: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await call("Cart", "ann", "put", {"count": 1})
        await call("Cart", "ann", "put", {"count": None})
        assert await storage.count(Cart) == 0

    in_runtime(url, work)


def test_what_is_changed_in_place_is_not_stored(url: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await call("Cart", "ann", "fill")
        await ActorRuntime.deactivate("Cart", "ann")
        await call("Cart", "ann", "mutate")
        found = await storage.get(Cart, "ann")
        assert found and found.state["items"] == EXACT["Cart"]["items"]

    in_runtime(url, work)


def test_an_actor_can_be_made_by_a_factory_of_ones_own(url: str) -> None:
    made = []

    def create(context: Any, actor_id: Any) -> Cart:
        made.append(actor_id.id)
        return Cart(context, actor_id)

    async def work(storage: AsyncSQLStorage) -> None:
        await ActorRuntime.register_actor(Cart, actor_factory=stored_in(storage, create))
        assert await call("Cart", "ann", "add", 1) == 1
        assert await call("Cart", "bob", "add", 1) == 1

    in_runtime(url, work)
    assert made == ["ann", "bob"]


def test_the_sidecar_reminds_and_is_asked_for_no_state(url: str, sidecar: list[str]) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await call("Cart", "ann", "add", 1)
        await call("Cart", "ann", "remind")

    in_runtime(url, work)
    asked = [request for request in sidecar if "health" not in request]
    assert asked == ["PUT /v1.0/actors/Cart/ann/reminders/pay"]


def test_a_conflict_reaches_the_sidecar_as_json(url: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        app = FastAPI()
        await DaprActor(app).register_actor(Cart, actor_factory=stored_in(storage))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            path = f"/actors/Cart/{uuid4()}/method/add"
            reply = await client.put(path, content=b"5")
            assert (reply.status_code, reply.json()) == (200, 5)
            await storage.put(Cart, path.split("/")[3], {"count": 1})
            reply = await client.put(path, content=b"5")
            assert (reply.status_code, reply.json()["errorCode"]) == (500, "Conflict")
            reply = await client.put(path, content=b"5")
            assert (reply.status_code, reply.json()) == (200, 6)

    in_runtime(url, work)
