"""Columns for the fields of states, and what a value must be for a column to give it back."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import inspect
from sqlalchemy.types import TypeEngine

from theater_sql.codec import CodecError, ColumnCodec, Field, json_codec, scalar_info
from theater_sql.codec.limits import check_aware, check_finite, check_size, check_text
from theater_sql.errors import RegistrationError
from theater_sql.types import (
    MICROSECOND,
    TEXT_KEY,
    Document,
    Duration,
    ExactDecimal,
    UTCDateTime,
)

Check = Callable[[Any], Any]
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
    encode, decode = _functions(field, scalar, column.type, name)
    return ColumnCodec(column.name, field.key, nullable, field.optional, encode, decode)


def _functions(field: Field, scalar: Any, type_: Any, name: str) -> tuple[Check, Check]:
    if isinstance(type_, (sa.JSON, Document)):
        return json_codec(field.type, f"{name}.{field.name}").encode, _parse_json
    if isinstance(scalar, (inspect.EnumType, inspect.LiteralType)) and is_text(type_):
        return _choice(scalar, f"{name}.{field.name}")
    check = check_for(type_)
    if isinstance(scalar, inspect.DateTimeType):
        return check, _attach_utc if _is_aware(type_) else _same
    if scalar is None or isinstance(scalar, inspect.EnumType):
        return check, _to_plain
    return check, _same


def is_text(type_: TypeEngine[Any]) -> bool:
    """Tell a plain character column from an Enum, which is a String to SQLAlchemy."""
    return isinstance(type_, sa.String) and not isinstance(type_, sa.Enum)


def _is_aware(type_: Any) -> bool:
    return isinstance(type_, UTCDateTime) or bool(getattr(type_, "timezone", False))


def _choice(info: Any, name: str) -> tuple[Check, Check]:
    """Store an Enum or Literal as the text of its value, so that a new one needs no DDL."""
    is_enum = isinstance(info, inspect.EnumType)
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


def _parse_json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        raise CodecError("$", "not valid JSON") from None


def _same(value: Any) -> Any:
    return value


def _to_plain(value: Any) -> Any:
    """Turn what an exotic column type gives (an Enum member, a dataclass) into plain values."""
    return msgspec.to_builtins(value, builtin_types=_PLAIN)


def _attach_utc(value: Any) -> Any:
    """Name the zone: SQLite gives the instant without one."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def check_for(type_: TypeEngine[Any]) -> Check:
    """Return the check of a value for a column type; ``CodecError`` if it would not come back."""
    for kind, make in _CHECKS:
        if isinstance(type_, kind):
            return make(type_)
    return _same


def _exact(kind: type) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise CodecError("$", f"expected {kind.__name__}, got {type(value).__name__}")
        return value

    return check


def _integer(bits: int) -> Check:
    exact, low, high = _exact(int), -(2 ** (bits - 1)), 2 ** (bits - 1)

    def check(value: Any) -> Any:
        if not low <= exact(value) < high:
            raise CodecError("$", f"does not fit {bits} bits")
        return value

    return check


def _text(length: int | None) -> Check:
    exact = _exact(str)

    def check(value: Any) -> Any:
        check_text("$", exact(value))
        if length is not None and len(value) > length:
            raise CodecError("$", f"longer than {length} characters")
        return value

    return check


def _float(value: Any) -> float:
    if type(value) is int and abs(value) <= 2**53:
        value = float(value)
    check_finite("$", _exact(float)(value))
    return float(value)


def _decimal(type_: Any) -> Check:
    exact, scale, precision = _exact(Decimal), type_.scale, type_.precision

    def check(value: Any) -> Any:
        if not exact(value).is_finite():
            raise CodecError("$", "NaN or infinity")
        digits = len(value.as_tuple().digits)
        exponent = int(value.as_tuple().exponent)
        if digits > 1000 or not -1000 <= exponent <= 1000:
            raise CodecError("$", "more than 1000 digits")
        if scale is not None and value != round(value, scale):
            raise CodecError("$", f"more than {scale} decimal places")
        if precision is not None and value.adjusted() >= precision - (scale or 0):
            raise CodecError("$", f"more than {precision} digits")
        return value

    return check if type_.asdecimal else _float


def _datetime(type_: Any) -> Check:
    aware, exact = _is_aware(type_), _exact(datetime)

    def check(value: Any) -> Any:
        if not aware:
            if exact(value).tzinfo is not None:
                raise CodecError("$", "a datetime with a zone, but its column has none")
            return value
        check_aware("$", exact(value))
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise CodecError("$", "outside the years 1 to 9999 in UTC") from None

    return check


def _time(value: Any) -> Any:
    if _exact(time)(value).tzinfo is not None:
        raise CodecError("$", "time with a zone")
    return value


def _duration(value: Any) -> Any:
    if not -(2**63) <= _exact(timedelta)(value) // MICROSECOND < 2**63:
        raise CodecError("$", "more than 292,000 years")
    return value


def _bytes(value: Any) -> Any:
    check_size("$", len(_exact(bytes)(value)))
    return value


_CHECKS: Final[tuple[tuple[Any, Callable[[Any], Check]], ...]] = (
    (sa.Enum, lambda _: _same),
    (sa.String, lambda type_: _text(type_.length)),
    (sa.SmallInteger, lambda _: _integer(16)),
    (sa.BigInteger, lambda _: _integer(64)),
    (sa.Integer, lambda _: _integer(32)),
    (sa.Float, lambda _: _float),
    (ExactDecimal, lambda _: _decimal(sa.Numeric())),
    (sa.Numeric, _decimal),
    (sa.Boolean, lambda _: _exact(bool)),
    ((sa.DateTime, UTCDateTime), _datetime),
    (sa.Date, lambda _: _exact(date)),
    (sa.Time, lambda _: _time),
    ((sa.Interval, Duration), lambda _: _duration),
    (sa.Uuid, lambda type_: _exact(UUID if type_.as_uuid else str)),
    (sa.LargeBinary, lambda _: _bytes),
)
