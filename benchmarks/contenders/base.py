"""What a contender is, and the SQL of those that write it themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import sqlalchemy as sa

from benchmarks.data import Kind

POOL = 8
"""Connections of every pool."""


class StaleError(Exception):
    """The etag that a write expected is not there."""


class TaskContender(Protocol):
    """A way to store actors, for coroutines."""

    async def open(self) -> None: ...

    async def get(self, kind: Kind, actor_id: str) -> Any:
        """Return the stored row, or something false."""

    async def put(self, kind: Kind, actor_id: str, state: Any, etag: UUID) -> UUID:
        """Compare and swap on the etag; return the new one."""

    async def create(self, kind: Kind, actor_id: str, state: Any) -> UUID:
        """Write an actor that is not there; return its etag."""

    async def delete(self, kind: Kind, actor_id: str, etag: UUID) -> None:
        """Remove the actor that has this etag."""

    async def close(self) -> None: ...


class ThreadContender(Protocol):
    """A way to store actors, for threads."""

    def open(self) -> None: ...

    def get(self, kind: Kind, actor_id: str) -> Any: ...

    def put(self, kind: Kind, actor_id: str, state: Any, etag: UUID) -> UUID: ...

    def create(self, kind: Kind, actor_id: str, state: Any) -> UUID: ...

    def delete(self, kind: Kind, actor_id: str, etag: UUID) -> None: ...

    def close(self) -> None: ...


class SQL(NamedTuple):
    """The four statements of a kind, for a driver.

    Parameters of put are the state, the new etag, the key and the expected etag; of create the
    key, the state and the etag; of delete the key and the expected etag.
    """

    get: str
    put: str
    create: str
    delete: str


class Statements(dict[Kind, SQL]):
    """The statements of each kind, written when first asked for."""

    def __init__(self, mark: Callable[[int], str], now: str) -> None:
        super().__init__()
        self._mark = mark
        self._now = now

    def __missing__(self, kind: Kind) -> SQL:
        self[kind] = sql = _statements(kind, self._mark, self._now)
        return sql


def _statements(kind: Kind, mark: Callable[[int], str], now: str) -> SQL:
    table = kind.table.name
    keys = [key.name for key in kind.keys]
    columns = [column.name for column in kind.columns]
    read = ", ".join(_as_text(column) for column in kind.columns)
    marks = [mark(n) for n in range(1, len(keys) + len(columns) + 3)]

    def equal(names: list[str], first: int, joined: str) -> str:
        return joined.join(f"{name} = {mark(n)}" for n, name in enumerate(names, first))

    where = equal([*keys, "etag"], len(columns) + 2, " AND ")
    return SQL(
        f"SELECT etag, version, updated_at, {read} FROM {table} WHERE {equal(keys, 1, ' AND ')}",
        f"UPDATE {table} SET {equal([*columns, 'etag'], 1, ', ')}, version = version + 1, "
        f"updated_at = {now} WHERE {where}",
        f"INSERT INTO {table} ({', '.join([*keys, *columns])}, etag, version, created_at, "
        f"updated_at, schema_version) VALUES ({', '.join(marks[:-1])}, 1, {now}, {now}, 1)",
        f"DELETE FROM {table} WHERE {equal([*keys, 'etag'], 1, ' AND ')}",
    )


def _as_text(column: sa.Column[Any]) -> str:
    typed = column.name != "state"
    return column.name if typed else f"CAST({column.name} AS text)"
