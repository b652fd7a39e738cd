"""What a type checker refuses: the lines marked wrong, and no others.

A marker names a checker where the other one can't see it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.typing.inferred import Cart, CartState, actors, carts
from theater_sql import (
    AsyncSQLStorage,
    AsyncStorage,
    Conflict,
    Delete,
    Found,
    NotPresent,
    Put,
    SQLStorage,
    Storage,
)
from theater_sql.host import Actor, Outcome, Persist, Stop, Theater


def by_threads(storage: SQLStorage) -> None:
    storage.put(carts, "a", CartState())
    storage.put(carts, "a", "no cart")  # wrong
    storage.put(carts, "a", None)  # wrong
    storage.put(Cart, "a", "no cart")  # wrong: pyright
    storage.put(carts, 1.5, CartState())  # wrong
    storage.put(carts, "a", CartState(), expect="text")  # wrong
    storage.put(carts, "a", CartState(), expect=None)  # wrong
    storage.put(carts, "a", CartState(), etag="text")  # wrong
    storage.put(5, "a", CartState())  # wrong
    storage.get(carts, "a").state  # wrong
    storage.get(carts, ["a"])  # wrong
    storage.get(carts, None)  # wrong
    storage.delete(carts, "a", expect=5)  # wrong


def by_handle(storage: SQLStorage) -> None:
    storage.handle(carts, "a").put(CartState())
    storage.handle(carts, "a").put("no cart")  # wrong
    storage.handle(Cart, "a").put("no cart")  # wrong
    storage.handle(Cart, "a").get().state  # wrong


def by_narrowing(storage: SQLStorage) -> None:
    found = storage.get(carts, "a")
    if found:
        found.state.total += 1
        found.state.no_field  # wrong
        found.version = 5  # wrong
    else:
        found.state  # wrong


def many(storage: SQLStorage) -> None:
    storage.get_many([(carts, "a")])
    storage.get_many([carts])  # wrong
    storage.get_many([(carts, 1.5)])  # wrong
    storage.get_many([(carts, "a")])[0].state  # wrong
    storage.put_many([(carts, "a")])  # wrong
    storage.put_many([Put(carts, "a")])  # wrong
    storage.put_many([Put(carts, "a", CartState(), expect=None)])  # wrong
    storage.delete_many([Delete(carts)])  # wrong
    storage.delete_many([(carts, "a", "text")])  # wrong
    storage.list_ids(carts, limit="5")  # wrong
    storage.list_ids(carts, "a")  # wrong
    storage.count()  # wrong


def registering() -> None:
    actors.register("A")  # wrong
    actors.register("A", state=CartState, table=5)  # wrong
    actors.register("A", state=CartState, no_option=5)  # wrong
    actors.register("A", state=CartState())  # wrong
    actors.register("A", table="a")  # wrong
    actors.register("A", model=CartState, table="a")  # wrong
    actors.register(5, state=CartState)  # wrong


def opening(connection: Connection) -> None:
    SQLStorage("sqlite://")  # wrong
    SQLStorage(5, actors)  # wrong
    SQLStorage("sqlite://", actors, no_option=5)  # wrong
    SQLStorage("sqlite://", actors, writers="two")  # wrong
    with SQLStorage("sqlite://", actors) as storage:
        storage.in_transaction("sqlite://")  # wrong
        with storage.in_transaction(connection) as tx:
            tx.put(carts, "a", "no cart")  # wrong
            tx.put(carts, "a", CartState(), timeout=5)  # wrong
            tx.get(carts, "a").state  # wrong
            tx.lock([carts])  # wrong


async def by_coroutines(storage: AsyncSQLStorage, connection: AsyncConnection) -> None:
    await storage.put(carts, "a", CartState())
    await storage.put(carts, "a", "no cart")  # wrong
    await storage.handle(Cart, "a").put("no cart")  # wrong
    storage.get(carts, "a").state  # wrong
    (await storage.get(carts, "a")).state  # wrong
    async with storage.in_transaction(connection) as tx:
        await tx.put(carts, "a", "no cart")  # wrong
    with storage.in_transaction(connection):  # wrong
        pass


def errors(error: Conflict) -> None:
    if error.kind == "stale":
        pass
    if error.kind == "no kind":  # wrong: mypy
        pass
    error.no_attribute  # wrong


class WrongCart(Actor[CartState]):
    def process(self, state: CartState, actor_id: str, message: int) -> Outcome[CartState]:
        match message:
            case 0:
                return Persist("no cart")  # wrong
            case 1:
                return Stop.persist(5)  # wrong: mypy
            case 2:
                return None  # wrong
        return Persist(state)

    def time_to_live(self, state: CartState, actor_id: str) -> str:  # wrong
        return "an hour"


def by_host(synchronous: SQLStorage) -> Theater:
    return Theater(synchronous)  # wrong


class TwoOfThree(Storage):
    def get(self, actor_type: object, actor_id: object) -> Found[Any] | NotPresent:
        raise NotImplementedError

    def put(self, actor_type: object, actor_id: object, state: object) -> None:
        raise NotImplementedError


class NotAwaited(AsyncStorage):
    def put(self, actor_type: object, actor_id: object, state: object) -> None:  # wrong
        raise NotImplementedError


def incomplete() -> Storage:
    return TwoOfThree()  # wrong
