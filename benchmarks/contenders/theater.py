"""theater_sql itself, through both doors."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from benchmarks.data import ACTORS, Kind
from theater_sql import ABSENT, AsyncSQLStorage, SQLStorage
from theater_sql.contract import Etag


class Tasks:
    """``AsyncSQLStorage`` as it is."""

    def __init__(self, url: sa.URL) -> None:
        self._storage = AsyncSQLStorage(url, ACTORS)

    async def open(self) -> None:
        """Do nothing: connections open with the first call."""

    def get(self, kind: Kind, actor_id: str) -> Coroutine[Any, Any, Any]:
        return self._storage.get(kind.actor_type, actor_id)

    def put(self, kind: Kind, actor_id: str, state: Any, etag: UUID) -> Coroutine[Any, Any, UUID]:
        return self._storage.put(kind.actor_type, actor_id, state, expect=Etag(etag))

    def create(self, kind: Kind, actor_id: str, state: Any) -> Coroutine[Any, Any, UUID]:
        return self._storage.put(kind.actor_type, actor_id, state, expect=ABSENT)

    def delete(self, kind: Kind, actor_id: str, etag: UUID) -> Coroutine[Any, Any, None]:
        return self._storage.delete(kind.actor_type, actor_id, expect=Etag(etag))

    async def close(self) -> None:
        await self._storage.close()


class Threads:
    """``SQLStorage`` as it is."""

    def __init__(self, url: sa.URL) -> None:
        self._storage = SQLStorage(url, ACTORS)

    def open(self) -> None:
        """Do nothing: connections open with the first call."""

    def get(self, kind: Kind, actor_id: str) -> Any:
        return self._storage.get(kind.actor_type, actor_id)

    def put(self, kind: Kind, actor_id: str, state: Any, etag: UUID) -> UUID:
        return self._storage.put(kind.actor_type, actor_id, state, expect=Etag(etag))

    def create(self, kind: Kind, actor_id: str, state: Any) -> UUID:
        return self._storage.put(kind.actor_type, actor_id, state, expect=ABSENT)

    def delete(self, kind: Kind, actor_id: str, etag: UUID) -> None:
        self._storage.delete(kind.actor_type, actor_id, expect=Etag(etag))

    def close(self) -> None:
        self._storage.close()
