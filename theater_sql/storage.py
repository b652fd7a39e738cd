"""SQLStorage: Theater's three callbacks on SQL, for threads, and the core of both doors."""

from __future__ import annotations

import threading
import time
from typing import Any, Generic, Self, TypeVar
from uuid import UUID, uuid4

from sqlalchemy.engine import URL, Engine

from theater_sql.backends import backend_for, engine_for
from theater_sql.calls import Call, Steps
from theater_sql.contract import (
    OVERWRITE,
    ActorId,
    ActorTypeLike,
    Etag,
    Expect,
    Found,
    NotPresent,
    S,
    Storage,
)
from theater_sql.errors import ConfigurationError, InvalidEtag, StorageError
from theater_sql.lanes import Lanes
from theater_sql.registry import ActorRegistry
from theater_sql.statements import Statements
from theater_sql.tables import Layout

T = TypeVar("T")


class Core:
    """What both doors share: the steps of each call, and the lanes that carry them out."""

    def __init__(
        self,
        url: str | URL | Engine,
        actors: ActorRegistry,
        *,
        timeout: float = 10.0,
        writers: int = 1,
        max_batch_rows: int = 256,
        max_batch_bytes: int = 8 * 2**20,
    ) -> None:
        if not (timeout > 0 and writers > 0 and max_batch_rows > 0 and max_batch_bytes > 0):
            raise ConfigurationError("timeout, writers and the batch bounds are above zero")
        self._url = url
        self._engine = url if not isinstance(url, (str, URL)) else engine_for(url)
        self._backend = backend_for(self._engine, timeout)
        self._actors = actors
        self._timeout = timeout
        self._statements: dict[Layout, Statements] = {}
        self.lanes = Lanes(
            self._backend, writers=writers, max_rows=max_batch_rows, max_bytes=max_batch_bytes
        )

    def call(self, actor_type: Any, actor_id: ActorId, timeout: float | None) -> Call:
        """Return the steps of one call on an actor."""
        binding = self._actors.match(actor_type)
        statements = self._statements.get(binding.layout)
        if statements is None:
            statements = Statements(binding.layout, self._backend)
            self._statements[binding.layout] = statements
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        return Call(binding, statements, actor_id, deadline)

    def get(
        self, actor_type: Any, actor_id: ActorId, timeout: float | None
    ) -> Steps[Found[Any] | NotPresent]:
        """Return the steps of ``SQLStorage.get``."""
        return self.call(actor_type, actor_id, timeout).get()

    def put(
        self,
        actor_type: Any,
        actor_id: ActorId,
        state: Any,
        expect: Etag | Expect,
        etag: Etag | None,
        overwrite_corrupt: bool,
        timeout: float | None,
    ) -> Steps[Etag]:
        """Return the steps of ``SQLStorage.put``."""
        self._check_etags(actor_type, actor_id, expect, etag)
        etag = Etag(uuid4()) if etag is None else etag
        call = self.call(actor_type, actor_id, timeout)
        return call.put(state, expect, etag, overwrite_corrupt=overwrite_corrupt)

    def delete(
        self, actor_type: Any, actor_id: ActorId, expect: Etag | Expect, timeout: float | None
    ) -> Steps[None]:
        """Return the steps of ``SQLStorage.delete``."""
        self._check_etags(actor_type, actor_id, expect, None)
        return self.call(actor_type, actor_id, timeout).delete(expect)

    def _check_etags(
        self, actor_type: Any, actor_id: ActorId, expect: Any, etag: Any
    ) -> None:
        if not isinstance(expect, (UUID, Expect)):
            problem = "expect= is an etag, ABSENT or OVERWRITE"
        elif etag is not None and not isinstance(etag, UUID):
            problem = "etag= is an etag"
        elif etag is not None and etag == expect:
            problem = "etag= is the etag that is expected: every write needs a new one"
        else:
            return
        name = self._actors.match(actor_type).name
        raise InvalidEtag(name, actor_id, f"{problem}; nothing was sent")

    def create_all(self) -> None:
        """Create the tables of the registry's metadata that are missing."""
        in_memory = self._backend.shared_connection
        given = isinstance(self._url, Engine)
        engine = self._engine if in_memory or given else engine_for(self._url, create=True)
        self._actors.metadata.create_all(engine)

    def check(self) -> list[str]:
        """Say in words where the tables differ from the models; nothing means all is well."""
        from theater_sql.migrations.check import differences

        return differences(self._engine, self._actors)


class HandleSteps(Generic[S]):
    """The steps of one actor's handle, and the etag it remembers between them."""

    def __init__(
        self, core: Core, actor_type: ActorTypeLike[S], actor_id: ActorId, timeout: float | None
    ) -> None:
        self._core = core
        self._actor = (actor_type, actor_id)
        self._timeout = timeout
        self._etag: Etag | Expect | None = None
        self._lost: str | None = None

    def get(self) -> Steps[Found[Any] | NotPresent]:
        """Read the actor; this makes a handle usable that failed before."""
        self._lost = None
        return self._remembering(self._get())

    def put(self, state: S) -> Steps[Etag]:
        """Write the state where the last seen etag still holds."""
        return self._remembering(self._put(state))

    def delete(self) -> Steps[None]:
        """Remove the actor where the last seen etag still holds."""
        return self._remembering(self._delete())

    def _get(self) -> Steps[Found[Any] | NotPresent]:
        found = yield from self._core.get(*self._actor, self._timeout)
        self._etag = found.etag
        return found

    def _put(self, state: S) -> Steps[Etag]:
        if self._etag is None:
            yield from self._get()
        expect = self._etag if self._etag is not None else OVERWRITE
        put = self._core.put(*self._actor, state, expect, None, False, self._timeout)
        self._etag = etag = yield from put
        return etag

    def _delete(self) -> Steps[None]:
        expect = self._etag if self._etag is not None else OVERWRITE
        yield from self._core.delete(*self._actor, expect, self._timeout)
        self._etag = Expect.ABSENT

    def _remembering(self, steps: Steps[T]) -> Steps[T]:
        """Refuse to go on from an error: what is stored then is not known."""
        if self._lost is not None:
            name = self._core._actors.match(self._actor[0]).name
            raise StorageError(
                name, self._actor[1], f"this handle failed before ({self._lost}): get() first"
            )
        try:
            return (yield from steps)
        except BaseException as error:
            self._lost, self._etag = type(error).__name__, None
            raise


class Handle(Generic[S]):
    """One actor's get, put and delete, by compare and swap on the etag that it remembers.

    A put or delete before the first get reads first. After an error it is unusable until the
    next get. Calls of several threads run one after the other.
    """

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

    ``url`` is a database URL, or an Engine to open connections like. ``timeout`` is the
    deadline of a call in seconds; ``writers`` the number of write connections (one on the
    same machine, two to four across a network). Connections open with the first call.

    Raises:
        ConfigurationError: the URL, engine or an option can't work.
    """

    def __init__(self, url: str | URL | Engine, actors: ActorRegistry, **options: Any) -> None:
        self._core = Core(url, actors, **options)

    def get(
        self,
        actor_type: ActorTypeLike[S],
        actor_id: ActorId,
        *,
        timeout: float | None = None,
    ) -> Found[S] | NotPresent:
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

    def handle(
        self, actor_type: ActorTypeLike[S], actor_id: ActorId, *, timeout: float | None = None
    ) -> Handle[S]:
        """Return one actor's handle."""
        return Handle(self._core.lanes, HandleSteps(self._core, actor_type, actor_id, timeout))

    def create_all(self) -> None:
        """Create the tables that are missing: for tests, demos and first steps."""
        self._core.create_all()

    def check(self) -> list[str]:
        """Say in words where the tables differ from the models; nothing means all is well."""
        return self._core.check()

    def close(self) -> None:
        """Finish what is queued and close the connections; later calls are refused."""
        self._core.lanes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def drive(lanes: Lanes, steps: Steps[T]) -> T:
    """Run the steps of a call, blocking for each operation's outcome."""
    try:
        operation = next(steps)
        while True:
            operation = steps.send(lanes.run(operation))
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        steps.close()
