"""Columns for the fields of states, and how values get into them and back."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import inspect
from sqlalchemy.types import TypeEngine

from theater_sql.checks import (
    Check,
    check_for,
    depends_on_dialect,
    is_aware,
    without_domain,
)
from theater_sql.codec import CodecError, ColumnCodec, Field, json_codec, same, scalar_info
from theater_sql.codec.limits import check_finite
from theater_sql.errors import RegistrationError
from theater_sql.types import (
    TEXT_KEY,
    Document,
    Duration,
    ExactDecimal,
    UTCDateTime,
)

DEFAULT: Final = "theater_sql.default"
"""In a column's ``info``: a function that gives the default of its field, encoded."""
RENAMED: Final = "theater_sql.renamed"
"""In a column's ``info``: the name that it had before."""

_PLAIN: Final = (bytes, datetime, date, time, timedelta, Decimal, UUID)


_BY_INFO: Final[dict[type[inspect.Type], Callable[[], TypeEngine[Any]]]] = {
    inspect.IntType: sa.BigInteger,
    inspect.FloatType: sa.Double,
    inspect.StrType: sa.Text,
    inspect.BoolType: sa.Boolean,
    inspect.BytesType: sa.LargeBinary,
    inspect.DateType: sa.Date,
    inspect.TimeType: sa.Time,
    inspect.TimeDeltaType: Duration,
    inspect.UUIDType: sa.Uuid,
    inspect.DateTimeType: UTCDateTime,
    inspect.DecimalType: ExactDecimal,
    inspect.EnumType: sa.String,
    inspect.LiteralType: sa.String,
}

_UNCONSTRAINED: Final = (
    inspect.BoolType(),
    inspect.BytesType(),
    inspect.FloatType(),
    inspect.IntType(),
    inspect.StrType(),
)

ID_TYPES: Final[dict[type, Callable[[], TypeEngine[Any]]]] = {
    str: lambda: TEXT_KEY,
    int: sa.BigInteger,
    UUID: sa.Uuid,
    bytes: sa.LargeBinary,
}


def column_of(field: Field) -> sa.Column[Any]:
    """Return the column for a field: one of the table above, or JSON for any other type."""
    scalar, nullable = scalar_info(field.info)
    if scalar is None:
        type_: TypeEngine[Any] = Document()
    else:
        type_ = _BY_INFO[type(scalar)]()
    return sa.Column(field.name, type_, nullable=nullable or field.optional)


def column_codec(field: Field, column: sa.Column[Any], name: str) -> ColumnCodec:
    """Return how a field's value becomes a value for its column, and back."""
    scalar, nullable = scalar_info(field.info)
    if isinstance(field.info, inspect.AnyType):
        nullable = bool(column.nullable)
    if field.optional and nullable:
        raise RegistrationError(
            f"{name}.{field.name}: NotRequired and Optional can't be told apart in a column"
        )
    if (nullable or field.optional) and not column.nullable:
        raise RegistrationError(f"{name}.{field.name}: may be None, but its column is NOT NULL")
    encode, decode = _functions(field, scalar, without_domain(column.type), name)
    # The checks of these columns take exactly what these types do, constraints aside.
    certain = (
        scalar in _UNCONSTRAINED
        and type(column.type) is type(column_of(field).type)
        and not depends_on_dialect(column.type)
    )
    return ColumnCodec(column.name, field.key, nullable, field.optional, encode, decode, certain)


def note_default(field: Field, column: sa.Column[Any], codec: ColumnCodec) -> None:
    """Note in a column what a row without the field holds, for the migrations to ask for."""
    if field.factory is not msgspec.NODEFAULT:
        column.info[DEFAULT] = lambda: codec.encode(unchanging(field.factory))
    elif field.default is not msgspec.NODEFAULT and field.default is not None:
        column.info[DEFAULT] = lambda: codec.encode(field.default)


def note_renamed(
    columns: Mapping[str, sa.Column[Any]], renamed: Mapping[str, str], name: str
) -> None:
    """Note in the columns of fields what they were called before."""
    unknown = renamed.keys() - columns.keys()
    if unknown:
        raise RegistrationError(f"{name}: renamed= names {sorted(unknown)}, which are no fields")
    for field, before in renamed.items():
        columns[field].info[RENAMED] = before


def unchanging(make: Callable[[], Any]) -> Any:
    """Return what a factory makes, or raise ``LookupError`` if it would be another each time."""
    first, second = make(), make()
    if first != second or isinstance(first, (date, time, UUID)):
        raise LookupError("the default differs from row to row")
    return first


def _functions(field: Field, scalar: Any, type_: Any, name: str) -> tuple[Check, Check]:
    if isinstance(type_, (sa.JSON, Document)):
        return json_codec(field.type, f"{name}.{field.name}").encode, _parse_json
    if isinstance(scalar, (inspect.EnumType, inspect.LiteralType)) and is_text(type_):
        return _choice(scalar, f"{name}.{field.name}")
    check = _check(type_, f"{name}.{field.name}")
    if isinstance(type_, sa.ARRAY) and not isinstance(field.info, inspect.AnyType):
        check = _of_list(check, type_.as_tuple)
    if isinstance(scalar, inspect.DateTimeType):
        return check, attach_utc if is_aware(type_) else same
    if isinstance(scalar, (inspect.FloatType, inspect.DecimalType)):
        return check, _finite
    if isinstance(field.info, inspect.AnyType):
        return check, same  # the column's own values: a range, an address
    if scalar is None or isinstance(scalar, inspect.EnumType):
        return check, _to_plain
    return check, same


def is_text(type_: TypeEngine[Any]) -> bool:
    """Tell a plain character column from an Enum, which is a String to SQLAlchemy."""
    return isinstance(type_, sa.String) and not isinstance(type_, sa.Enum)


def _choice(info: Any, name: str) -> tuple[Check, Check]:
    """Store an Enum or Literal as the text of its value, so that a new one needs no DDL."""
    is_enum = isinstance(info, inspect.EnumType)
    if is_enum and issubclass(info.cls, enum.Flag):
        return _flags(info.cls)
    raw = (
        [member.value for member in info.cls]
        if is_enum
        else [v for v in info.values if v is not None]
    )
    by_text = {str(value): value for value in raw}
    if len(by_text) < len(raw):
        raise RegistrationError(f"{name}: two of its values have the same text")

    def encode(value: Any) -> str:
        text = str(value.value if isinstance(value, enum.Enum) else value)
        if (is_enum and type(value) is not info.cls) or text not in by_text:
            raise CodecError("$", "not one of the values of its type")
        return text

    def decode(text: str) -> Any:
        if text not in by_text:
            raise CodecError("$", "not one of the values of its type")
        return by_text[text]

    return encode, decode


def _flags(cls: type[enum.Flag]) -> tuple[Check, Check]:
    """Store flags as the text of their number: they may be set in any combination."""

    def encode(value: Any) -> str:
        if type(value) is not cls:
            raise CodecError("$", "not one of the values of its type")
        return str(value.value)

    def decode(text: str) -> Any:
        try:
            return cls(int(text)).value
        except ValueError:
            raise CodecError("$", "not one of the values of its type") from None

    return encode, decode


def _check(type_: Any, name: str) -> Check:
    """Return the check of a type, or none where its wire has one, which knows the database."""
    try:
        check = check_for(type_)
    except RegistrationError as error:
        raise RegistrationError(f"{name}: {error}") from None
    return same if depends_on_dialect(type_) else check


def _of_list(check: Check, as_tuple: bool) -> Check:
    """Make the lists that an array takes of a field's tuples and sets: its type gives them back."""
    kind: Any = tuple if as_tuple else list

    def plain(value: Any) -> Any:
        return (
            kind(map(plain, value)) if isinstance(value, (list, tuple, set, frozenset)) else value
        )

    return lambda value: check(plain(value))


def _parse_json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise CodecError("$", "not valid JSON") from None


def _to_plain(value: Any) -> Any:
    """Turn what an exotic column type gives (an Enum member, a dataclass) into plain values."""
    return msgspec.to_builtins(value, builtin_types=_PLAIN)


def _finite(value: Any) -> Any:
    """Refuse what SQL of somebody else's may have stored, and no put could store again."""
    if type(value) is float:
        check_finite("$", value)
    elif type(value) is Decimal and not value.is_finite():
        raise CodecError("$", "NaN or infinity")
    return value


def attach_utc(value: Any) -> Any:
    """Name the zone: SQLite gives the instant without one."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
