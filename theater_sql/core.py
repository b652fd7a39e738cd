"""What both doors share: the steps of each call, and the lanes that carry them out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypedDict, TypeVar
from uuid import UUID

from sqlalchemy.engine import URL, Engine

from theater_sql.atomic import Entry, put_all
from theater_sql.backends import backend_for, engine_for
from theater_sql.backends.base import Phase
from theater_sql.bindings import Binding
from theater_sql.bulk import Actor, Item, Rounds, each, items_of
from theater_sql.calls import Call, Steps
from theater_sql.contract import (
    ActorId,
    Delete,
    Etag,
    Expect,
    Found,
    NotPresent,
    Put,
    Results,
)
from theater_sql.errors import ConfigurationError, InvalidEtag, StorageClosed, StorageError
from theater_sql.identity import plain_uuid
from theater_sql.lanes import Bounds, Lanes
from theater_sql.listings import Listing
from theater_sql.options import MOST_WRITERS, check_choice, check_number, check_timeout
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
    network; at most 64); ``max_batch_rows`` (256) and ``max_batch_bytes`` (1 MiB), what one
    flush takes; ``max_queue`` (100,000), beyond which calls wait outside and end as
    ``Unavailable``, if they are not let in before their deadline.
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
        check_timeout(timeout)
        check_number("writers", writers, MOST_WRITERS)
        check_number("max_batch_rows", max_batch_rows)
        check_number("max_batch_bytes", max_batch_bytes)
        check_number("max_queue", max_queue)
        check_choice("durability", durability, ("full", "relaxed"))
        if not isinstance(actors, ActorRegistry):
            raise ConfigurationError(f"actors is an ActorRegistry, not a {type(actors).__name__}")
        self._url = url
        engine: Any = url
        if issubclass(type(url), (str, URL)):
            engine = engine_for(engine, timeout=timeout)
        self._engine: Engine = engine
        self.backend = backend_for(self._engine, timeout, relaxed=durability == "relaxed")
        self._actors = actors
        self._timeout = timeout
        self._statements: dict[Layout, Statements] = {}
        self.lanes = Lanes(
            self.backend,
            writers=writers,
            bounds=Bounds(max_batch_rows, max_batch_bytes, max_queue, self.backend.batches),
            timeout=timeout,
        )

    def _deadline(self, timeout: float | None) -> float:
        if timeout is None:
            timeout = self._timeout
        else:
            check_timeout(timeout)
        return time.monotonic() + timeout

    def call(self, actor_type: Any, actor_id: ActorId, deadline: float) -> Call:
        """Return the steps of one call on an actor."""
        binding = self._actors.match(actor_type)
        return Call(binding, self.statements(binding), actor_id, deadline)

    def list_ids(
        self, actor_type: Any, after: ActorId | None, limit: int, timeout: float | None
    ) -> Steps[list[ActorId]]:
        """Return the steps of ``SQLStorage.list_ids``."""
        check_number("limit", limit)
        return self._listing(actor_type, timeout).ids(after, limit)

    def count(self, actor_type: Any, timeout: float | None) -> Steps[int]:
        """Return the steps of ``SQLStorage.count``."""
        return self._listing(actor_type, timeout).count()

    def _listing(self, actor_type: Any, timeout: float | None) -> Listing:
        binding = self._actors.match(actor_type)
        return Listing(binding, self.statements(binding), self._deadline(timeout))

    def statements(self, binding: Binding) -> Statements:
        """Return the statements of a binding."""
        statements = self._statements.get(binding.layout)
        if statements is None:
            # Of several threads that ask first, all get the same: a flush is of one statement.
            statements = Statements(binding.layout, self.backend)
            statements = self._statements.setdefault(binding.layout, statements)
        return statements

    def get(
        self, actor_type: Any, actor_id: ActorId, timeout: float | None
    ) -> Steps[Found[Any] | NotPresent]:
        """Return the steps of ``SQLStorage.get``."""
        return self.call(actor_type, actor_id, self._deadline(timeout)).get()

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
        call = self.call(actor_type, actor_id, self._deadline(timeout))
        if type(expect) is not UUID or etag is not None:
            expect, etag = _checked_etags(call, expect, etag)
        return call.put(state, expect, etag, overwrite_corrupt=overwrite_corrupt)

    def delete(
        self, actor_type: Any, actor_id: ActorId, expect: Etag | Expect, timeout: float | None
    ) -> Steps[None]:
        """Return the steps of ``SQLStorage.delete``."""
        call = self.call(actor_type, actor_id, self._deadline(timeout))
        return call.delete(_checked_etags(call, expect, None)[0])

    def get_many(self, actors: Iterable[Any], timeout: float | None) -> Rounds[Results[Any]]:
        """Return the steps of ``SQLStorage.get_many``."""
        deadline = self._deadline(timeout)
        return each([self._item(deadline, *pair, Call.get) for pair in items_of(Actor, actors)])

    def put_many(
        self, puts: Iterable[Any], overwrite_corrupt: bool, timeout: float | None
    ) -> Rounds[Results[Etag]]:
        """Return the steps of ``SQLStorage.put_many`` where each item stands for itself."""
        deadline = self._deadline(timeout)

        def item(put: Put) -> Item | StorageError:
            def start(call: Call) -> Steps[Etag]:
                expect, etag = _checked_etags(call, put.expect, put.etag)
                return call.put(put.state, expect, etag, overwrite_corrupt=overwrite_corrupt)

            return self._item(deadline, put.actor_type, put.actor_id, start)

        return each([item(put) for put in items_of(Put, puts)])

    def puts(
        self, puts: Iterable[Any], atomic: bool, overwrite_corrupt: bool, timeout: float | None
    ) -> Rounds[Results[Etag]]:
        """Return the steps of ``SQLStorage.put_many``."""
        if type(atomic) is not bool:
            raise ConfigurationError("atomic= is True or False; nothing was sent")
        make = self.put_all if atomic else self.put_many
        return make(puts, overwrite_corrupt, timeout)

    def put_all(
        self, puts: Iterable[Any], overwrite_corrupt: bool, timeout: float | None
    ) -> Rounds[Results[Etag]]:
        """Return the steps of ``SQLStorage.put_many`` where it is all or nothing."""
        deadline = self._deadline(timeout)
        entries = []
        for put in items_of(Put, puts):
            call = self.call(put.actor_type, put.actor_id, deadline)
            expect, etag = _checked_etags(call, put.expect, put.etag)
            entries.append(Entry(call, call.prepare(put.state, etag), expect))
        return put_all(entries, overwrite_corrupt, deadline)

    def delete_many(self, deletes: Iterable[Any], timeout: float | None) -> Rounds[Results[None]]:
        """Return the steps of ``SQLStorage.delete_many``."""
        deadline = self._deadline(timeout)

        def item(delete: Delete) -> Item | StorageError:
            def start(call: Call) -> Steps[None]:
                return call.delete(_checked_etags(call, delete.expect, None)[0])

            return self._item(deadline, delete.actor_type, delete.actor_id, start)

        return each([item(delete) for delete in items_of(Delete, deletes)])

    def calls(self, actors: Iterable[Any]) -> list[Call]:
        """Return a call on each actor."""
        deadline = self._deadline(None)
        return [self.call(*pair, deadline) for pair in items_of(Actor, actors)]

    def _item(
        self,
        deadline: float,
        actor_type: Any,
        actor_id: ActorId,
        start: Callable[[Call], Steps[Any]],
    ) -> Item | StorageError:
        """Return one call among many, or what is wrong with it."""
        try:
            call = self.call(actor_type, actor_id, deadline)
            return Item(call.actor, start(call))
        except StorageError as error:
            return error

    def close(self) -> None:
        """Finish what is queued and close the connections; an engine that was given stays."""
        self.lanes.close()
        if isinstance(self._url, (str, URL)):
            self._engine.dispose()

    def check_open(self) -> None:
        """Refuse what a closed storage does not do any more."""
        if self.lanes.is_closed:
            raise StorageClosed(None, None, "the storage is closed; nothing was sent")

    def create_all(self) -> None:
        """Create the tables that are missing in the metadata of the registry and the models."""
        self.check_open()
        from theater_sql.migrations.connections import translated

        engine = self._engine
        if isinstance(self._url, (str, URL)) and not self.backend.shared_connection:
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


def _checked_etags(call: Call, expect: Any, etag: Any) -> tuple[Any, Any]:
    """Return what a write expects and brings along as plain UUIDs, or raise ``InvalidEtag``."""
    expected = expect if type(expect) is Expect else plain_uuid(expect)
    brought = plain_uuid(etag)
    if expected is None:
        problem = "expect= is an etag, ABSENT or OVERWRITE"
    elif etag is not None and brought is None:
        problem = "etag= is an etag"
    elif brought is not None and brought == expected:
        problem = "etag= is the etag that is expected: every write needs a new one"
    else:
        return expected, brought
    raise call.error(InvalidEtag, f"{problem}; nothing was sent")
