"""AsyncSQLStorage: the door for coroutines. The signatures of SQLStorage, awaited; no logic."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, Self, TypeVar, Unpack, overload

from sqlalchemy.engine import URL, Engine

from theater_sql.calls import Steps
from theater_sql.contract import (
    OVERWRITE,
    ActorId,
    ActorTypeLike,
    AsyncStorage,
    Etag,
    Expect,
    Found,
    NotPresent,
    S,
    TypedActor,
    UntypedActor,
)
from theater_sql.core import Core, HandleSteps, Options
from theater_sql.lanes import Lanes
from theater_sql.registry import ActorRegistry

T = TypeVar("T")


class AsyncHandle(Generic[S]):
    """See ``Handle``."""

    __slots__ = ("_lanes", "_lock", "_steps")

    def __init__(self, lanes: Lanes, steps: HandleSteps[S]) -> None:
        self._lanes = lanes
        self._steps = steps
        self._lock = asyncio.Lock()

    async def get(self) -> Found[S] | NotPresent:
        """See ``Handle.get``."""
        async with self._lock:
            return await adrive(self._lanes, self._steps.get())

    async def put(self, state: S) -> Etag:
        """See ``Handle.put``."""
        async with self._lock:
            return await adrive(self._lanes, self._steps.put(state))

    async def delete(self) -> None:
        """See ``Handle.delete``."""
        async with self._lock:
            await adrive(self._lanes, self._steps.delete())


class AsyncSQLStorage(AsyncStorage):
    """See ``SQLStorage``."""

    def __init__(
        self, url: str | URL | Engine, actors: ActorRegistry, **options: Unpack[Options]
    ) -> None:
        self._core = Core(url, actors, **options)

    @overload
    async def get(
        self, actor_type: TypedActor[S], actor_id: ActorId, *, timeout: float | None = None
    ) -> Found[S] | NotPresent: ...

    @overload
    async def get(
        self, actor_type: UntypedActor, actor_id: ActorId, *, timeout: float | None = None
    ) -> Found[Any] | NotPresent: ...

    async def get(
        self, actor_type: ActorTypeLike[Any], actor_id: ActorId, *, timeout: float | None = None
    ) -> Found[Any] | NotPresent:
        """See ``SQLStorage.get``."""
        return await adrive(self._core.lanes, self._core.get(actor_type, actor_id, timeout))

    async def put(
        self,
        actor_type: ActorTypeLike[S],
        actor_id: ActorId,
        state: S,
        *,
        expect: Etag | Expect = OVERWRITE,
        etag: Etag | None = None,
        overwrite_corrupt: bool = False,
        timeout: float | None = None,
    ) -> Etag:
        """See ``SQLStorage.put``."""
        steps = self._core.put(
            actor_type, actor_id, state, expect, etag, overwrite_corrupt, timeout
        )
        return await adrive(self._core.lanes, steps)

    async def delete(
        self,
        actor_type: ActorTypeLike[Any],
        actor_id: ActorId,
        *,
        expect: Etag | Expect = OVERWRITE,
        timeout: float | None = None,
    ) -> None:
        """See ``SQLStorage.delete``."""
        steps = self._core.delete(actor_type, actor_id, expect, timeout)
        await adrive(self._core.lanes, steps)

    @overload
    def handle(
        self, actor_type: TypedActor[S], actor_id: ActorId, *, timeout: float | None = None
    ) -> AsyncHandle[S]: ...

    @overload
    def handle(
        self, actor_type: UntypedActor, actor_id: ActorId, *, timeout: float | None = None
    ) -> AsyncHandle[Any]: ...

    def handle(
        self, actor_type: ActorTypeLike[Any], actor_id: ActorId, *, timeout: float | None = None
    ) -> AsyncHandle[Any]:
        """See ``SQLStorage.handle``."""
        return AsyncHandle(self._core.lanes, HandleSteps(self._core, actor_type, actor_id, timeout))

    async def create_all(self) -> None:
        """See ``SQLStorage.create_all``."""
        await asyncio.to_thread(self._core.create_all)

    async def check(self) -> list[str]:
        """See ``SQLStorage.check``."""
        return await asyncio.to_thread(self._core.check)

    async def close(self) -> None:
        """See ``SQLStorage.close``."""
        await asyncio.to_thread(self._core.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


async def adrive(lanes: Lanes, steps: Steps[T]) -> T:
    """Run the steps of a call, awaiting each operation's outcome."""
    try:
        operation = next(steps)
        while True:
            operation = steps.send(await lanes.enqueue(operation))
    except asyncio.CancelledError:
        lanes.withdraw(operation)
        raise
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        steps.close()
