"""The statements of a layout on a backend: built once, with SQLAlchemy Core. Executes nothing.

Every statement is one round trip in autocommit. A write is guarded by the etag and gives the
etag of each row it changed; nothing given means that the guard did not hold.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from theater_sql.backends.base import Backend, Statement, Wire
from theater_sql.backends.parameters import binder, state_paths
from theater_sql.codec import same
from theater_sql.tables import Fill, Layout


class Kind(enum.Enum):
    """The kinds of statement. ``LOOK`` reads the etag only, and works on undecodable rows."""

    READ = "read"
    LOOK = "look"
    CREATE = "create"
    SWAP = "swap"
    DELETE = "delete"

    writes: bool

    def __init__(self, name: str) -> None:
        self.writes = name in ("create", "swap", "delete")


_OWN: Final = re.compile(r"p\d+")
"""The names of our own parameters."""


class Parameter(NamedTuple):
    """One parameter: as a bind of its own, or as a column of the batch's arrays."""

    column: sa.Column[Any]
    wire: Wire


class Statements:
    """The statements of one layout, and how its rows become their parameters.

    Parameters of CREATE: key, state, fills, etag, schema version. Of SWAP: key, expected etag,
    state, fills, etag, schema version. Of DELETE: key, expected etag. Of READ and LOOK: key.
    READ gives etag, version, schema version, time of the last write, then the state.
    """

    def __init__(self, layout: Layout, backend: Backend) -> None:
        self.layout = layout
        self._backend = backend
        self._wires = {c: backend.wire(c) for c in layout.table.columns}
        self.key = binder([self._wires[c]._replace(check=None) for c in layout.keys])
        """Makes the key's parameters of its values."""
        self.state = binder([self._wires[c] for c in layout.state], state_paths(layout))
        """Makes the state's parameters of its column values, or raises ``CodecError``."""
        self._loads = [self._wires[c].load for c in layout.state]
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
    def create(self) -> Statement:
        return self._build(Kind.CREATE)

    @cached_property
    def swap(self) -> Statement:
        return self._build(Kind.SWAP)

    @cached_property
    def delete(self) -> Statement:
        return self._build(Kind.DELETE)

    def _build(self, kind: Kind) -> Statement:
        return _Builder(self.layout, self._backend, self._wires)(kind)

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

    def load_state(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Return the state's column values from what the driver gave."""
        pairs = zip(self._loads, values, strict=True)
        return tuple([_apply(load, value) for load, value in pairs])


def _apply(function: Any, value: Any) -> Any:
    return value if function is None or value is None else function(value)


class _Builder:
    """Builds the statements of one layout, each from one description in two forms."""

    def __init__(self, layout: Layout, backend: Backend, wires: dict[sa.Column[Any], Wire]) -> None:
        self._layout = layout
        self._table = layout.table
        self._backend = backend
        self._wires = wires
        self._book = layout.table.c
        self._returned = wires[layout.table.c.etag].select

    def __call__(self, kind: Kind) -> Statement:
        parameters = [Parameter(c, self._wires[c]) for c in self._columns(kind)]
        build = {
            Kind.READ: self._read,
            Kind.LOOK: self._look,
            Kind.CREATE: self._create,
            Kind.SWAP: self._swap,
            Kind.DELETE: self._delete,
        }[kind]
        own, constants = len(parameters), list[Any]()
        query = build(_binds(parameters), None)
        single, order = self._compile(self._telling(query, kind), own, constants)
        batch: str | None = None
        batch_order: list[int] = []
        if not self._backend.batches and kind.writes:
            batch, batch_order = self._compile(query, own, constants)
        elif self._backend.batches and not any(p.wire.single for p in parameters):
            source, values = _arrays(parameters, ordinal=not kind.writes)
            query = self._telling(build(values, source), kind)
            batch, batch_order = self._compile(query, own, constants)
        return Statement(
            self._layout,
            kind.writes,
            single,
            order,
            batch,
            self._token(kind),
            batch_order,
            tuple(constants),
            text=kind is Kind.READ and any(self._wires[c].text for c in self._layout.state),
        )

    def _telling(self, query: Any, kind: Kind) -> Any:
        """Let a write tell which rows it changed."""
        return query.returning(self._returned) if kind.writes else query

    def _compile(self, statement: Any, own: int, constants: list[Any]) -> tuple[str, list[int]]:
        """Compile, and tell where each parameter stands: in the row, or in what SQL of the
        user's brings along (a default, a bind expression), which is added to ``constants``.
        """
        sql, parameters = self._backend.compile(statement)
        order = []
        for name, value in parameters:
            if _OWN.fullmatch(name):
                order.append(int(name[1:]))
            else:
                order.append(own + len(constants))
                constants.append(value)
        return sql, order

    def _columns(self, kind: Kind) -> list[sa.Column[Any]]:
        """Return the column of each parameter: see ``Statements`` for the order."""
        layout, book = self._layout, self._book
        if not kind.writes:
            return [*layout.keys]
        if kind is Kind.DELETE:
            return [*layout.keys, book.etag]
        if kind is Kind.CREATE:
            filled = [f.column for f in layout.on_create if not f.is_sql]
            return [*layout.keys, *layout.state, *filled, book.etag, book.schema_version]
        filled = [f.column for f in layout.on_update if not f.is_sql]
        return [*layout.keys, book.etag, *layout.state, *filled, book.etag, book.schema_version]

    def _token(self, kind: Kind) -> int | None:
        """Return which parameter a changed row's etag is: the new one, or the one deleted."""
        if not kind.writes:
            return None
        return len(self._columns(kind)) - (1 if kind is Kind.DELETE else 2)

    def _read(self, values: list[Any], source: Any) -> sa.Select[Any]:
        book = self._book
        columns = (book.etag, book.version, book.schema_version, book.updated_at)
        return self._select([*columns, *self._layout.state], values, source)

    def _look(self, values: list[Any], source: Any) -> sa.Select[Any]:
        return self._select([self._book.etag], values, source)

    def _select(self, columns: Sequence[Any], values: list[Any], source: Any) -> sa.Select[Any]:
        expressions = [self._wires[column].select for column in columns]
        if source is None:
            return sa.select(*expressions).where(*self._key_is(values))
        query = sa.select(source.c.n, *expressions)
        return query.select_from(source.join(self._table, sa.and_(*self._key_is(values))))

    def _create(self, values: list[Any], source: Any) -> Any:
        book = self._book
        columns = dict(zip(self._columns(Kind.CREATE), values, strict=True))
        columns |= {fill.column: fill.source for fill in self._layout.on_create if fill.is_sql}
        columns |= {book.version: sa.literal_column("1")}
        columns |= {book.created_at: self._backend.now, book.updated_at: self._backend.now}
        insert = self._backend.insert(self._table)
        if source is None:
            insert = insert.values(columns)
        else:
            query = sa.select(*columns.values()).select_from(source)
            names = [column.name for column in columns]
            insert = insert.from_select(names, query, include_defaults=False)
        guarded: Any = insert
        return guarded.on_conflict_do_nothing(index_elements=list(self._layout.keys))

    def _swap(self, values: list[Any], source: Any) -> Any:
        book, keys = self._book, len(self._layout.keys)
        expected, new = values[keys], values[keys + 1 :]
        columns = dict(zip(self._columns(Kind.SWAP)[keys + 1 :], new, strict=True))
        columns |= {fill.column: fill.source for fill in self._layout.on_update if fill.is_sql}
        columns |= {book.version: book.version + sa.literal_column("1")}
        columns |= {book.updated_at: self._backend.now}
        return (
            sa.update(self._table)
            .where(*self._key_is(values[:keys]), book.etag == expected)
            .values(columns)
        )

    def _delete(self, values: list[Any], source: Any) -> Any:
        where = [*self._key_is(values[:-1]), self._book.etag == values[-1]]
        return sa.delete(self._table).where(*where)

    def _key_is(self, values: Sequence[Any]) -> list[sa.ColumnElement[bool]]:
        return [key == value for key, value in zip(self._layout.keys, values, strict=True)]


def _binds(parameters: Sequence[Parameter]) -> list[Any]:
    """Return the parameters as binds of a statement for one row."""
    binds = [sa.bindparam(f"p{i}", type_=p.wire.type) for i, p in enumerate(parameters)]
    return [_typed(p, bind) for p, bind in zip(parameters, binds, strict=True)]


def _arrays(parameters: Sequence[Parameter], *, ordinal: bool) -> tuple[Any, list[Any]]:
    """Return the parameters as columns of one ``unnest`` of an array for each."""
    arrays = [sa.bindparam(f"p{i}", type_=ARRAY(p.wire.type)) for i, p in enumerate(parameters)]
    columns = [sa.column(f"c{i}", p.wire.type) for i, p in enumerate(parameters)]
    source = (
        sa.func.unnest(*arrays)
        .table_valued(*columns, with_ordinality="n" if ordinal else None)
        .render_derived(name="batch")
    )
    values = [_typed(p, source.c[f"c{i}"]) for i, p in enumerate(parameters)]
    return source, values


def _typed(parameter: Parameter, value: Any) -> Any:
    cast = parameter.wire.cast
    return value if cast is None else sa.cast(value, cast)
