"""How each column travels to PostgreSQL: natively where psycopg knows its type, else as text."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from theater_sql.backends.base import Wire
from theater_sql.checks import (
    check_jsonb,
    check_on,
    is_single,
    on_dialect,
    without_domain,
)
from theater_sql.types import Document

_NUMERIC_OID, _DOUBLE_OID = 1700, 701

_NATIVE: Final[dict[str, TypeEngine[Any]]] = {
    "integer": sa.Integer(),
    "INTEGER": sa.Integer(),
    "big_integer": sa.BigInteger(),
    "BIGINT": sa.BigInteger(),
    "small_integer": sa.SmallInteger(),
    "SMALLINT": sa.SmallInteger(),
    "float": sa.Double(),
    "FLOAT": sa.Double(),
    "double": sa.Double(),
    "DOUBLE": sa.Double(),
    "DOUBLE_PRECISION": sa.Double(),
    "REAL": sa.Double(),
    "numeric": sa.Numeric(),
    "NUMERIC": sa.Numeric(),
    "DECIMAL": sa.Numeric(),
    "string": sa.Text(),
    "unicode": sa.Text(),
    "text": sa.Text(),
    "unicode_text": sa.Text(),
    "VARCHAR": sa.Text(),
    "TEXT": sa.Text(),
    "boolean": sa.Boolean(),
    "BOOLEAN": sa.Boolean(),
    "large_binary": postgresql.BYTEA(),
    "BYTEA": postgresql.BYTEA(),
    "date": sa.Date(),
    "DATE": sa.Date(),
    "time": sa.Time(),
    "TIME": sa.Time(),
    "interval": postgresql.INTERVAL(),
    "INTERVAL": postgresql.INTERVAL(),
    "uuid": sa.Uuid(),
    "UUID": sa.Uuid(),
}
"""The types that travel as they are, by SQLAlchemy's name, and what a parameter is declared as:
without a length or a scale, since a cast to one would shorten a value in silence."""


class Wires:
    """Gives the wire of a column."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._text = _text_transformer()

    def __call__(self, column: sa.Column[Any]) -> Wire:
        """Return how a column travels, and what it takes where that is PostgreSQL's business."""
        type_: Any = without_domain(on_dialect(without_domain(column.type), self._dialect))
        if isinstance(type_, (sa.JSON, Document)):
            is_binary = isinstance(self._declared(type_), JSONB)
            check = check_jsonb if is_binary else None
            return Wire(sa.Text(), sa.cast(column, sa.Text), cast=type_, check=check)
        return self._wire(column, type_)._replace(check=check_on(column.type, self._dialect))

    def _wire(self, column: sa.Column[Any], type_: Any) -> Wire:
        dialect, declared = self._dialect, self._declared(type_)
        impl = declared.dialect_impl(dialect)
        bind = type_.dialect_impl(dialect).bind_processor(dialect)
        load = self._loader(type_, impl)
        if isinstance(impl, sa.LargeBinary):  # SQLAlchemy wraps bytes; the driver takes them bare
            bind = _unwrapped(bind) if isinstance(type_, TypeDecorator) else None
        if type_._has_bind_expression or type_._has_column_expression:
            return Wire(type_, column, bind=bind, load=load, single=True, text=True)
        select = _selected(column, declared, self._declared)
        native = _native(impl)
        if native is None:
            text = self._texter(bind)
            return Wire(sa.Text(), select, cast=type_, bind=text, load=load, text=True)
        if isinstance(type_, TypeDecorator) or isinstance(impl, sa.Uuid):
            return Wire(native, select, bind=bind, load=load)
        load = float if isinstance(impl, sa.Numeric) and not impl.asdecimal else None
        return Wire(native, select, bind=bind, load=load)

    def _declared(self, type_: Any) -> Any:
        """Return the type that the column has in the database, for one of the user's."""
        type_ = without_domain(on_dialect(type_, self._dialect))
        while isinstance(type_, TypeDecorator):
            type_ = without_domain(on_dialect(type_.type_engine(self._dialect), self._dialect))
        return type_

    def _loader(self, type_: Any, impl: Any) -> Any:
        """Return what makes a value of the driver's: SQLAlchemy asks for the OID of a number."""
        item = self._declared(impl.item_type) if isinstance(impl, sa.ARRAY) else impl
        oid = None
        if isinstance(item, (sa.Float, sa.Numeric)):
            oid = _DOUBLE_OID if isinstance(item, sa.Float) else _NUMERIC_OID
        return type_.dialect_impl(self._dialect).result_processor(self._dialect, oid)

    def _texter(self, bind: Any) -> Any:
        """Return a function that gives PostgreSQL's text form of a value."""
        transformer, text = self._text

        def to_text(value: Any) -> str:
            value = value if bind is None else bind(value)
            if isinstance(value, str):
                return value
            return bytes(transformer.get_dumper(value, text).dump(value) or b"").decode()

        return to_text


def _native(impl: Any) -> TypeEngine[Any] | None:
    name = impl.__visit_name__
    if name in ("datetime", "DATETIME", "TIMESTAMP"):
        return sa.DateTime(timezone=impl.timezone)
    if isinstance(impl, sa.Enum) or (name in ("time", "TIME") and impl.timezone):
        return None
    if isinstance(impl, sa.Uuid) and not impl.native_uuid:
        return sa.Text()
    return _NATIVE.get(name)


def _selected(
    column: sa.Column[Any], declared: Any, item_of: Callable[[Any], Any]
) -> sa.ColumnElement[Any]:
    """Return what reads a column so that the driver understands it, and loses nothing.

    As text, single precision has the digits that tell it from its neighbours, not its own.
    Arrays of domains and of types that the driver has never heard of come as one string.
    """
    if _is_single(declared):
        return sa.cast(column, sa.Double())
    if not isinstance(declared, sa.ARRAY):
        return column
    item = item_of(declared.item_type)
    if _is_single(item):
        return sa.cast(column, ARRAY(sa.Double()))
    if isinstance(item, (postgresql.CITEXT, UserDefinedType, sa.Enum)):
        return sa.cast(column, ARRAY(sa.Text()))
    return column if item is declared.item_type else sa.cast(column, ARRAY(item))


def _is_single(type_: Any) -> bool:
    return isinstance(type_, sa.Float) and is_single(type_)


def _text_transformer() -> tuple[Any, Any]:
    """Return psycopg's own for a text form, save for bytes: without a connection it doubles
    each quote, as for a literal.
    """
    from psycopg import Binary, adapters
    from psycopg.adapt import AdaptersMap, Dumper, PyFormat, Transformer

    class HexDumper(Dumper):
        def dump(self, obj: Any) -> bytes:
            return b"\\x" + bytes(obj.obj if isinstance(obj, Binary) else obj).hex().encode()

    own = AdaptersMap(adapters)
    for kind in (bytes, bytearray, memoryview, Binary):
        own.register_dumper(kind, HexDumper)
    context: Any = SimpleNamespace(adapters=own, connection=None)
    return Transformer(context), PyFormat.TEXT


def _unwrapped(bind: Any) -> Any:
    return lambda value: getattr(bound := bind(value), "obj", bound)
