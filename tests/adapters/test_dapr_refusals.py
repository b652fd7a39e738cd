"""What a Dapr actor is refused, and what it then goes on with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from dapr.actor.runtime.runtime import ActorRuntime
from dapr.clients.exceptions import DaprInternalError

from tests.adapters.carts import ACTORS, CLASSES, Cart, call, in_runtime
from tests.adapters.conftest import execute
from theater_sql import ActorRegistry, AsyncSQLStorage, CorruptState
from theater_sql.adapters.dapr import stored_in


@pytest.mark.parametrize(
    ("kind", "breaking"),
    [
        ("Cart", """UPDATE cart SET items = '[{"name": 1}]'"""),
        ("Basket", """UPDATE theater_actor SET state = '{"count": {"$nonsense": 1}}'"""),
    ],
)
def test_a_row_that_cannot_be_decoded_is_an_error_and_stays(
    url: str, kind: str, breaking: str
) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await call(kind, "ann", "fill")
        await ActorRuntime.deactivate(kind, "ann")
        await asyncio.to_thread(execute, url, breaking)
        for method, argument in [("names", None), ("add", 1), ("put", {"count": 1})]:
            with pytest.raises(DaprInternalError) as caught:
                await call(kind, "ann", method, argument)
            assert isinstance(caught.value.__cause__, CorruptState)

    in_runtime(url, work)
    table = ACTORS.table(CLASSES[kind]).name
    assert execute(url, f"SELECT version FROM {table}") == [(1,)]


def test_a_time_to_live_is_refused(url: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        with pytest.raises(DaprInternalError, match="time to live"):
            await call("Cart", "ann", "expire")
        assert await call("Cart", "ann", "names") == []

    in_runtime(url, work)


def test_a_value_that_cannot_be_stored_is_refused_and_forgotten(url: str) -> None:
    async def work(storage: AsyncSQLStorage) -> None:
        await call("Cart", "ann", "add", 1)
        with pytest.raises(DaprInternalError) as caught:
            await call("Cart", "ann", "unstorable")
        assert caught.value.error_code == "InvalidState"
        assert await call("Cart", "ann", "add", 1) == 2

    in_runtime(url, work)


def test_a_state_that_is_no_typed_dict_is_refused_by_name(url: str) -> None:
    @dataclass
    class Counted:
        count: int

    actors = ActorRegistry()
    actors.register(Cart, state=Counted)

    async def main() -> None:
        async with AsyncSQLStorage(url, actors) as storage:
            await storage.create_all()
            await ActorRuntime.register_actor(Cart, actor_factory=stored_in(storage))
            with pytest.raises(DaprInternalError, match="expected Counted, got dict"):
                await call("Cart", "ann", "add", 1)
            await storage.put(Cart, "ann", Counted(1))
            with pytest.raises(DaprInternalError, match="has to be a TypedDict"):
                await call("Cart", "ann", "add", 1)

    asyncio.run(main())
