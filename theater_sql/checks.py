"""What a value must be for a column to give it back: one check for each column type.

They make the databases agree: what one would cut, round or refuse, both refuse.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from theater_sql.codec import CodecError, same
from theater_sql.codec.limits import check_aware, check_finite, check_size, check_text
from theater_sql.types import MICROSECOND, Duration, ExactDecimal, UTCDateTime

Check = Callable[[Any], Any]
"""Returns the value, made uniform, or raises ``CodecError``."""

_LARGEST_SINGLE: Final = 3.4028234663852886e38


def is_aware(type_: Any) -> bool:
    """Tell a column type that keeps instants from one that keeps wall clock times."""
    return isinstance(type_, UTCDateTime) or bool(getattr(type_, "timezone", False))


def check_for(type_: TypeEngine[Any]) -> Check:
    """Return the check of a value for a column type; ``CodecError`` if it would not come back."""
    for kind, make in _CHECKS:
        if isinstance(type_, kind):
            return make(type_)
    return same


def _exact(kind: type) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise _wrong(kind, value)
        return value

    return check


def _wrong(kind: type, value: Any) -> CodecError:
    return CodecError("$", f"expected {kind.__name__}, got {type(value).__name__}")


def _integer(bits: int) -> Check:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1)

    def check(value: Any) -> Any:
        if type(value) is not int:
            raise _wrong(int, value)
        if not low <= value < high:
            raise CodecError("$", f"does not fit {bits} bits")
        return value

    return check


def _text(length: int | None) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not str:
            raise _wrong(str, value)
        check_text("$", value)
        if length is not None and len(value) > length:
            raise CodecError("$", f"longer than {length} characters")
        return value

    return check


def _fixed_text(length: int | None) -> Check:
    check_shorter = _text(length)

    def check(value: Any) -> Any:
        if len(check_shorter(value)) != (length or 1):
            raise CodecError("$", f"not {length or 1} characters, and would be padded")
        return value

    return check


def _float(value: Any) -> float:
    if type(value) is int and abs(value) <= 2**53:
        return float(value)
    if type(value) is not float:
        raise _wrong(float, value)
    check_finite("$", value)
    return value


def _single(value: Any) -> float:
    number = _float(value)
    if abs(number) > _LARGEST_SINGLE or struct.unpack("f", struct.pack("f", number))[0] != number:
        raise CodecError("$", "more digits than single precision has")
    return number


def _array(type_: Any) -> Check:
    """Check every item: the cast that an array takes shortens and rounds in silence."""
    check_item = check_for(type_.item_type)

    def check(value: Any) -> Any:
        for item in value if isinstance(value, (list, tuple)) else ():
            if isinstance(item, (list, tuple)):
                check(item)
            elif item is not None:
                check_item(item)
        return value

    return check


def _fits_scale(value: Decimal, scale: int) -> bool:
    """Tell without rounding: the context's precision would refuse a long number."""
    digits, exponent = value.as_tuple().digits, int(value.as_tuple().exponent)
    return exponent >= -scale or not any(digits[exponent + scale :])


def _decimal(type_: Any) -> Check:
    exact, scale, precision = _exact(Decimal), type_.scale, type_.precision

    def check(value: Any) -> Any:
        if not exact(value).is_finite():
            raise CodecError("$", "NaN or infinity")
        digits = len(value.as_tuple().digits)
        exponent = int(value.as_tuple().exponent)
        if digits > 1000 or not -1000 <= exponent <= 1000:
            raise CodecError("$", "more than 1000 digits")
        if scale is not None and not _fits_scale(value, scale):
            raise CodecError("$", f"more than {scale} decimal places")
        if precision is not None and value and value.adjusted() >= precision - (scale or 0):
            raise CodecError("$", f"more than {precision} digits")
        return value

    def check_float(value: Any) -> Any:
        number = _float(value)
        if scale is not None and round(number, scale) != number:
            raise CodecError("$", f"more than {scale} decimal places")
        return number

    return check if type_.asdecimal else check_float


def _datetime(type_: Any) -> Check:
    aware, exact = is_aware(type_), _exact(datetime)

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


_TIME, _BYTES, _TIMEDELTA = _exact(time), _exact(bytes), _exact(timedelta)


def _time(value: Any) -> Any:
    if _TIME(value).tzinfo is not None:
        raise CodecError("$", "time with a zone")
    return value


def _duration(value: Any) -> Any:
    if not -(2**63) <= _TIMEDELTA(value) // MICROSECOND < 2**63:
        raise CodecError("$", "more than 292,000 years")
    return value


def _bytes(value: Any) -> Any:
    check_size("$", len(_BYTES(value)))
    return value


_CHECKS: Final[tuple[tuple[Any, Callable[[Any], Check]], ...]] = (
    (sa.Enum, lambda _: same),
    (sa.ARRAY, _array),
    (sa.CHAR, lambda type_: _fixed_text(type_.length)),
    (sa.String, lambda type_: _text(type_.length)),
    (sa.SmallInteger, lambda _: _integer(16)),
    (sa.BigInteger, lambda _: _integer(64)),
    (sa.Integer, lambda _: _integer(32)),
    (sa.REAL, lambda _: _single),
    (sa.Float, lambda type_: _single if (type_.precision or 53) <= 24 else _float),
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
