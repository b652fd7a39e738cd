"""What a type checker infers, line by line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, assert_type

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from theater_sql import (
    ABSENT,
    GENERIC,
    NOT_PRESENT,
    OVERWRITE,
    ActorId,
    ActorRegistry,
    ActorRow,
    ActorType,
    AsyncHandle,
    AsyncSQLStorage,
    AsyncStorage,
    AsyncTransaction,
    BatchConflict,
    Conflict,
    ConstraintViolation,
    CorruptState,
    Delete,
    Etag,
    Found,
    Handle,
    InvalidState,
    NotPresent,
    OutcomeUnknown,
    Put,
    Results,
    SQLStorage,
    StateTooNew,
    Storage,
    StorageError,
    Transaction,
)
from theater_sql.contract import Expect
from theater_sql.errors import ConflictKind
from theater_sql.host import NO_UPDATE, Actor, NoPersist, Outcome, Persist, Stop, Theater


@dataclass
class CartState:
    total: int = 0


class Cart(Actor[CartState]):
    def process(self, state: CartState, actor_id: str, message: int) -> Outcome[CartState]:
        match message:
            case 0:
                return NO_UPDATE
            case 1:
                return NoPersist(state, reply="kept")
            case 2:
                return Stop.persist(state)
            case 3:
                return Stop.delete()
        return Persist(CartState(state.total + message))


class SlowCart(Actor[CartState]):
    async def process(self, state: CartState, actor_id: str, message: int) -> Outcome[CartState]:
        return Stop.no_persist()


class Untyped(Actor):
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
assert_type(actors.register("Named", state=CartState, table="named"), ActorType[CartState])
assert_type(actors.register("Shared", state=CartState, table=GENERIC), ActorType[CartState])
assert_type(actors.register("Loose", table=GENERIC), ActorType[Any])
counters = actors.register("Counter", model=CounterRow)
assert_type(counters, ActorType[CounterRow])
assert_type(
    actors.register("Both", model=CounterRow, state=CartState, aliases=("Old",), schema_version=2),
    ActorType[CartState],
)
assert_type(carts.name, str)
assert_type(actors.table(carts), sa.Table)
assert_type(actors.model("Counter"), type[Any])


@actors.register(state=CartState)
class Decorated:
    n = 5


assert_type(Decorated.n, int)
assert_type(Decorated(), Decorated)


def by_threads(storage: SQLStorage, etag: Etag) -> None:
    assert_type(storage.get(carts, "a"), Found[CartState] | NotPresent)
    assert_type(storage.get(Cart, "a"), Found[CartState] | NotPresent)
    assert_type(storage.get(counters, "a"), Found[CounterRow] | NotPresent)
    assert_type(storage.get(Untyped, "a"), Found[Any] | NotPresent)
    assert_type(storage.get(Plain, "a", timeout=1.5), Found[Any] | NotPresent)
    assert_type(storage.get("a.name", "a"), Found[Any] | NotPresent)
    assert_type(storage.put(carts, "a", CartState(), expect=ABSENT), Etag)
    assert_type(storage.put(Cart, "a", CartState(), expect=OVERWRITE, timeout=1), Etag)
    storage.put(Plain, "a", {"anything": 1}, expect=etag, overwrite_corrupt=True)
    storage.put("a.name", ("a", 1), [1], etag=etag)
    storage.delete(carts, b"a")
    storage.delete("a.name", 5, expect=etag, timeout=None)


def by_narrowing(storage: SQLStorage) -> None:
    found = storage.get(carts, "a")
    assert_type(found.etag, Etag | Literal[Expect.ABSENT])
    storage.put(carts, "a", CartState(), expect=found.etag)
    if found:
        assert_type(found, Found[CartState])
        assert_type(found.state, CartState)
        assert_type(found.etag, Etag)
        assert_type(found.version, int)
        state, _, version, _ = found
        assert_type(state, CartState)
        assert_type(version, int)
    else:
        assert_type(found, NotPresent)
    if isinstance(found, NotPresent):
        assert_type(found, NotPresent)
    else:
        assert_type(found, Found[CartState])
    if found is not NOT_PRESENT:
        storage.handle(carts, "a").put(CartState())


def by_handle(storage: SQLStorage) -> None:
    handle = storage.handle(carts, "a")
    assert_type(handle, Handle[CartState])
    assert_type(storage.handle(Cart, "a", timeout=1), Handle[CartState])
    assert_type(storage.handle(counters, "a"), Handle[CounterRow])
    assert_type(storage.handle("a.name", "a"), Handle[Any])
    assert_type(handle.get(), Found[CartState] | NotPresent)
    assert_type(handle.put(CartState()), Etag)
    handle.delete()


def many(storage: SQLStorage, etag: Etag) -> None:
    found = storage.get_many([(carts, "a"), (carts, "b")])
    assert_type(found, Results[Found[CartState] | NotPresent])
    assert_type(found[0], Found[CartState] | NotPresent | StorageError)
    assert_type(found.errors, list[StorageError])
    assert_type(found.raise_errors(), list[Found[CartState] | NotPresent])
    mixed = storage.get_many([(carts, "a"), ("a.name", 1)], timeout=1)
    assert_type(mixed, Results[Found[Any] | NotPresent])
    puts = [Put(carts, "a", CartState()), Put("a.name", 1, [], etag)]
    assert_type(storage.put_many(puts, atomic=True), Results[Etag])
    assert_type(storage.put_many([(carts, "a", CartState(), ABSENT)]), Results[Etag])
    assert_type(storage.put_many((carts, n, CartState()) for n in range(9)), Results[Etag])
    deleted = storage.delete_many([Delete(carts, "a", etag), Delete("a.name", 1)])
    assert_type(deleted.raise_errors(), list[None])
    assert_type(storage.delete_many([(carts, "a"), (carts, "b")]), Results[None])
    assert_type(storage.list_ids(carts, after="a", limit=5), list[ActorId])
    assert_type(storage.count(Cart), int)


def in_transaction(storage: SQLStorage, connection: sa.Connection, session: Session) -> None:
    with storage.in_transaction(connection) as tx:
        assert_type(tx, Transaction)
        assert_type(tx.get(carts, "a"), Found[CartState] | NotPresent)
        assert_type(tx.get(Cart, "a"), Found[CartState] | NotPresent)
        assert_type(tx.get("a.name", "a"), Found[Any] | NotPresent)
        assert_type(tx.put(carts, "a", CartState(), expect=ABSENT), Etag)
        assert_type(tx.put_many([(carts, "a", CartState())]), list[Etag])
        tx.delete(carts, "a")
        tx.lock([(carts, "a"), ("a.name", 1)])
    with storage.in_transaction(session) as tx:
        assert_type(tx, Transaction)


async def by_coroutines(storage: AsyncSQLStorage) -> None:
    assert_type(await storage.get(carts, "a"), Found[CartState] | NotPresent)
    assert_type(await storage.get(Cart, "a"), Found[CartState] | NotPresent)
    assert_type(await storage.get("a.name", "a"), Found[Any] | NotPresent)
    assert_type(await storage.put(carts, "a", CartState()), Etag)
    await storage.delete(Cart, "a", expect=ABSENT)
    handle = storage.handle(carts, "a")
    assert_type(handle, AsyncHandle[CartState])
    assert_type(storage.handle(Cart, "a"), AsyncHandle[CartState])
    assert_type(storage.handle("a.name", "a"), AsyncHandle[Any])
    assert_type(await handle.get(), Found[CartState] | NotPresent)
    assert_type(await handle.put(CartState()), Etag)


async def many_by_coroutines(storage: AsyncSQLStorage) -> None:
    found = await storage.get_many([(carts, "a")])
    assert_type(found, Results[Found[CartState] | NotPresent])
    mixed = await storage.get_many([(carts, "a"), ("a.name", 1)])
    assert_type(mixed, Results[Found[Any] | NotPresent])
    assert_type(await storage.put_many([Put(carts, "a", CartState())]), Results[Etag])
    assert_type(await storage.delete_many([(carts, "a")]), Results[None])
    assert_type(await storage.list_ids(carts), list[ActorId])
    assert_type(await storage.count(carts), int)


async def in_async_transaction(
    storage: AsyncSQLStorage, connection: AsyncConnection, session: AsyncSession
) -> None:
    async with storage.in_transaction(connection) as tx:
        assert_type(tx, AsyncTransaction)
        assert_type(await tx.get(carts, "a"), Found[CartState] | NotPresent)
        assert_type(await tx.put(carts, "a", CartState()), Etag)
        assert_type(await tx.put_many([Put(carts, "a", CartState())]), list[Etag])
        await tx.lock([(carts, "a")])
    async with storage.in_transaction(session) as tx:
        await tx.delete(carts, "a")


def errors(error: StorageError) -> None:
    assert_type(error.actor_type, str | None)
    assert_type(error.actor_id, ActorId | None)
    assert_type(error.reason, str)
    match error:
        case BatchConflict():
            assert_type(error.conflicts, tuple[Conflict, ...])
        case Conflict():
            assert_type(error.kind, ConflictKind)
            assert_type(error.expected, Etag | Expect)
            assert_type(error.actual, Etag | None)
        case ConstraintViolation():
            assert_type(error.constraint, str | None)
            assert_type(error.columns, tuple[str, ...])
        case CorruptState() | InvalidState():
            assert_type(error.path, str)
        case StateTooNew():
            assert_type((error.stored, error.registered), tuple[int, int])
        case OutcomeUnknown():
            assert_type(error.etag, Etag | None)


async def by_host(storage: AsyncStorage) -> None:
    async with Theater(storage) as theater:
        await theater.send(Cart, "a", 5)
        assert_type(await theater.ask(Cart, "a", 5), Any)


contract: tuple[type[Storage], type[AsyncStorage]] = (SQLStorage, AsyncSQLStorage)
