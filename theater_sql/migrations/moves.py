"""Moves of an actor type's rows between the generic table and its own, while actors are live.

A row moves with its etag, version and times. It is written away from one table and into the
other in one transaction, under the condition that its etag is still the one that was read: what
is copied is what was replaced. Where and in what order: see docs/architecture.md.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from theater_sql.backends.base import Action, Backend, Phase, Statement
from theater_sql.bindings import Binding
from theater_sql.codec import CodecError
from theater_sql.errors import InvalidId
from theater_sql.homes import is_marker, marker
from theater_sql.statements import Statements

_TOLD_EVERY: Final = 5.0
_PAUSE: Final = 0.05
_LOG: Final = logging.getLogger("theater_sql.migrations")
BATCH: Final = 200
"""Rows of one transaction: writers of these rows wait for it."""


class Stay(NamedTuple):
    """A row that can't move, and why."""

    actor_id: Any
    reason: str


class Side(NamedTuple):
    """One of the two tables."""

    binding: Binding
    statements: Statements


class Copy(NamedTuple):
    """A row that is ready to be inserted into the other table."""

    actor_id: Any
    key: tuple[Any, ...]
    etag: Any
    row: tuple[Any, ...]


class TakenError(Exception):
    """The other table has a row of that id already."""


class Move:
    """Moves the rows of one type on one connection, which nobody else uses."""

    def __init__(
        self, connection: Connection, backend: Backend, source: Binding, target: Binding
    ) -> None:
        self._connection = connection
        self._backend = backend
        self._source = Side(source, Statements(source.layout, backend))
        self._target = Side(target, Statements(target.layout, backend))
        self.moved = 0

    def run(self) -> list[Stay]:
        """Move all rows that can move, and return those that stay."""
        stay: list[Stay] = []
        told = time.monotonic()
        for page in self._pages():
            stay += self._move(page)
            if time.monotonic() - told > _TOLD_EVERY:
                told = time.monotonic()
                _LOG.info("%s: %d rows have moved", self._source.binding.name, self.moved)
        return stay

    def misfits(self, most: int) -> list[Stay]:
        """Return rows that could not move, at most so many; nothing is written."""
        stay: list[Stay] = []
        for keys in self._pages():
            stay += [one for one in self._read(keys) if isinstance(one, Stay)]
            if len(stay) >= most:
                break
        return stay[:most]

    def _pages(self) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the keys of the source's rows, as the driver takes them, page by page."""
        statements = self._source.statements
        for scope in self._source.binding.scopes():
            keys: list[tuple[Any, ...]] = []
            while True:
                after = statements.list_after if keys else statements.list
                start = keys[-1] if keys else scope
                found = self._run(after, [(*start, BATCH)])[0]
                keys = [(*scope, *self._key(row)) for row in found]
                if keys:
                    yield keys
                if len(keys) < BATCH:
                    break

    def _key(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a key as it is sent from how it came."""
        statements = self._source.statements
        scope = ("",) * len(self._source.binding.layout.scope)
        return statements.key((*scope, *statements.load_id(row)))[len(scope) :]

    def _move(self, keys: Sequence[tuple[Any, ...]]) -> list[Stay]:
        """Move some rows; one that changes meanwhile is read again."""
        stay: list[Stay] = []
        left = list(keys)
        while left:
            converted = self._read(left)
            stay += [one for one in converted if isinstance(one, Stay)]
            copies = [one for one in converted if isinstance(one, Copy)]
            done = self._write(copies, stay) if copies else set()
            left = [copy.key for copy in copies if copy.key not in done]
            if left:
                time.sleep(_PAUSE * random.random())
        return stay

    def _read(self, keys: Sequence[tuple[Any, ...]]) -> list[Copy | Stay | None]:
        rows = self._run(self._source.statements.whole, keys)
        pairs = [(key, row) for key, row in zip(keys, rows, strict=True) if row is not None]
        return [self._converted(key, row) for key, row in pairs]

    def _run(self, statement: Statement, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Read, in a transaction that ends at once."""
        with self._transaction():
            return self._backend.borrow(self._connection).run(statement, rows)

    def _transaction(self) -> Any:
        is_theirs = self._connection.in_transaction()
        return self._connection.begin_nested() if is_theirs else self._connection.begin()

    def _converted(self, key: tuple[Any, ...], row: Any) -> Copy | Stay | None:
        source, target = self._source, self._target
        if isinstance(row, Exception):
            return Stay(key[-1], "it can't be read")
        etag, version, schema_version, updated_at, *state, created_at = row
        present = source.statements.load_etag(etag)
        if present is not None and is_marker(present):
            return None
        actor_id: Any = key[-1]
        try:
            ids = len(source.binding.layout.ids)
            loaded = source.statements.load_id(key[-ids:])
            actor_id = source.binding.actor_id(loaded)
            wanted = target.statements.key(target.binding.key(actor_id))
            found = source.binding.codec.decode(source.statements.load_state(state))
            values = target.statements.state(target.binding.codec.encode(found))
        except (CodecError, InvalidId) as error:
            reason = error.reason if isinstance(error, InvalidId) else str(error)
            return Stay(actor_id, reason.partition("; nothing")[0])
        fills = target.statements.fills(target.binding.layout.on_create)
        rest = (version, created_at, updated_at, etag, schema_version)
        return Copy(actor_id, key, etag, (*wanted, *values, *fills, *rest))

    def _write(self, copies: list[Copy], stay: list[Stay]) -> set[tuple[Any, ...]]:
        """Move what is unchanged, and return the keys that are through: moved, or to stay."""
        try:
            moved = self._transfer(copies)
            self.moved += len(moved)
            return moved
        except TakenError:
            reason = "the other table has a row of this id"
        except DBAPIError as error:
            fault = self._backend.classify(error.orig or error, Phase.WRITE)
            if fault.action in (Action.RETRY, Action.BLOCKED):
                return set()  # somebody writes to one of them: again, a little later
            if not fault.of_row:
                raise
            reason = fault.reason.partition("; nothing")[0]
        if len(copies) == 1:
            stay.append(Stay(copies[0].actor_id, reason))
            return {copies[0].key}
        return {key for copy in copies for key in self._write([copy], stay)}

    def _transfer(self, copies: list[Copy]) -> set[tuple[Any, ...]]:
        with self._transaction():
            borrowed = self._backend.borrow(self._connection)
            statements = self._source.statements
            if self._source.binding.is_generic:
                rows = [(*c.key, c.etag, None, statements.etag(marker()), 0) for c in copies]
                left = borrowed.run(statements.swap, rows)
            else:
                left = borrowed.run(statements.delete, [(*c.key, c.etag) for c in copies])
            moved = [copy for copy, done in zip(copies, left, strict=True) if done]
            if moved:
                taken = borrowed.run(self._target.statements.adopt, [copy.row for copy in moved])
                if not all(taken):
                    raise TakenError
        return {copy.key for copy in moved}
