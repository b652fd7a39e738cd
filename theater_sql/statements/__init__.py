"""The statements of a layout on a backend: built once, with SQLAlchemy Core. Executes nothing.

Every statement is one round trip in autocommit. A write is guarded by the etag and gives the
etag of each row it changed; nothing given means that the guard did not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from theater_sql.backends.base import Backend, Statement
from theater_sql.backends.parameters import binder, state_paths
from theater_sql.codec import same
from theater_sql.statements.builder import Builder, Kind
from theater_sql.tables import Fill, Layout

__all__ = ["Kind", "Statements"]


class Statements:
    """The statements of one layout, and how its rows become their parameters.

    Parameters of CREATE: key, state, fills, etag, schema version. Of SWAP: key, expected etag,
    state, fills, etag, schema version. Of DELETE: key, expected etag. Of READ, REREAD, LOOK,
    PROBE, LOCK and WHOLE: key. LIST: the scope, limit; LIST_AFTER: key, limit; COUNT: the scope.
    Of ADOPT: as of CREATE, with version and both times before the etag. READ gives etag, version,
    schema version, time of the last write, then the state; WHOLE then the time of creation.
    """

    def __init__(self, layout: Layout, backend: Backend) -> None:
        self.layout = layout
        self._backend = backend
        self._built: dict[Kind, Statement] = {}
        self._wires = {c: backend.wire(c) for c in layout.table.columns}
        self.key = binder([self._wires[c]._replace(check=None) for c in layout.keys])
        """Makes the key's parameters of its values."""
        self.state = binder([self._wires[c] for c in layout.state], state_paths(layout))
        """Makes the state's parameters of its column values, or raises ``CodecError``."""
        self._loads = [self._wires[c].load for c in layout.state]
        self._id_loads = [self._wires[c].load for c in layout.ids]
        self._updated_at = self._wires[layout.table.c.updated_at]
        self._etag = self._wires[layout.table.c.etag]
        self.etag: Callable[[Any], Any] = self._etag.bind or same
        """Makes a parameter of an etag."""

    def __getitem__(self, kind: Kind) -> Statement:
        statement: Statement = getattr(self, kind.value)
        return statement

    @cached_property
    def read(self) -> Statement:
        return self._build(Kind.READ)

    @cached_property
    def look(self) -> Statement:
        return self._build(Kind.LOOK)

    @cached_property
    def probe(self) -> Statement:
        return self._build(Kind.PROBE)

    @cached_property
    def reread(self) -> Statement:
        return self._build(Kind.REREAD)

    @cached_property
    def lock(self) -> Statement:
        return self._build(Kind.LOCK)

    @cached_property
    def list(self) -> Statement:
        return self._build(Kind.LIST)

    @cached_property
    def list_after(self) -> Statement:
        return self._build(Kind.LIST_AFTER)

    @cached_property
    def count(self) -> Statement:
        return self._build(Kind.COUNT)

    @cached_property
    def create(self) -> Statement:
        return self._build(Kind.CREATE)

    @cached_property
    def whole(self) -> Statement:
        return self._build(Kind.WHOLE)

    @cached_property
    def adopt(self) -> Statement:
        return self._build(Kind.ADOPT)

    @cached_property
    def swap(self) -> Statement:
        return self._build(Kind.SWAP)

    @cached_property
    def delete(self) -> Statement:
        return self._build(Kind.DELETE)

    def _build(self, kind: Kind) -> Statement:
        # Of several threads that ask first, all get the same: a flush is of one statement.
        statement = Builder(self.layout, self._backend, self._wires)(kind)
        return self._built.setdefault(kind, statement)

    def fills(self, fills: Sequence[Fill]) -> tuple[Any, ...]:
        """Return the parameters of the columns that Python fills, with a new value each."""
        filled = [fill for fill in fills if not fill.is_sql]
        return tuple([_apply(self._wires[f.column].bind, f.source()) for f in filled])

    def load_etag(self, value: Any) -> Any:
        """Return an etag from what the driver gave."""
        return _apply(self._etag.load, value)

    def load_time(self, value: Any) -> Any:
        """Return the time of the last write from what the driver gave."""
        return _apply(self._updated_at.load, value)

    def load_id(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Return the values of the key columns that hold an id from what the driver gave."""
        return _loaded(self._id_loads, values)

    def load_state(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Return the state's column values from what the driver gave."""
        return _loaded(self._loads, values)


def _loaded(loads: Sequence[Any], values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple([_apply(load, value) for load, value in zip(loads, values, strict=True)])


def _apply(function: Any, value: Any) -> Any:
    return value if function is None or value is None else function(value)
