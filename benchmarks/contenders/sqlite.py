"""SQLite's own driver, and aiosqlite: one statement a call, in autocommit, WAL and FULL."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import aiosqlite
import sqlalchemy as sa

from benchmarks.contenders.base import StaleError, Statements
from benchmarks.data import Kind, Stored

NOW = "strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')"
PRAGMAS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA busy_timeout = 30000")
_SQL = Statements(lambda n: "?", NOW)


def _stored(kind: Kind, row: Any) -> Stored | None:
    if row is None:
        return None
    return Stored(kind.load(row[3:]), UUID(row[0]), row[1], datetime.fromisoformat(row[2]))


class Connection:
    """One connection of ``sqlite3``, for one caller."""

    def __init__(self, url: sa.URL) -> None:
        self._path = str(url.database)

    def open(self) -> None:
        self._connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False
        )
        for pragma in PRAGMAS:
            self._connection.execute(pragma).fetchone()

    def get(self, kind: Kind, actor_id: str) -> Stored | None:
        cursor = self._connection.execute(_SQL[kind].get, kind.key(actor_id))
        return _stored(kind, cursor.fetchone())

    def put(self, kind: Kind, actor_id: str, state: Any, etag: UUID) -> UUID:
        new = uuid4()
        self._write(_SQL[kind].put, *kind.wire(state), new.hex, *kind.key(actor_id), etag.hex)
        return new

    def create(self, kind: Kind, actor_id: str, state: Any) -> UUID:
        new = uuid4()
        self._write(_SQL[kind].create, *kind.key(actor_id), *kind.wire(state), new.hex)
        return new

    def delete(self, kind: Kind, actor_id: str, etag: UUID) -> None:
        self._write(_SQL[kind].delete, *kind.key(actor_id), etag.hex)

    def _write(self, sql: str, *parameters: Any) -> None:
        if self._connection.execute(sql, parameters).rowcount != 1:
            raise StaleError

    def close(self) -> None:
        self._connection.close()


class Aiosqlite:
    """One connection of aiosqlite, shared by all callers as it is meant to be."""

    def __init__(self, url: sa.URL) -> None:
        self._path = str(url.database)

    async def open(self) -> None:
        self._connection = await aiosqlite.connect(self._path, isolation_level=None)
        for pragma in PRAGMAS:
            await self._connection.execute_fetchall(pragma)

    async def get(self, kind: Kind, actor_id: str) -> Stored | None:
        # One hop to its thread and back, where execute and fetchone would be two.
        rows = await self._connection.execute_fetchall(_SQL[kind].get, kind.key(actor_id))
        return _stored(kind, next(iter(rows), None))

    async def put(self, kind: Kind, actor_id: str, state: Any, etag: UUID) -> UUID:
        new = uuid4()
        await self._write(_SQL[kind].put, *kind.wire(state), new.hex, *kind.key(actor_id), etag.hex)
        return new

    async def create(self, kind: Kind, actor_id: str, state: Any) -> UUID:
        new = uuid4()
        await self._write(_SQL[kind].create, *kind.key(actor_id), *kind.wire(state), new.hex)
        return new

    async def delete(self, kind: Kind, actor_id: str, etag: UUID) -> None:
        await self._write(_SQL[kind].delete, *kind.key(actor_id), etag.hex)

    async def _write(self, sql: str, *parameters: Any) -> None:
        cursor = await self._connection.execute(sql, parameters)
        if cursor.rowcount != 1:
            raise StaleError

    async def close(self) -> None:
        await self._connection.close()
