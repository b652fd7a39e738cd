"""What a type checker infers, line by line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_type

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from theater_sql import (
    ABSENT,
    GENERIC,
    NOT_PRESENT,
    ActorRegistry,
    ActorRow,
    ActorType,
    AsyncHandle,
    AsyncSQLStorage,
    AsyncStorage,
    Etag,
    Found,
    Handle,
    NotPresent,
    SQLStorage,
    Storage,
)
from theater_sql.host import Actor


@dataclass
class CartState:
    total: int = 0


class Cart(Actor[CartState]):
    pass


class Plain:
    pass


class Base(DeclarativeBase):
    pass


class CounterRow(ActorRow, Base):
    __tablename__ = "counter"
    actor_id: Mapped[str] = mapped_column(primary_key=True)


actors = ActorRegistry()
carts = actors.register(Cart, state=CartState)
assert_type(carts, ActorType[CartState])
assert_type(actors.register("Shared", state=CartState, table=GENERIC), ActorType[CartState])
assert_type(actors.register("Loose", table=GENERIC), ActorType[Any])
assert_type(actors.register("Counter", model=CounterRow), ActorType[CounterRow])


@actors.register(state=CartState)
class Decorated:
    n = 5


assert_type(Decorated.n, int)


def by_threads(storage: SQLStorage) -> None:
    assert_type(storage.get(carts, "a"), Found[CartState] | NotPresent)
    assert_type(storage.get(Cart, "a"), Found[CartState] | NotPresent)
    assert_type(storage.get(Plain, "a"), Found[Any] | NotPresent)
    assert_type(storage.get("a.name", "a"), Found[Any] | NotPresent)
    assert_type(storage.handle(carts, "a"), Handle[CartState])
    assert_type(storage.handle(Cart, "a"), Handle[CartState])
    assert_type(storage.put(carts, "a", CartState(), expect=ABSENT), Etag)
    storage.put(Plain, "a", {"anything": 1})
    storage.put("a.name", ("a", 1), [1])
    found = storage.get(carts, "a")
    storage.put(carts, "a", CartState(), expect=found.etag)
    if found:
        assert_type(found, Found[CartState])
        assert_type(found.state, CartState)
        assert_type(found.etag, Etag)
    else:
        assert_type(found, NotPresent)
    if found is not NOT_PRESENT:
        storage.handle(carts, "a").put(CartState())


async def by_coroutines(storage: AsyncSQLStorage) -> None:
    assert_type(await storage.get(carts, "a"), Found[CartState] | NotPresent)
    assert_type(await storage.get(Cart, "a"), Found[CartState] | NotPresent)
    assert_type(await storage.get("a.name", "a"), Found[Any] | NotPresent)
    assert_type(storage.handle(carts, "a"), AsyncHandle[CartState])
    assert_type(await storage.put(carts, "a", CartState()), Etag)


contract: tuple[type[Storage], type[AsyncStorage]] = (SQLStorage, AsyncSQLStorage)
