"""LangGraph's store: an upsert into a table of its own, without compare and swap."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from langgraph.store.postgres import AsyncPostgresStore

from benchmarks.contenders.base import POOL
from benchmarks.data import Kind, Profile, Stored, first_etag


class Tasks:
    """``AsyncPostgresStore`` on a pool; it gathers the calls of one turn of the event loop."""

    def __init__(self, url: sa.URL) -> None:
        self._dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        store = AsyncPostgresStore.from_conn_string(
            self._dsn, pool_config={"min_size": POOL, "max_size": POOL}
        )
        self._store = await self._stack.enter_async_context(store)
        await self._store.setup()

    async def get(self, kind: Kind, actor_id: str) -> Any:
        item = await self._store.aget((kind.table.name,), actor_id)
        return item and Stored(item.value, first_etag(0), 0, item.updated_at)

    async def put(self, kind: Kind, actor_id: str, state: Any, etag: UUID) -> UUID:
        return await self.create(kind, actor_id, state)

    async def create(self, kind: Kind, actor_id: str, state: Any) -> UUID:
        await self._store.aput((kind.table.name,), actor_id, _document(kind, state), index=False)
        return uuid4()

    async def delete(self, kind: Kind, actor_id: str, etag: UUID) -> None:
        await self._store.adelete((kind.table.name,), actor_id)

    async def close(self) -> None:
        await self._stack.aclose()


def _document(kind: Kind, state: Any) -> dict[str, Any]:
    if not isinstance(state, Profile):
        document: dict[str, Any] = state
        return document
    return {c.name: v for c, v in zip(kind.columns, kind.values(state), strict=True)}
