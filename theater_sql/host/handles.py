"""How an activation reaches its stored state: a handle, whatever the storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, runtime_checkable

from theater_sql.contract import ActorId, ActorTypeLike, AsyncStorage, Found, NotPresent


class Handle(Protocol):
    """Get, put and delete of one actor."""

    async def get(self) -> Found[Any] | NotPresent:
        """See ``AsyncStorage.get``."""

    async def put(self, state: Any, /) -> object:
        """See ``AsyncStorage.put``."""

    async def delete(self) -> object:
        """See ``AsyncStorage.delete``."""


@runtime_checkable
class HasHandles(Protocol):
    """A storage whose handles compare and swap by themselves."""

    def handle(self, actor_type: ActorTypeLike[Any], actor_id: ActorId, /) -> Handle:
        """Return a handle of its own for each activation."""


class _PlainHandle:
    """The handle of a storage that has only Theater's three callbacks: the last write wins."""

    __slots__ = ("_actor_id", "_actor_type", "_storage")

    def __init__(
        self, storage: AsyncStorage, actor_type: ActorTypeLike[Any], actor_id: ActorId
    ) -> None:
        self._storage = storage
        self._actor_type = actor_type
        self._actor_id = actor_id

    async def get(self) -> Found[Any] | NotPresent:
        return await self._storage.get(self._actor_type, self._actor_id)

    async def put(self, state: Any, /) -> object:
        return await self._storage.put(self._actor_type, self._actor_id, state)

    async def delete(self) -> object:
        return await self._storage.delete(self._actor_type, self._actor_id)


OpenHandle: TypeAlias = Callable[[ActorTypeLike[Any], ActorId], Handle]


def handles_of(storage: AsyncStorage) -> OpenHandle:
    """Return how to open a handle: the storage's own way, if it has one."""
    if isinstance(storage, HasHandles):
        return storage.handle
    return lambda actor_type, actor_id: _PlainHandle(storage, actor_type, actor_id)
