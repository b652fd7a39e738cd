"""What both doors share: the steps of each call, and the lanes that carry them out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from copy import copy
from typing import Any, Literal, Self, TypeVar
from uuid import UUID

from sqlalchemy.engine import URL, Engine

from theater_sql.acts import Ask, Putting, Removing
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
from theater_sql.homes import is_marker
from theater_sql.identity import plain_uuid
from theater_sql.lanes import Bounds, Lanes
from theater_sql.listings import Listing
from theater_sql.options import MOST_WRITERS, check_choice, check_flag, check_number, check_timeout
from theater_sql.registry import ActorRegistry
from theater_sql.routes import Routes
from theater_sql.routing import Router, without_result
from theater_sql.statements import Statements
from theater_sql.statements.routes import RouteStatements
from theater_sql.tables import Layout

T = TypeVar("T")


class Core:
    """One storage, without a door."""

    def __init__(
        self,
        url: str | URL | Engine,
        actors: ActorRegistry,
        *,
        timeout: float = 10.0,
        durability: Literal["full", "relaxed"] = "full",
        pooler: bool = False,
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
        check_flag("pooler", pooler)
        if not isinstance(actors, ActorRegistry):
            raise ConfigurationError(f"actors is an ActorRegistry, not a {type(actors).__name__}")
        self._url = url
        engine: Any = url
        if issubclass(type(url), (str, URL)):
            engine = engine_for(engine, timeout=timeout, pooler=pooler)
        self._engine: Engine = engine
        self.backend = backend_for(engine, timeout, relaxed=durability == "relaxed", pooler=pooler)
        self._actors = actors
        self._timeout = timeout
        self._pooler = pooler
        self._statements: dict[Layout, Statements] = {}
        routes = RouteStatements(actors.routes, actors.generic, self.backend)
        self.router = Router(Routes(routes, is_told=self.backend.file is None), self.statements)
        self.lanes = Lanes(
            self.backend,
            writers=writers,
            bounds=Bounds(max_batch_rows, max_batch_bytes, max_queue, self.backend.batches),
            timeout=timeout,
        )

    def inside(self) -> Self:
        """Return the same for a transaction, which may roll back what it does to the routes."""
        core = copy(self)
        core.router = Router(self.router.routes.of_transaction(), self.statements)
        return core

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
        listing = self._listing(actor_type, timeout)
        return self.router.carry_out_for_all(
            listing, lambda homes: listing.ids(homes, after, limit)
        )

    def count(self, actor_type: Any, timeout: float | None) -> Steps[int]:
        """Return the steps of ``SQLStorage.count``."""
        listing = self._listing(actor_type, timeout)
        return self.router.carry_out_for_all(listing, listing.count)

    def _listing(self, actor_type: Any, timeout: float | None) -> Listing:
        return Listing(self._actors.match(actor_type), self.statements, self._deadline(timeout))

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
        call = self.call(actor_type, actor_id, self._deadline(timeout))
        return self.router.carry_out(call, Call.get, None)

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
        return self._put(call, state, expect, etag, overwrite_corrupt)

    def _put(
        self, call: Call, state: Any, expect: Any, etag: Any, overwrite_corrupt: bool
    ) -> Steps[Etag]:
        act = Putting(state, expect, etag, overwrite_corrupt)
        return self.router.carry_out(call, act, expect)

    def delete(
        self, actor_type: Any, actor_id: ActorId, expect: Etag | Expect, timeout: float | None
    ) -> Steps[None]:
        """Return the steps of ``SQLStorage.delete``."""
        call = self.call(actor_type, actor_id, self._deadline(timeout))
        return self._delete(call, expect)

    def _delete(self, call: Call, expect: Etag | Expect) -> Steps[None]:
        expect = _checked_etags(call, expect, None)[0]
        return without_result(self.router.carry_out(call, Removing(expect), expect))

    def get_many(self, actors: Iterable[Any], timeout: float | None) -> Rounds[Results[Any]]:
        """Return the steps of ``SQLStorage.get_many``."""
        deadline = self._deadline(timeout)

        def start(call: Call) -> Steps[Any]:
            return self.router.carry_out(call, Call.get, None)

        items = [self._item(deadline, *pair, start) for pair in items_of(Actor, actors)]
        return self._each(items, claims=False)

    def put_many(
        self, puts: Iterable[Any], overwrite_corrupt: bool, timeout: float | None
    ) -> Rounds[Results[Etag]]:
        """Return the steps of ``SQLStorage.put_many`` where each item stands for itself."""
        deadline = self._deadline(timeout)

        def item(put: Put) -> Item | StorageError:
            def start(call: Call) -> Steps[Etag]:
                etags = _checked_etags(call, put.expect, put.etag)
                return self._put(call, put.state, *etags, overwrite_corrupt)

            return self._item(deadline, put.actor_type, put.actor_id, start)

        return self._each([item(put) for put in items_of(Put, puts)], claims=True)

    def puts(
        self, puts: Iterable[Any], atomic: bool, overwrite_corrupt: bool, timeout: float | None
    ) -> Rounds[Results[Etag]]:
        """Return the steps of ``SQLStorage.put_many``."""
        check_flag("atomic", atomic)
        make = self.put_all if atomic else self.put_many
        return make(puts, overwrite_corrupt, timeout)

    def put_all(
        self, puts: Iterable[Any], overwrite_corrupt: bool, timeout: float | None
    ) -> Rounds[Results[Etag]]:
        """Return the steps of ``SQLStorage.put_many`` where it is all or nothing."""
        deadline = self._deadline(timeout)
        asks = []
        for put in items_of(Put, puts):
            call = self.call(put.actor_type, put.actor_id, deadline)
            asks.append(Ask(call, put.state, *_checked_etags(call, put.expect, put.etag)))
        return self.router.put_all(asks, overwrite_corrupt, deadline)

    def delete_many(self, deletes: Iterable[Any], timeout: float | None) -> Rounds[Results[None]]:
        """Return the steps of ``SQLStorage.delete_many``."""
        deadline = self._deadline(timeout)

        def item(delete: Delete) -> Item | StorageError:
            def start(call: Call) -> Steps[None]:
                return self._delete(call, delete.expect)

            return self._item(deadline, delete.actor_type, delete.actor_id, start)

        return self._each([item(delete) for delete in items_of(Delete, deletes)], claims=True)

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
            return Item(call, start(call))
        except StorageError as error:
            return error

    def _each(self, items: list[Item | StorageError], *, claims: bool) -> Rounds[Results[Any]]:
        calls = [item.call for item in items if isinstance(item, Item)]
        yield from self.router.prepare(calls, claims=claims)
        return (yield from each(items))

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
            engine = engine_for(self._url, create=True, timeout=self._timeout, pooler=self._pooler)
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
    elif etag is not None and (brought is None or is_marker(brought)):
        problem = "etag= is an etag, and none of those that mark a row that has moved"
    elif brought is not None and brought == expected:
        problem = "etag= is the etag that is expected: every write needs a new one"
    else:
        return expected, brought
    raise call.error(InvalidEtag, f"{problem}; nothing was sent")
