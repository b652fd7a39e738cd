"""psycopg and asyncpg: one prepared statement a call, in autocommit."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import psycopg
import sqlalchemy as sa
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from benchmarks.contenders.base import POOL, StaleError, Statements
from benchmarks.data import Kind, Stored

_PSYCOPG = Statements(lambda n: "%s", "now()")
_ASYNCPG = Statements(lambda n: f"${n}", "now()")


def _dsn(url: sa.URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _stored(kind: Kind, row: Any) -> Stored | None:
    return None if row is None else Stored(kind.load(row[3:]), row[0], row[1], row[2])


class PsycopgTasks:
    """``AsyncConnectionPool``."""

    def __init__(self, url: sa.URL) -> None:
        self._pool = AsyncConnectionPool(
            _dsn(url), min_size=POOL, max_size=POOL, kwargs={"autocommit": True}, open=False,
            timeout=60,
        )  # fmt: skip

    async def open(self) -> None:
        await self._pool.open(wait=True)

    async def get(self, kind: Kind, actor_id: str) -> Stored | None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                _PSYCOPG[kind].get, kind.key(actor_id), prepare=True, binary=True
            )
            return _stored(kind, await cursor.fetchone())

    async def put(self, kind: Kind, actor_id: str, state: Any, etag: UUID) -> UUID:
        new = uuid4()
        await self._write(_PSYCOPG[kind].put, (*kind.wire(state), new, *kind.key(actor_id), etag))
        return new

    async def create(self, kind: Kind, actor_id: str, state: Any) -> UUID:
        new = uuid4()
        await self._write(_PSYCOPG[kind].create, (*kind.key(actor_id), *kind.wire(state), new))
        return new

    async def delete(self, kind: Kind, actor_id: str, etag: UUID) -> None:
        await self._write(_PSYCOPG[kind].delete, (*kind.key(actor_id), etag))

    async def _write(self, sql: str, parameters: tuple[Any, ...]) -> None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(sql, parameters, prepare=True)
            if cursor.rowcount != 1:
                raise StaleError

    async def close(self) -> None:
        await self._pool.close()


class _Psycopg:
    """What a pool for threads and a bare connection share: all but how to execute."""

    def _execute(self, sql: str, parameters: tuple[Any, ...], binary: bool) -> Any:
        raise NotImplementedError

    def get(self, kind: Kind, actor_id: str) -> Stored | None:
        cursor = self._execute(_PSYCOPG[kind].get, kind.key(actor_id), binary=True)
        return _stored(kind, cursor.fetchone())

    def put(self, kind: Kind, actor_id: str, state: Any, etag: UUID) -> UUID:
        new = uuid4()
        self._write(_PSYCOPG[kind].put, (*kind.wire(state), new, *kind.key(actor_id), etag))
        return new

    def create(self, kind: Kind, actor_id: str, state: Any) -> UUID:
        new = uuid4()
        self._write(_PSYCOPG[kind].create, (*kind.key(actor_id), *kind.wire(state), new))
        return new

    def delete(self, kind: Kind, actor_id: str, etag: UUID) -> None:
        self._write(_PSYCOPG[kind].delete, (*kind.key(actor_id), etag))

    def _write(self, sql: str, parameters: tuple[Any, ...]) -> None:
        if self._execute(sql, parameters, binary=False).rowcount != 1:
            raise StaleError


class PsycopgThreads(_Psycopg):
    """``ConnectionPool``."""

    def __init__(self, url: sa.URL) -> None:
        self._pool = ConnectionPool(
            _dsn(url), min_size=POOL, max_size=POOL, kwargs={"autocommit": True}, open=False,
            timeout=60,
        )  # fmt: skip

    def open(self) -> None:
        self._pool.open(wait=True)

    def _execute(self, sql: str, parameters: tuple[Any, ...], binary: bool) -> Any:
        with self._pool.connection() as connection:
            return connection.execute(sql, parameters, prepare=True, binary=binary)

    def close(self) -> None:
        self._pool.close()


class PsycopgConnection(_Psycopg):
    """One bare connection, for one caller."""

    def __init__(self, url: sa.URL) -> None:
        self._dsn = _dsn(url)

    def open(self) -> None:
        self._connection = psycopg.connect(self._dsn, autocommit=True)

    def _execute(self, sql: str, parameters: tuple[Any, ...], binary: bool) -> Any:
        return self._connection.execute(sql, parameters, prepare=True, binary=binary)

    def close(self) -> None:
        self._connection.close()


class Asyncpg:
    """asyncpg's pool; it prepares every statement by itself."""

    def __init__(self, url: sa.URL) -> None:
        self._dsn = _dsn(url)

    async def open(self) -> None:
        # Its default reset is a round trip after every call; these calls leave nothing behind.
        self._pool = await asyncpg.create_pool(self._dsn, min_size=POOL, max_size=POOL, reset=_keep)

    async def get(self, kind: Kind, actor_id: str) -> Stored | None:
        row = await self._pool.fetchrow(_ASYNCPG[kind].get, *kind.key(actor_id))
        return _stored(kind, row)

    async def put(self, kind: Kind, actor_id: str, state: Any, etag: UUID) -> UUID:
        new = uuid4()
        await self._write(_ASYNCPG[kind].put, *kind.wire(state), new, *kind.key(actor_id), etag)
        return new

    async def create(self, kind: Kind, actor_id: str, state: Any) -> UUID:
        new = uuid4()
        await self._write(_ASYNCPG[kind].create, *kind.key(actor_id), *kind.wire(state), new)
        return new

    async def delete(self, kind: Kind, actor_id: str, etag: UUID) -> None:
        await self._write(_ASYNCPG[kind].delete, *kind.key(actor_id), etag)

    async def _write(self, sql: str, *parameters: Any) -> None:
        tag = await self._pool.execute(sql, *parameters)
        if not tag.endswith(" 1"):
            raise StaleError

    async def close(self) -> None:
        await self._pool.close()


async def _keep(connection: Any) -> None:
    """Leave a returned connection as it is."""
