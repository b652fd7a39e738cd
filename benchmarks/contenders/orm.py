"""SQLAlchemy's ORM: load the object, check and change it, commit."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, registry, sessionmaker

from benchmarks.contenders.base import POOL, StaleError
from benchmarks.contenders.sqlite import NOW, PRAGMAS
from benchmarks.data import Kind, Stored

_POOLED: dict[str, Any] = {"pool_size": POOL, "max_overflow": 0, "pool_timeout": 60}
_PREPARED: dict[str, Any] = {"connect_args": {"prepare_threshold": 0}}
_MAPPERS = registry()


@cache
def model(kind: Kind) -> Any:
    """Return the class mapped to a kind's table, which compares and swaps on the etag."""
    mapped = type(kind.actor_type.name, (), {})
    _MAPPERS.map_imperatively(
        mapped,
        kind.table,
        version_id_col=kind.table.c.etag,
        version_id_generator=lambda etag: uuid4(),
    )
    return mapped


def _stored(kind: Kind, row: Any) -> Stored | None:
    if row is None:
        return None
    state = kind.state_of([getattr(row, column.name) for column in kind.columns])
    return Stored(state, row.etag, row.version, row.updated_at)


def _assign(kind: Kind, row: Any, state: Any, now: Any) -> None:
    for column, value in zip(kind.columns, kind.values(state), strict=True):
        setattr(row, column.name, value)
    row.version = (row.version or 0) + 1
    row.updated_at = now


def _new(kind: Kind, actor_id: str, state: Any, now: Any) -> Any:
    keys = zip(kind.keys, kind.key(actor_id), strict=True)
    row = model(kind)()
    for key, value in keys:
        setattr(row, key.name, value)
    row.created_at, row.schema_version = now, 1
    _assign(kind, row, state, now)
    return row


def _checked(row: Any, etag: UUID) -> Any:
    if row is None or row.etag != etag:
        raise StaleError
    return row


class Tasks:
    """An ``AsyncSession`` for each call."""

    def __init__(self, url: sa.URL) -> None:
        self._engine: AsyncEngine = create_async_engine(url, **_POOLED, **_PREPARED)

    async def open(self) -> None:
        self._session = async_sessionmaker(self._engine, expire_on_commit=False)

    async def get(self, kind: Kind, actor_id: str) -> Stored | None:
        async with self._session() as session:
            return _stored(kind, await session.get(model(kind), kind.key(actor_id)))

    async def put(self, kind: Kind, actor_id: str, state: Any, etag: UUID) -> UUID:
        async with self._session() as session:
            row = _checked(await session.get(model(kind), kind.key(actor_id)), etag)
            _assign(kind, row, state, sa.func.now())
            await session.commit()
            new: UUID = row.etag
            return new

    async def create(self, kind: Kind, actor_id: str, state: Any) -> UUID:
        async with self._session() as session:
            row = _new(kind, actor_id, state, sa.func.now())
            session.add(row)
            await session.commit()
            new: UUID = row.etag
            return new

    async def delete(self, kind: Kind, actor_id: str, etag: UUID) -> None:
        async with self._session() as session:
            row = _checked(await session.get(model(kind), kind.key(actor_id)), etag)
            await session.delete(row)
            await session.commit()

    async def close(self) -> None:
        await self._engine.dispose()


class AsyncpgTasks(Tasks):
    """The same on asyncpg."""

    def __init__(self, url: sa.URL) -> None:
        self._engine = create_async_engine(url.set(drivername="postgresql+asyncpg"), **_POOLED)


class Threads:
    """A ``Session`` for each call."""

    now: sa.ColumnElement[Any] = sa.func.now()

    def __init__(self, url: sa.URL) -> None:
        self._engine = sa.create_engine(url, **_POOLED, **_PREPARED)

    def open(self) -> None:
        self._session: sessionmaker[Session] = sessionmaker(self._engine, expire_on_commit=False)

    def get(self, kind: Kind, actor_id: str) -> Stored | None:
        with self._session() as session:
            return _stored(kind, session.get(model(kind), kind.key(actor_id)))

    def put(self, kind: Kind, actor_id: str, state: Any, etag: UUID) -> UUID:
        with self._session() as session:
            row = _checked(session.get(model(kind), kind.key(actor_id)), etag)
            _assign(kind, row, state, self.now)
            session.commit()
            new: UUID = row.etag
            return new

    def create(self, kind: Kind, actor_id: str, state: Any) -> UUID:
        with self._session() as session:
            row = _new(kind, actor_id, state, self.now)
            session.add(row)
            session.commit()
            new: UUID = row.etag
            return new

    def delete(self, kind: Kind, actor_id: str, etag: UUID) -> None:
        with self._session() as session:
            row = _checked(session.get(model(kind), kind.key(actor_id)), etag)
            session.delete(row)
            session.commit()

    def close(self) -> None:
        self._engine.dispose()


class SQLiteThreads(Threads):
    """The same on SQLite: one connection, since more would only wait for its one writer."""

    now = sa.literal_column(NOW)

    def __init__(self, url: sa.URL) -> None:
        self._engine = sa.create_engine(url, pool_size=1, max_overflow=0, pool_timeout=60)
        sa.event.listen(self._engine, "connect", _prepare)
        sa.event.listen(self._engine, "begin", _begin)


def _prepare(connection: Any, record: object) -> None:
    connection.isolation_level = None  # sqlite3 would begin too late
    for pragma in PRAGMAS:
        connection.execute(pragma).fetchone()


def _begin(connection: sa.Connection) -> None:
    """Take the write lock first: a transaction that reads and then writes can't wait for it."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
