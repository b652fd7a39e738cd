"""Counter and Order do what Theater's documentation says of them, and outlive their host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.host.examples import Add, CopyNameTo, Counter, Item, Order, OrderState, SetName
from theater_sql import NOT_PRESENT, ActorRegistry, AsyncSQLStorage, SQLStorage
from theater_sql.host import SyncTheater, Theater

ACTORS = ActorRegistry()
ORDERS = ACTORS.register(Order, state=OrderState, table="orders", id_type=int)
SHOE, HAT = Item("shoe", 44), Item("hat")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Theater]:
    async with AsyncSQLStorage(url, ACTORS) as storage:
        await storage.create_all()
        async with Theater(storage) as theater:
            yield theater


async def first(url: str) -> None:
    async with opened(url) as theater:
        for name in ("dogs", "cats", "dogs", "dogs", "dogs", "dogs"):
            await theater.send(Counter, name, "increment")
        assert await theater.ask(Counter, "dogs", "get") == 5
        assert await theater.ask(Counter, "cats", "get") == 1
        for message in (Add(SHOE), SetName("Ann"), Add(HAT), "pay", Add(HAT), CopyNameTo(18)):
            await theater.send(Order, 17, message)
        assert await theater.ask(Order, 17, "get") == ([SHOE, HAT], "Ann")
        assert await theater.ask(Order, 18, "get") == ([], "Ann")
        assert await theater.ask(Order, 99, "get") is None


async def second(url: str) -> None:
    async with opened(url) as theater:
        assert await theater.ask(Counter, "dogs", "get") == 5
        assert await theater.ask(Counter, "cats", "get") == 1
        await theater.send(Counter, "dogs", "done")
        assert await theater.ask(Counter, "dogs", "get") == 0
        for number in (17, 18):
            await theater.send(Order, number, "ship")
        assert await theater.ask(Order, 17, "get") is None
        assert await theater.ask(Order, 18, "get") == ([], "Ann")  # it was not paid


def test_theaters_demonstration_over_two_runs(url: str) -> None:
    asyncio.run(first(url))
    asyncio.run(second(url))
    with SQLStorage(url, ACTORS) as storage:
        assert storage.get(Counter, "dogs") is NOT_PRESENT
        assert storage.get(Counter, "cats").version == 1  # type: ignore[union-attr]
        assert storage.get(ORDERS, 17) is NOT_PRESENT
        assert storage.get(ORDERS, 18).state == OrderState("Ann")  # type: ignore[union-attr]
        assert storage.list_ids(ORDERS) == [18]  # 99 was asked for, and so not created


def test_the_demonstration_in_threads(url: str) -> None:
    with SQLStorage(url, ACTORS) as storage:
        storage.create_all()
    with SyncTheater(Theater(AsyncSQLStorage(url, ACTORS))) as theater:
        for _ in range(3):
            theater.send(Counter, "dogs", "increment")
        assert theater.ask(Counter, "dogs", "get") == 3
        theater.send(Order, 17, Add(SHOE))
        assert theater.ask(Order, 17, "get") == ([SHOE], None)
