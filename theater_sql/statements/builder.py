"""How each kind of statement is built, from one description in two forms: a row, a batch."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from theater_sql.backends.base import Backend, Statement, Wire
from theater_sql.tables import Layout


class Kind(enum.Enum):
    """The kinds of statement.

    ``LOOK`` reads the etag only, and works on undecodable rows; ``PROBE`` does the same, and
    ``REREAD`` what ``READ`` does, among the writes. ``LOCK`` looks and
    keeps other writers out until the transaction ends. ``LIST`` and ``LIST_AFTER`` give the
    keys of a type's rows in their order, ``COUNT`` their number. ``WHOLE`` reads all of a row,
    and ``ADOPT`` inserts it into another table as it is, etag and all.
    """

    READ = "read"
    LOOK = "look"
    PROBE = "probe"
    REREAD = "reread"
    LOCK = "lock"
    LIST = "list"
    LIST_AFTER = "list_after"
    COUNT = "count"
    CREATE = "create"
    SWAP = "swap"
    DELETE = "delete"
    WHOLE = "whole"
    ADOPT = "adopt"

    writes: bool
    many: bool

    def __init__(self, name: str) -> None:
        self.writes = name in ("create", "swap", "delete", "adopt")
        self.many = name in ("list", "list_after", "count")


_OWN: Final = re.compile(r"p\d+")
"""The names of our own parameters."""
_LIMIT: Final = sa.Column("limit", sa.BigInteger)
"""Stands for the parameter that bounds a list."""


class Parameter(NamedTuple):
    """One parameter: as a bind of its own, or as a column of the batch's arrays."""

    column: sa.Column[Any]
    wire: Wire


class Builder:
    """Builds the statements of one layout, each from one description in two forms."""

    def __init__(self, layout: Layout, backend: Backend, wires: dict[sa.Column[Any], Wire]) -> None:
        self._layout = layout
        self._table = layout.table
        self._backend = backend
        self._wires = wires
        self._book = layout.table.c
        self._returned = wires[layout.table.c.etag].select

    def __call__(self, kind: Kind) -> Statement:
        parameters = [Parameter(c, self._wire(c)) for c in self._columns(kind)]
        build: Callable[[list[Any], Any], Any] = getattr(self, f"_{kind.value}")
        own, constants = len(parameters), list[Any]()
        query = build(_binds(parameters), None)
        single, order = self._compile(self._telling(query, kind), own, constants)
        batch: str | None = None
        batch_order: list[int] = []
        if not self._backend.batches and kind.writes:
            batch, batch_order = self._compile(query, own, constants)
        elif self._backend.batches and not (kind.many or any(p.wire.single for p in parameters)):
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
            text=any(self._wires[c].text for c in self._selected(kind)),
            many=kind.many,
            probes=kind in (Kind.PROBE, Kind.REREAD),
        )

    def _wire(self, column: sa.Column[Any]) -> Wire:
        return self._backend.wire(_LIMIT) if column is _LIMIT else self._wires[column]

    def _selected(self, kind: Kind) -> Sequence[sa.Column[Any]]:
        """Return the columns that a statement gives, besides those of the bookkeeping."""
        if kind in (Kind.READ, Kind.REREAD, Kind.WHOLE):
            return self._layout.state
        return self._layout.ids if kind in (Kind.LIST, Kind.LIST_AFTER) else ()

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
        if kind in (Kind.LIST, Kind.COUNT):
            return [*layout.scope, *([_LIMIT] if kind is Kind.LIST else [])]
        if not kind.writes:
            return [*layout.keys, *([_LIMIT] if kind is Kind.LIST_AFTER else [])]
        if kind is Kind.DELETE:
            return [*layout.keys, book.etag]
        if kind in (Kind.CREATE, Kind.ADOPT):
            filled = [f.column for f in layout.on_create if not f.is_sql]
            brought = [book.version, book.created_at, book.updated_at] if kind is Kind.ADOPT else []
            return [*layout.keys, *layout.state, *filled, *brought, book.etag, book.schema_version]
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

    def _whole(self, values: list[Any], source: Any) -> sa.Select[Any]:
        return self._read(values, source).add_columns(self._wires[self._book.created_at].select)

    def _look(self, values: list[Any], source: Any) -> sa.Select[Any]:
        return self._select([self._book.etag], values, source)

    _probe, _reread = _look, _read

    def _lock(self, values: list[Any], source: Any) -> sa.Select[Any]:
        query = self._look(values, source).order_by(*self._layout.keys)
        return query.with_for_update(of=self._table, key_share=True)

    def _list(self, values: list[Any], source: Any) -> sa.Select[Any]:
        ids = self._layout.ids
        query = sa.select(*[self._wires[column].select for column in ids])
        return query.where(*self._in_scope(values)).order_by(*ids).limit(values[-1])

    def _list_after(self, values: list[Any], source: Any) -> sa.Select[Any]:
        ids, after = self._layout.ids, values[len(self._layout.scope) : -1]
        beyond = sa.tuple_(*ids) > sa.tuple_(*after) if len(ids) > 1 else ids[0] > after[0]
        return self._list(values, source).where(beyond)

    def _count(self, values: list[Any], source: Any) -> sa.Select[Any]:
        query = sa.select(sa.func.count()).select_from(self._table)
        return query.where(*self._in_scope(values))

    def _in_scope(self, values: Sequence[Any]) -> list[sa.ColumnElement[bool]]:
        scope = [key == value for key, value in zip(self._layout.scope, values, strict=False)]
        return [*scope, *self._layout.only]

    def _select(self, columns: Sequence[Any], values: list[Any], source: Any) -> sa.Select[Any]:
        expressions = [self._wires[column].select for column in columns]
        if source is None:
            return sa.select(*expressions).where(*self._key_is(values))
        query = sa.select(source.c.n, *expressions)
        return query.select_from(source.join(self._table, sa.and_(*self._key_is(values))))

    def _create(self, values: list[Any], source: Any) -> Any:
        book, now = self._book, self._backend.now
        made = {book.version: sa.literal_column("1"), book.created_at: now, book.updated_at: now}
        return self._insert(Kind.CREATE, values, source, made)

    def _adopt(self, values: list[Any], source: Any) -> Any:
        return self._insert(Kind.ADOPT, values, source, {})

    def _insert(
        self, kind: Kind, values: list[Any], source: Any, made: dict[sa.Column[Any], Any]
    ) -> Any:
        columns = dict(zip(self._columns(kind), values, strict=True))
        columns |= {fill.column: fill.source for fill in self._layout.on_create if fill.is_sql}
        columns |= made
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
