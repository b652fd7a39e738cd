"""Tables: the bookkeeping columns of every row, our own two tables, tables derived from states."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import mapped_column

from theater_sql.codec import Field
from theater_sql.columns import ID_TYPES, column_of
from theater_sql.errors import RegistrationError
from theater_sql.types import TEXT_KEY, Document, UTCDateTime

GENERIC_TABLE: Final = "theater_actor"
ROUTE_TABLE: Final = "theater_actor_type"
TABLE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")
BOOKKEEPING: Final = ("version", "etag", "created_at", "updated_at", "schema_version")
RESERVED: Final = frozenset(
    {*BOOKKEEPING, "metadata", "registry", "oid", "tableoid"}
    | {"cmax", "cmin", "ctid", "xmax", "xmin"}  # PostgreSQL's own columns of every table
)
_KEY_NAME: Final = re.compile(r"actor_id(_\d+)?")
_MAX_NAME_BYTES: Final = 63
# Room for a new version of a row on its own page. SQLAlchemy knows ``postgresql_with`` only
# from 2.1 on; this gives the same DDL on 2.0, and in migrations as well.
_FILL: Final[dict[str, Any]] = {"postgresql_using": "heap WITH (fillfactor = 90)"}


class ActorRow:
    """Mixin for a mapped class of your own whose rows are actors.

    It adds the bookkeeping columns; the primary key is the actor id. No index belongs on
    these columns: on PostgreSQL one would make every write half as dear again.
    """

    version = mapped_column(sa.BigInteger, nullable=False, sort_order=100)
    etag = mapped_column(sa.Uuid, nullable=False, sort_order=101)
    created_at = mapped_column(UTCDateTime, nullable=False, sort_order=102)
    updated_at = mapped_column(UTCDateTime, nullable=False, sort_order=103)
    schema_version = mapped_column(sa.Integer, nullable=False, sort_order=104)


def bookkeeping() -> list[sa.Column[Any]]:
    """Return new bookkeeping columns, as ``ActorRow`` has them."""
    return [
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("etag", sa.Uuid, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("updated_at", UTCDateTime, nullable=False),
        sa.Column("schema_version", sa.Integer, nullable=False),
    ]


class Fill(NamedTuple):
    """A column that no state field holds, and what fills it: a Python call or SQL."""

    column: sa.Column[Any]
    source: Any

    @property
    def is_sql(self) -> bool:
        return isinstance(self.source, sa.ClauseElement)


@dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """Which columns of a table are the key, which hold the state, and what fills the others.

    Of the key, ``scope`` tells the type where the table holds several, and ``ids`` the actor.
    ``on_create`` and ``on_update`` are the model's own defaults, which would run once per
    statement if SQLAlchemy ran them, instead of once per row. Two layouts are the same only
    if they are the same object. ``only`` leaves out of lists what moved rows have left behind.
    """

    table: sa.Table
    keys: tuple[sa.Column[Any], ...]
    state: tuple[sa.Column[Any], ...]
    on_create: tuple[Fill, ...] = ()
    on_update: tuple[Fill, ...] = ()
    scope: tuple[sa.Column[Any], ...] = ()
    only: tuple[sa.ColumnElement[bool], ...] = ()

    @property
    def ids(self) -> tuple[sa.Column[Any], ...]:
        return self.keys[len(self.scope) :]


def generic_layout(metadata: sa.MetaData, jsonb: bool) -> Layout:
    """Return the layout of the generic table, adding it to ``metadata`` the first time.

    ``state`` is nullable for the marker that a row leaves behind when it moves to another table.
    """
    table = table_named(GENERIC_TABLE, metadata)
    if table is None:
        table = sa.Table(
            GENERIC_TABLE,
            metadata,
            sa.Column("actor_type", TEXT_KEY, primary_key=True),
            sa.Column("actor_id", TEXT_KEY, primary_key=True),
            sa.Column("state", Document(jsonb)),
            *bookkeeping(),
            **_FILL,
        )
    keys = (table.c.actor_type, table.c.actor_id)
    return Layout(table, keys, (table.c.state,), scope=keys[:1])


def route_table(metadata: sa.MetaData) -> sa.Table:
    """Return the table that says where an actor type's rows live, adding it the first time."""
    table = table_named(ROUTE_TABLE, metadata)
    if table is None:
        table = sa.Table(
            ROUTE_TABLE,
            metadata,
            sa.Column("name", TEXT_KEY, primary_key=True),
            sa.Column("home", sa.Text, nullable=False),
            sa.Column("epoch", sa.BigInteger, nullable=False),
        )
    return table


def table_named(name: str, metadata: sa.MetaData) -> sa.Table | None:
    """Return the table of that name in the schema that ``metadata`` gives its tables."""
    return metadata.tables.get(f"{metadata.schema}.{name}" if metadata.schema else name)


def state_columns(
    fields: Sequence[Field], names: Mapping[str, str], name: str
) -> list[sa.Column[Any]]:
    """Return a new column for each field, called as ``names`` says or like the field."""
    unknown = names.keys() - {field.name for field in fields}
    if unknown:
        raise RegistrationError(f"{name}: columns= names {sorted(unknown)}, which are no fields")
    columns = [column_of(field) for field in fields]
    wanted = [names.get(column.name, column.name) for column in columns]
    _check_names(wanted, name)
    for column, called in zip(columns, wanted, strict=True):
        column.name = column.key = called
    return columns


def derived_layout(
    name: str, metadata: sa.MetaData, id_types: Sequence[type], state: Sequence[sa.Column[Any]]
) -> Layout:
    """Add a table with these state columns to ``metadata``."""
    if not TABLE_NAME.fullmatch(name):
        raise RegistrationError(f"table name {name!r} must match {TABLE_NAME.pattern}")
    if table_named(name, metadata) is not None:
        raise RegistrationError(f"table {name!r} exists already: pass another table=")
    keys = _key_columns(id_types)
    table = sa.Table(name, metadata, *keys, *state, *bookkeeping(), **_FILL)
    return Layout(table, tuple(keys), tuple(state))


def _key_columns(id_types: Sequence[type]) -> list[sa.Column[Any]]:
    if not id_types or not all(any(kind is one for one in ID_TYPES) for kind in id_types):
        raise RegistrationError("id_type is str, int, UUID, bytes or a tuple of these")
    names = [f"actor_id_{n}" for n in range(1, len(id_types) + 1)]
    if len(names) == 1:
        names = ["actor_id"]
    return [
        sa.Column(name, ID_TYPES[kind](), primary_key=True, autoincrement=False)
        for name, kind in zip(names, id_types, strict=True)
    ]


def _check_names(names: Sequence[str], of: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name.lower() in RESERVED or _KEY_NAME.fullmatch(name):
            problem = "is a column of ours or SQLAlchemy's"
        elif name.lower() in seen:
            problem = "differs from another only in case"
        elif not name or "\0" in name or "%(" in name:
            problem = "is empty or holds NUL or %(, which is a parameter to SQLAlchemy"
        elif len(name.encode(errors="surrogatepass")) > _MAX_NAME_BYTES:
            problem = f"is longer than {_MAX_NAME_BYTES} bytes"
        elif any("\ud800" <= char <= "\udfff" for char in name):
            problem = "holds a lone surrogate"
        else:
            seen.add(name.lower())
            continue
        raise RegistrationError(
            f"{of}: field {name!r} {problem}: name its column with "
            f"columns={{{name!r}: 'other_name'}}"
        )


def model_layout(table: sa.Table, state: Sequence[sa.Column[Any]], name: str) -> Layout:
    """Return the layout of a table of the user's own, whose state columns are given."""
    for own in bookkeeping():
        column = table.c.get(own.name)
        if column is None or type(column.type) is not type(own.type):
            raise RegistrationError(
                f"{name}: {table.name} has no {own.name!r} as ActorRow gives it: add that mixin"
            )
    keys = tuple(table.primary_key.columns)
    known = {*BOOKKEEPING, *(column.name for column in (*keys, *state))}
    others = [c for c in table.columns if c.name not in known and c.computed is None]
    for column in others:
        if not (column.nullable or column.server_default or column.default or column.identity):
            raise RegistrationError(
                f"{name}: column {column.name!r} is NOT NULL and nothing fills it: "
                "give it a default, or the state a field of that name"
            )
    return Layout(
        table,
        keys,
        tuple(state),
        _fills(others, lambda column: column.default),
        _fills(others, lambda column: column.onupdate),
    )


def violated(
    table: sa.Table, name: str | None, columns: tuple[str, ...]
) -> tuple[str | None, tuple[str, ...]]:
    """Complete what a database tells of a violated constraint: some its name, some its columns."""
    for kind, suffix in ((sa.UniqueConstraint, "key"), (sa.ForeignKeyConstraint, "fkey")):
        for one in (c for c in table.constraints if isinstance(c, kind)):
            of = tuple(column.name for column in one.columns)
            if name is not None and name in (one.name, f"{table.name}_{'_'.join(of)}_{suffix}"):
                return name, of
            if name is None and suffix == "key" and set(of) == set(columns):
                return one.name if isinstance(one.name, str) else None, columns
    for index in (index for index in table.indexes if index.unique):
        of = tuple(column.name for column in index.columns)
        if index.name == name or (name is None and set(of) == set(columns)):
            return index.name, of
    return name, columns


def _fills(columns: Sequence[sa.Column[Any]], default: Callable[[Any], Any]) -> tuple[Fill, ...]:
    pairs = [(column, default(column)) for column in columns]
    given = [(column, source) for column, source in pairs if source is not None]
    return tuple(Fill(c, default_source(d)) for c, d in given if not d.is_sequence)


def default_source(default: Any) -> Any:
    """Return the SQL of a column default, or a function that gives its next value."""
    if default.is_clause_element:
        return default.arg
    if default.is_callable:
        return lambda: default.arg(None)
    return lambda: default.arg
