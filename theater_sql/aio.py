"""AsyncSQLStorage: the door for coroutines. The signatures of SQLStorage, awaited; no logic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack, overload

from sqlalchemy.engine import URL, Engine

from theater_sql.contract import (
    OVERWRITE,
    ActorId,
    ActorType,
    ActorTypeLike,
    AsyncStorage,
    DeleteLike,
    Etag,
    Expect,
    Found,
    NotPresent,
    PutLike,
    Results,
    S,
    TypedActor,
    UntypedActor,
)
from theater_sql.core import Core
from theater_sql.errors import ConfigurationError
from theater_sql.handles import HandleSteps
from theater_sql.lanes import Lanes
from theater_sql.options import Options, check_names
from theater_sql.registry import ActorRegistry
from theater_sql.transactions import Transaction
from theater_sql.waiting import adrive, adrive_many

if TYPE_CHECKING:  # it needs greenlet, which those who don't use it need not have
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

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


class AsyncTransaction:
    """See ``Transaction``."""

    def __init__(self, target: AsyncConnection | AsyncSession, transaction: Transaction) -> None:
        self._target = target
        self._transaction = transaction
        self._turn = transaction.turn(asyncio.Lock)

    @overload
    async def get(self, actor_type: TypedActor[S], actor_id: ActorId) -> Found[S] | NotPresent: ...

    @overload
    async def get(self, actor_type: UntypedActor, actor_id: ActorId) -> Found[Any] | NotPresent: ...

    async def get(
        self, actor_type: ActorTypeLike[Any], actor_id: ActorId
    ) -> Found[Any] | NotPresent:
        """See ``Transaction.get``."""
        return await self._run(self._transaction.get, actor_type, actor_id)

    async def put(
        self,
        actor_type: ActorTypeLike[S],
        actor_id: ActorId,
        state: S,
        *,
        expect: Etag | Expect = OVERWRITE,
        etag: Etag | None = None,
        overwrite_corrupt: bool = False,
    ) -> Etag:
        """See ``Transaction.put``."""
        return await self._run(
            self._transaction.put,
            actor_type,
            actor_id,
            state,
            expect=expect,
            etag=etag,
            overwrite_corrupt=overwrite_corrupt,
        )

    async def delete(
        self,
        actor_type: ActorTypeLike[Any],
        actor_id: ActorId,
        *,
        expect: Etag | Expect = OVERWRITE,
    ) -> None:
        """See ``Transaction.delete``."""
        await self._run(self._transaction.delete, actor_type, actor_id, expect=expect)

    async def put_many(
        self, puts: Iterable[PutLike], *, overwrite_corrupt: bool = False
    ) -> list[Etag]:
        """See ``Transaction.put_many``."""
        put_many = self._transaction.put_many
        return await self._run(put_many, puts, overwrite_corrupt=overwrite_corrupt)

    async def lock(self, actors: Iterable[tuple[ActorTypeLike[Any], ActorId]]) -> None:
        """See ``Transaction.lock``."""
        await self._run(self._transaction.lock, actors)

    async def _run(self, method: Callable[..., T], *args: Any, **options: Any) -> T:
        async with self._turn:  # a thread's lock would hold up the loop
            return await self._target.run_sync(lambda _: method(*args, **options))


class AsyncSQLStorage(AsyncStorage):
    """See ``SQLStorage``."""

    def __init__(
        self, url: str | URL | Engine, actors: ActorRegistry, **options: Unpack[Options]
    ) -> None:
        check_names(self, options, Options.__annotations__)
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

    @overload
    async def get_many(
        self, actors: Iterable[tuple[ActorType[S], ActorId]], *, timeout: float | None = None
    ) -> Results[Found[S] | NotPresent]: ...

    @overload
    async def get_many(
        self, actors: Iterable[tuple[ActorTypeLike[Any], ActorId]], *, timeout: float | None = None
    ) -> Results[Found[Any] | NotPresent]: ...

    async def get_many(
        self, actors: Iterable[tuple[ActorTypeLike[Any], ActorId]], *, timeout: float | None = None
    ) -> Results[Found[Any] | NotPresent]:
        """See ``SQLStorage.get_many``."""
        return await adrive_many(self._core.lanes, self._core.get_many(actors, timeout))

    async def put_many(
        self,
        puts: Iterable[PutLike],
        *,
        atomic: bool = False,
        overwrite_corrupt: bool = False,
        timeout: float | None = None,
    ) -> Results[Etag]:
        """See ``SQLStorage.put_many``."""
        return await adrive_many(
            self._core.lanes, self._core.puts(puts, atomic, overwrite_corrupt, timeout)
        )

    async def delete_many(
        self, deletes: Iterable[DeleteLike], *, timeout: float | None = None
    ) -> Results[None]:
        """See ``SQLStorage.delete_many``."""
        return await adrive_many(self._core.lanes, self._core.delete_many(deletes, timeout))

    async def list_ids(
        self,
        actor_type: ActorTypeLike[Any],
        *,
        after: ActorId | None = None,
        limit: int = 1000,
        timeout: float | None = None,
    ) -> list[ActorId]:
        """See ``SQLStorage.list_ids``."""
        steps = self._core.list_ids(actor_type, after, limit, timeout)
        return await adrive(self._core.lanes, steps)

    async def count(self, actor_type: ActorTypeLike[Any], *, timeout: float | None = None) -> int:
        """See ``SQLStorage.count``."""
        return await adrive(self._core.lanes, self._core.count(actor_type, timeout))

    @asynccontextmanager
    async def in_transaction(
        self, connection: AsyncConnection | AsyncSession
    ) -> AsyncIterator[AsyncTransaction]:
        """See ``SQLStorage.in_transaction``."""
        run_sync = getattr(connection, "run_sync", None)
        if run_sync is None:
            raise ConfigurationError(
                f"in_transaction() got {type(connection).__name__}: give it an AsyncConnection or "
                "an AsyncSession, and SQLStorage a Connection or a Session"
            )
        transaction = await run_sync(lambda target: Transaction(self._core, target))
        try:
            yield AsyncTransaction(connection, transaction)
        finally:
            transaction.end()

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
