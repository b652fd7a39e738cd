"""SQLStorage: Theater's three callbacks on SQL, for threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Self, Unpack, overload

from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.orm import Session

from theater_sql.contract import (
    OVERWRITE,
    ActorId,
    ActorType,
    ActorTypeLike,
    DeleteLike,
    Etag,
    Expect,
    Found,
    NotPresent,
    PutLike,
    Results,
    S,
    Storage,
    TypedActor,
    UntypedActor,
)
from theater_sql.core import Core
from theater_sql.handles import HandleSteps
from theater_sql.lanes import Lanes
from theater_sql.options import Options, check_names
from theater_sql.registry import ActorRegistry
from theater_sql.transactions import Transaction
from theater_sql.waiting import drive, drive_many


class Handle(Generic[S]):
    """One actor's get, put and delete, by compare and swap on the etag that it remembers.

    A put before the first get reads first; a delete removes what is there. After an error it
    is unusable until the next get. Calls of several threads run one after the other.
    """

    __slots__ = ("_lanes", "_lock", "_steps")

    def __init__(self, lanes: Lanes, steps: HandleSteps[S]) -> None:
        self._lanes = lanes
        self._steps = steps
        self._lock = threading.Lock()

    def get(self) -> Found[S] | NotPresent:
        """Return the stored state, or ``NOT_PRESENT``."""
        with self._lock:
            return drive(self._lanes, self._steps.get())

    def put(self, state: S) -> Etag:
        """Store the state; ``Conflict`` if somebody else wrote since the last call."""
        with self._lock:
            return drive(self._lanes, self._steps.put(state))

    def delete(self) -> None:
        """Remove the actor; ``Conflict`` if somebody else wrote since the last call."""
        with self._lock:
            drive(self._lanes, self._steps.delete())


class SQLStorage(Storage):
    """Keep the states of actors in SQL, one table for each registered actor type.

    ``url`` is a database URL, or an Engine to open connections like; see ``Options`` for the
    keywords. Connections open with the first call.

    Raises:
        ConfigurationError: the URL, engine or an option can't work.
    """

    def __init__(
        self, url: str | URL | Engine, actors: ActorRegistry, **options: Unpack[Options]
    ) -> None:
        check_names(self, options, Options.__annotations__)
        self._core = Core(url, actors, **options)

    @overload
    def get(
        self, actor_type: TypedActor[S], actor_id: ActorId, *, timeout: float | None = None
    ) -> Found[S] | NotPresent: ...

    @overload
    def get(
        self, actor_type: UntypedActor, actor_id: ActorId, *, timeout: float | None = None
    ) -> Found[Any] | NotPresent: ...

    def get(
        self, actor_type: ActorTypeLike[Any], actor_id: ActorId, *, timeout: float | None = None
    ) -> Found[Any] | NotPresent:
        """Return the stored state, or ``NOT_PRESENT``.

        Raises:
            CorruptState: the row is there and can't be decoded.
            StateTooNew: newer code wrote it.
        """
        return drive(self._core.lanes, self._core.get(actor_type, actor_id, timeout))

    def put(
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
        """Store the state and return its new etag; when this returns it is durable.

        ``expect`` is what has to be there: an etag, ``ABSENT``, or ``OVERWRITE`` (the last
        write wins, unless what is there can't be decoded and ``overwrite_corrupt`` is not
        set). ``etag`` is the one to give the row, so that repeating the call is harmless
        while it is the current one.

        Raises:
            Conflict: what is there is not what was expected; nothing was written.
            OutcomeUnknown: it may have been written.
            StorageError: any other; nothing was written.
        """
        steps = self._core.put(
            actor_type, actor_id, state, expect, etag, overwrite_corrupt, timeout
        )
        return drive(self._core.lanes, steps)

    def delete(
        self,
        actor_type: ActorTypeLike[Any],
        actor_id: ActorId,
        *,
        expect: Etag | Expect = OVERWRITE,
        timeout: float | None = None,
    ) -> None:
        """Remove the actor; without ``expect``, that it is not there is a success.

        Raises:
            Conflict: what is there is not what was expected; the row is intact.
            OutcomeUnknown: it may have been removed.
        """
        drive(self._core.lanes, self._core.delete(actor_type, actor_id, expect, timeout))

    @overload
    def handle(
        self, actor_type: TypedActor[S], actor_id: ActorId, *, timeout: float | None = None
    ) -> Handle[S]: ...

    @overload
    def handle(
        self, actor_type: UntypedActor, actor_id: ActorId, *, timeout: float | None = None
    ) -> Handle[Any]: ...

    def handle(
        self, actor_type: ActorTypeLike[Any], actor_id: ActorId, *, timeout: float | None = None
    ) -> Handle[Any]:
        """Return one actor's handle."""
        return Handle(self._core.lanes, HandleSteps(self._core, actor_type, actor_id, timeout))

    @overload
    def get_many(
        self, actors: Iterable[tuple[ActorType[S], ActorId]], *, timeout: float | None = None
    ) -> Results[Found[S] | NotPresent]: ...

    @overload
    def get_many(
        self, actors: Iterable[tuple[ActorTypeLike[Any], ActorId]], *, timeout: float | None = None
    ) -> Results[Found[Any] | NotPresent]: ...

    def get_many(
        self, actors: Iterable[tuple[ActorTypeLike[Any], ActorId]], *, timeout: float | None = None
    ) -> Results[Found[Any] | NotPresent]:
        """Return what ``get`` would for each actor, or the error that it would raise."""
        return drive_many(self._core.lanes, self._core.get_many(actors, timeout))

    def put_many(
        self,
        puts: Iterable[PutLike],
        *,
        atomic: bool = False,
        overwrite_corrupt: bool = False,
        timeout: float | None = None,
    ) -> Results[Etag]:
        """Store many states; return for each its new etag, or the error that ``put`` would raise.

        Several states of one actor are stored one after the other. With ``atomic``, it is all or
        nothing: what goes wrong with one is raised, and nothing was written.

        Raises:
            BatchConflict: (atomic) it names all that are not as expected.
            StorageError: (atomic) any other; only ``OutcomeUnknown`` leaves open whether all
                was written, or nothing.
        """
        return drive_many(
            self._core.lanes, self._core.puts(puts, atomic, overwrite_corrupt, timeout)
        )

    def delete_many(
        self, deletes: Iterable[DeleteLike], *, timeout: float | None = None
    ) -> Results[None]:
        """Remove many actors; return ``None`` for each, or what ``delete`` would raise."""
        return drive_many(self._core.lanes, self._core.delete_many(deletes, timeout))

    def list_ids(
        self,
        actor_type: ActorTypeLike[Any],
        *,
        after: ActorId | None = None,
        limit: int = 1000,
        timeout: float | None = None,
    ) -> list[ActorId]:
        """Return the next ids of a type, in the order of their keys.

        ``after`` is the last id of the list before: whoever goes on so until a list is short has
        seen each actor once that was there all along.
        """
        steps = self._core.list_ids(actor_type, after, limit, timeout)
        return drive(self._core.lanes, steps)

    def count(self, actor_type: ActorTypeLike[Any], *, timeout: float | None = None) -> int:
        """Return how many actors of a type there are."""
        return drive(self._core.lanes, self._core.count(actor_type, timeout))

    @contextmanager
    def in_transaction(self, connection: Connection | Session) -> Iterator[Transaction]:
        """Yield the storage inside your own transaction: what it writes, your commit commits.

        An exception that leaves the block undoes nothing: roll back. On SQLite enter it before
        the transaction's first read.

        Raises:
            ConfigurationError: the connection is not one of this storage's kind of database.
            Unavailable: (SQLite) somebody else writes.
        """
        transaction = Transaction(self._core, connection)
        try:
            yield transaction
        finally:
            transaction.end()

    def create_all(self) -> None:
        """Create the tables that are missing: for tests, demos and first steps."""
        self._core.create_all()

    def check(self) -> list[str]:
        """Say in words where the tables differ from the models; nothing means all is well."""
        return self._core.check()

    def close(self) -> None:
        """Finish what is queued and close the connections; later calls are refused."""
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
