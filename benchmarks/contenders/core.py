"""SQLAlchemy Core: statements built once, executed in autocommit."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.contenders.base import POOL, StaleError
from benchmarks.data import Kind, Stored


class _Built(NamedTuple):
    get: sa.Select[Any]
    put: sa.Update
    create: sa.Insert
    delete: sa.Delete


@cache
def _built(kind: Kind) -> _Built:
    table = kind.table
    here = [key == sa.bindparam(f"key_{key.name}") for key in kind.keys]
    same = [*here, table.c.etag == sa.bindparam("expect")]
    change = {
        **{column.name: sa.bindparam(column.name) for column in kind.columns},
        "etag": sa.bindparam("new"),
        "updated_at": sa.func.now(),
    }
    first = {"version": 1, "created_at": sa.func.now(), "schema_version": 1}
    keys: dict[str, Any] = {key.name: sa.bindparam(f"key_{key.name}") for key in kind.keys}
    return _Built(
        sa.select(table.c.etag, table.c.version, table.c.updated_at, *kind.columns).where(*here),
        table.update().where(*same).values(change | {"version": table.c.version + 1}),
        table.insert().values(keys | change | first),
        table.delete().where(*same),
    )


def _key(kind: Kind, actor_id: str) -> dict[str, Any]:
    return {f"key_{k.name}": v for k, v in zip(kind.keys, kind.key(actor_id), strict=True)}


def _values(kind: Kind, state: Any) -> dict[str, Any]:
    return {c.name: v for c, v in zip(kind.columns, kind.values(state), strict=True)}


class Tasks:
    """An ``AsyncEngine``'s connection for each call."""

    def __init__(self, url: sa.URL) -> None:
        self._engine = create_async_engine(
            url,
            pool_size=POOL,
            max_overflow=0,
            pool_timeout=60,
            isolation_level="AUTOCOMMIT",
            connect_args={"prepare_threshold": 0},
        )

    async def open(self) -> None:
        """Do nothing: connections open with the first call."""

    async def get(self, kind: Kind, actor_id: str) -> Stored | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(_built(kind).get, _key(kind, actor_id))).first()
        if row is None:
            return None
        return Stored(kind.state_of(row[3:]), row[0], row[1], row[2])

    async def put(self, kind: Kind, actor_id: str, state: Any, etag: UUID) -> UUID:
        new = uuid4()
        values = _values(kind, state) | {"new": new, "expect": etag}
        await self._write(_built(kind).put, _key(kind, actor_id) | values)
        return new

    async def create(self, kind: Kind, actor_id: str, state: Any) -> UUID:
        new = uuid4()
        values = _values(kind, state) | {"new": new}
        async with self._engine.connect() as connection:
            await connection.execute(_built(kind).create, _key(kind, actor_id) | values)
        return new

    async def delete(self, kind: Kind, actor_id: str, etag: UUID) -> None:
        await self._write(_built(kind).delete, _key(kind, actor_id) | {"expect": etag})

    async def _write(self, statement: sa.UpdateBase, values: dict[str, Any]) -> None:
        async with self._engine.connect() as connection:
            result = await connection.execute(statement, values)
            if result.rowcount != 1:
                raise StaleError

    async def close(self) -> None:
        await self._engine.dispose()
