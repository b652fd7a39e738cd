"""Doors on our own storages, opened by URL and closed at the end of their block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from sqlalchemy.engine import Engine

from theater_sql import ActorRegistry, AsyncSQLStorage, SQLStorage
from theater_sql.testing import Call, Door
from theater_sql.testing.doors import LIMIT

__all__ = ["DOORS", "LIMIT", "AsyncDoor", "Call", "Door", "MakeDoor", "SyncDoor"]


class SyncDoor(Door):
    """SQLStorage; calls at once are made by a thread each."""

    open: ClassVar[Callable[..., Any]] = SQLStorage

    def __init__(self, url: str | Engine, actors: ActorRegistry, **options: Any) -> None:
        super().__init__(type(self).open(url, actors, **options))

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class AsyncDoor(SyncDoor):
    """AsyncSQLStorage; calls at once are made by a task each."""

    open = AsyncSQLStorage


MakeDoor = Callable[..., Door]
DOORS: dict[str, MakeDoor] = {"sync": SyncDoor, "async": AsyncDoor}
