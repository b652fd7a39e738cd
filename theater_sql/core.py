"""What both doors share: the steps of each call, and the lanes that carry them out."""

from __future__ import annotations

import time
from typing import Any, Generic, Literal, TypedDict, TypeVar
from uuid import UUID

from sqlalchemy.engine import URL, Engine

from theater_sql.backends import backend_for, engine_for
from theater_sql.backends.base import Phase
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
)
from theater_sql.errors import ConfigurationError, InvalidEtag, StorageError
from theater_sql.lanes import Bounds, Lanes
from theater_sql.registry import ActorRegistry
from theater_sql.statements import Statements
from theater_sql.tables import Layout

T = TypeVar("T")


class Options(TypedDict, total=False):
    """The settings of a storage, all optional.

    ``timeout`` is the deadline of a call in seconds (10). ``durability`` is ``"full"``: what
    is acknowledged survives a crash of the server and its machine; or ``"relaxed"``: the last
    moments before such a crash may be lost, though nothing older and never in part. Settings
    of the lanes: ``writers``, the number of write connections (1; two to four across a
    network); ``max_batch_rows`` (256) and ``max_batch_bytes`` (1 MiB), what one flush takes;
    ``max_queue`` (100,000), beyond which calls wait outside and end as ``Unavailable``, if
    they are not let in before their deadline.
    """

    timeout: float
    durability: Literal["full", "relaxed"]
    writers: int
    max_batch_rows: int
    max_batch_bytes: int
    max_queue: int


class Core:
    """One storage, without a door."""

    def __init__(
        self,
        url: str | URL | Engine,
        actors: ActorRegistry,
        *,
        timeout: float = 10.0,
        durability: Literal["full", "relaxed"] = "full",
        writers: int = 1,
        max_batch_rows: int = 256,
        max_batch_bytes: int = 2**20,
        max_queue: int = 100_000,
    ) -> None:
        _check_positive("timeout", timeout, (int, float))
        _check_positive("writers", writers)
        _check_positive("max_batch_rows", max_batch_rows)
        _check_positive("max_batch_bytes", max_batch_bytes)
        _check_positive("max_queue", max_queue)
        if durability not in ("full", "relaxed"):
            raise ConfigurationError('durability is "full" or "relaxed"')
        self._url = url
        self._engine = url if not isinstance(url, (str, URL)) else engine_for(url, timeout=timeout)
        self._backend = backend_for(self._engine, timeout, relaxed=durability == "relaxed")
        self._actors = actors
        self._timeout = timeout
        self._statements: dict[Layout, Statements] = {}
        self.lanes = Lanes(
            self._backend,
            writers=writers,
            bounds=Bounds(max_batch_rows, max_batch_bytes, max_queue, self._backend.batches),
            timeout=timeout,
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
        if type(expect) is not UUID or etag is not None:
            self._check_etags(actor_type, actor_id, expect, etag)
        call = self.call(actor_type, actor_id, timeout)
        return call.put(state, expect, etag, overwrite_corrupt=overwrite_corrupt)

    def delete(
        self, actor_type: Any, actor_id: ActorId, expect: Etag | Expect, timeout: float | None
    ) -> Steps[None]:
        """Return the steps of ``SQLStorage.delete``."""
        self._check_etags(actor_type, actor_id, expect, None)
        return self.call(actor_type, actor_id, timeout).delete(expect)

    def _check_etags(self, actor_type: Any, actor_id: ActorId, expect: Any, etag: Any) -> None:
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

    def close(self) -> None:
        """Finish what is queued and close the connections; an engine that was given stays."""
        self.lanes.close()
        if isinstance(self._url, (str, URL)):
            self._engine.dispose()

    def create_all(self) -> None:
        """Create the tables that are missing in the metadata of the registry and the models."""
        from theater_sql.migrations.connections import translated

        engine = self._engine
        if isinstance(self._url, (str, URL)) and not self._backend.shared_connection:
            engine = engine_for(self._url, create=True, timeout=self._timeout)
        with translated(engine, Phase.CONNECT):
            engine.connect().close()
        tables = [binding.layout.table for binding in self._actors]
        with translated(engine):
            for metadata in {self._actors.metadata, *(table.metadata for table in tables)}:
                metadata.create_all(engine)

    def check(self) -> list[str]:
        """Say in words where the tables differ from the models; nothing means all is well."""
        from theater_sql.migrations.check import differences

        return differences(self._engine, self._actors)


def _check_positive(name: str, value: object, kinds: tuple[type, ...] = (int,)) -> None:
    if type(value) not in kinds or not value > 0:  # type: ignore[operator]
        raise ConfigurationError(f"{name}={value!r}: it has to be a number above zero")


class HandleSteps(Generic[S]):
    """The steps of one actor's handle, and the etag it remembers between them."""

    __slots__ = ("_actor", "_core", "_etag", "_lost", "_timeout")

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
        """Remove the actor where the last seen etag still holds, or whatever is there."""
        return self._remembering(self._delete())

    def _get(self) -> Steps[Found[Any] | NotPresent]:
        found = yield from self._core.get(*self._actor, self._timeout)
        self._etag = found.etag
        return found

    def _put(self, state: S) -> Steps[Etag]:
        expect = self._etag
        if expect is None:
            expect = (yield from self._get()).etag
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
