"""The state of Dapr actors: the named values of one actor are one row, written once a turn.

Dapr's sidecar goes on to place, call and remind the actors; its state store is not used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from copy import deepcopy
from typing import Any

try:
    from dapr.actor.id import ActorId
    from dapr.actor.runtime.actor import Actor
    from dapr.actor.runtime.context import ActorRuntimeContext
    from dapr.actor.runtime.runtime import ActorRuntime
    from dapr.actor.runtime.state_change import ActorStateChange, StateChangeKind
    from dapr.clients.exceptions import DaprInternalError
except ImportError as error:
    raise ImportError("this adapter needs Dapr: pip install 'theater-sql[dapr]'") from error

from theater_sql import AsyncSQLStorage, StorageError

ActorFactory = Callable[[ActorRuntimeContext, ActorId], Actor]


def stored_in(storage: AsyncSQLStorage, create: ActorFactory | None = None) -> ActorFactory:
    """Return the ``actor_factory`` of actors whose state is kept in this storage.

    An actor class that is registered with the storage has a TypedDict with ``total=False`` as its
    state: each name that its actors give to a value is a column. The values of any other class go
    to the generic table, as a dict. ``create`` makes the actors, where their class alone can't.

    What goes wrong is a ``DaprInternalError`` with the name of the ``StorageError`` as its
    ``error_code``: ``"Conflict"`` where another activation of the actor has written meanwhile.
    A failed write ends the activation, and the next call starts from what is stored.
    """

    def activate(context: ActorRuntimeContext, actor_id: ActorId) -> Actor:
        return _StoredContext(storage, context, actor_id, create).create_actor(actor_id)

    return activate


class _StoredContext(ActorRuntimeContext):
    """What an activation has of the runtime, with a state provider of its own.

    One for all activations could not tell the values that one of them has read from those that
    the next one will, nor when to forget them.
    """

    def __init__(
        self,
        storage: AsyncSQLStorage,
        context: ActorRuntimeContext,
        actor_id: ActorId,
        create: ActorFactory | None,
    ) -> None:
        info = context.actor_type_info
        super().__init__(
            info,
            context.message_serializer,
            context.state_serializer,
            context.dapr_client,
            create,
        )
        self._state = _State(storage, info.implementation_type, info.type_name, actor_id.id)

    @property
    def state_provider(self) -> Any:
        return self._state


class _State:
    """The values of one activation, with the etag that they have in the storage.

    It has the methods of Dapr's state provider. They get and give values, not bytes, which would
    not tell a Decimal from a text.
    """

    def __init__(
        self, storage: AsyncSQLStorage, actor: type[Actor], type_name: str, actor_id: str
    ) -> None:
        self._address = (type_name, actor_id)
        self._handle = storage.handle(actor, actor_id)
        self._values: dict[str, Any] | None = None
        self._has_ended = False
        self._lock = asyncio.Lock()

    async def try_load_state(
        self, actor_type: str, actor_id: str, state_name: str, state_type: Any = object
    ) -> tuple[bool, Any]:
        async with self._reading() as values:
            # What an actor changes in place is not stored, unless it says so.
            return state_name in values, deepcopy(values.get(state_name))

    async def contains_state(self, actor_type: str, actor_id: str, state_name: str) -> bool:
        async with self._reading() as values:
            return state_name in values

    def round_trip_state_value(self, value: Any) -> Any:
        return deepcopy(value)

    async def save_state(
        self, actor_type: str, actor_id: str, state_changes: list[ActorStateChange[Any]]
    ) -> None:
        try:
            async with self._reading() as values:
                await self._write(_changed(values, state_changes))
        except BaseException:
            # Dapr has marked the changes as saved, and would go on with them.
            await self._end()
            raise

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[dict[str, Any]]:
        """Give all values as of one moment, so that one etag is right for all of them."""
        async with self._lock:
            if not self._has_ended:  # nor while this waited for the lock
                yield await self._read()
                return
        await self._end()  # again, since it can have been cancelled
        raise DaprInternalError(
            f"{self._address[0]}[{self._address[1]!r}]: an earlier write of this activation "
            "failed; nothing was written now; call again"
        )

    async def _read(self) -> dict[str, Any]:
        if self._values is None:
            with _raising_dapr_errors():
                found = await self._handle.get()
            values = found.state if found else {}
            if type(values) is not dict:
                raise DaprInternalError(
                    f"{self._address[0]}: its state has to be a TypedDict for Dapr, "
                    f"not a {type(values).__name__}; nothing was written; register it with one"
                )
            self._values = values
        return self._values

    async def _write(self, values: dict[str, Any]) -> None:
        with _raising_dapr_errors():
            if values:
                await self._handle.put(values)
            elif self._values:
                await self._handle.delete()
        self._values = values

    async def _end(self) -> None:
        """Have the next call start a new activation. The actor may read while it is deactivated."""
        self._has_ended = True
        with suppress(Exception):  # not active yet, or the actor's own; the cause matters more
            if await self._is_active():
                await ActorRuntime.deactivate(*self._address)

    async def _is_active(self) -> bool:
        """Tell whether calls come here: what a newer activation is about to write is not to go.

        The sidecar may have deactivated this one in the middle of a turn, which then went on.
        """
        try:
            manager = await ActorRuntime._get_actor_manager(self._address[0])
            active = manager._active_actors.get(self._address[1])
        except AttributeError:  # of a later Dapr, perhaps: there is no public way to ask
            return True
        return active is not None and active.runtime_ctx.state_provider is self


def _changed(values: dict[str, Any], changes: Iterable[ActorStateChange[Any]]) -> dict[str, Any]:
    """Return the values after a turn. None is absent, as it is in Dapr's own stores."""
    new = values.copy()
    for change in changes:
        if change.ttl_in_seconds is not None:
            raise DaprInternalError(
                f"{change.state_name}: no value has a time to live; nothing was written"
            )
        if change.change_kind == StateChangeKind.remove or change.value is None:
            new.pop(change.state_name, None)
        else:
            new[change.state_name] = deepcopy(change.value)
    return new


@contextmanager
def _raising_dapr_errors() -> Iterator[None]:
    try:
        yield
    except StorageError as error:
        raise DaprInternalError(str(error), type(error).__name__) from error
