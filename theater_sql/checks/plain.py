"""Checks of the types that every database has. They make the databases agree: what one would
cut, round or refuse, both refuse.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from math import copysign, isfinite
from typing import Any, Final
from uuid import UUID

from sqlalchemy.engine.default import DefaultDialect

from theater_sql.codec import CodecError
from theater_sql.codec.limits import check_aware, check_size, check_text
from theater_sql.errors import RegistrationError
from theater_sql.types import MICROSECOND, UTCDateTime

Check = Callable[[Any], Any]
"""Returns the value, made uniform, or raises ``CodecError``."""

_LARGEST_SINGLE: Final = 3.4028234663852886e38


class WrongType(CodecError):
    """A value of another Python type than the column's own."""


def is_aware(type_: Any) -> bool:
    """Tell a column type that keeps instants from one that keeps wall clock times."""
    return isinstance(type_, UTCDateTime) or bool(getattr(type_, "timezone", False))


def comes_back(back: Any, value: Any) -> bool:
    """Tell whether two values are the same, type and sign of zero included.

    A value whose class has no equality of its own, or an odd one (an array's), has the
    benefit of the doubt.
    """
    if type(back) is not type(value):
        return False
    if isinstance(value, (list, tuple)):
        return len(back) == len(value) and all(map(comes_back, back, value))
    if isinstance(value, dict):
        return back.keys() == value.keys() and all(comes_back(back[k], value[k]) for k in value)
    if isinstance(value, float):
        return repr(back) == repr(value)
    kind: Any = type(value)
    return (back == value) is not False or kind.__eq__ is object.__eq__


def wrong_type(kind: type, value: Any) -> WrongType:
    """Return the error of a value that is not of a type."""
    return WrongType("$", f"expected {kind.__name__}, got {type(value).__name__}")


def exact(kind: type) -> Check:
    """Take a type and no subclass of it."""

    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise wrong_type(kind, value)
        return value

    return check


def integer(bits: int) -> Check:
    """Take whole numbers of so many bits."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1)

    def check(value: Any) -> Any:
        if type(value) is not int:
            raise wrong_type(int, value)
        if not low <= value < high:
            raise CodecError("$", f"does not fit {bits} bits")
        return value

    return check


def text(length: int | None) -> Check:
    """Take text of at most so many characters."""

    def check(value: Any) -> Any:
        if type(value) is not str:
            raise wrong_type(str, value)
        check_text("$", value)
        if length is not None and len(value) > length:
            raise CodecError("$", f"longer than {length} characters")
        return value

    return check


def fixed_text(length: int | None) -> Check:
    """Take text of exactly so many characters."""
    check_shorter = text(length)

    def check(value: Any) -> Any:
        if len(check_shorter(value)) != (length or 1):
            raise CodecError("$", f"not {length or 1} characters, and would be padded")
        return value

    return check


def enumeration(type_: Any) -> Check:
    """Take what an Enum gives for it again: the member, where it has a class."""
    dialect = DefaultDialect()
    bind, load = type_.bind_processor(dialect), type_.result_processor(dialect, None)

    def check(value: Any) -> Any:
        try:
            back = load(bind(value))
        except (LookupError, TypeError):
            raise CodecError("$", "not one of the values of its type") from None
        if not comes_back(back, value):
            raise wrong_type(type(back), value)
        return value

    return check


def uuid(type_: Any) -> Check:
    """Take UUIDs, or their text as ``str`` writes it."""
    check_type = exact(UUID if type_.as_uuid else str)

    def check_spelling(value: Any) -> Any:
        try:
            back = str(UUID(check_type(value)))
        except ValueError as error:
            raise error if isinstance(error, CodecError) else CodecError("$", "no UUID") from None
        if back != value:
            raise CodecError("$", "a UUID spelled otherwise: give str(UUID(...))")
        return value

    return check_type if type_.as_uuid else check_spelling


def double(value: Any) -> float:
    """Take a number with a fraction, or a whole one that is the same as such."""
    if type(value) is float:
        if not isfinite(value):
            raise CodecError("$", "NaN or infinity")
        return value
    if type(value) is int and abs(value) <= 2**53:
        return float(value)
    raise wrong_type(float, value)


def single(value: Any) -> float:
    """Take what single precision holds."""
    number = double(value)
    if abs(number) > _LARGEST_SINGLE or struct.unpack("f", struct.pack("f", number))[0] != number:
        raise CodecError("$", "more digits than single precision has")
    return number


def signed_zero(number: Any) -> Any:
    """Refuse a zero whose sign would be lost."""
    if number == 0 and copysign(1, number) < 0:
        raise CodecError("$", "-0.0, which comes back as 0.0: add 0 to it")
    return number


def is_single(type_: Any) -> bool:
    """Tell single precision by its name or its number of bits."""
    return type_.__visit_name__ == "REAL" or (type_.precision or 53) <= 24


def floating(type_: Any) -> Check:
    """Take floats, of the precision that the column has."""
    if type_.asdecimal:
        raise RegistrationError("a Float as Decimal rounds: use Numeric")
    return single if is_single(type_) else double


def floating_column(type_: Any) -> Check:
    """Refuse besides the zero whose sign a column of SQLite loses: it keeps it as an integer."""
    check = floating(type_)
    return lambda value: signed_zero(check(value))


def _fits_scale(value: Decimal, scale: int) -> bool:
    """Tell without rounding: the context's precision would refuse a long number."""
    digits, exponent = value.as_tuple().digits, int(value.as_tuple().exponent)
    return exponent >= -scale or not any(digits[exponent + scale :])


def decimal(type_: Any) -> Check:
    """Take decimal numbers that fit precision and scale; floats where the type gives these."""
    check_type, scale, precision = exact(Decimal), type_.scale, type_.precision

    def check(value: Any) -> Any:
        if not check_type(value).is_finite():
            raise CodecError("$", "NaN or infinity")
        digits = len(value.as_tuple().digits)
        exponent = int(value.as_tuple().exponent)
        if digits > 1000 or not -1000 <= exponent <= 1000:
            raise CodecError("$", "more than 1000 digits")
        if scale is not None and not _fits_scale(value, scale):
            raise CodecError("$", f"more than {scale} decimal places")
        if precision is not None and value and value.adjusted() >= precision - (scale or 0):
            raise CodecError("$", f"more than {precision} digits")
        # PostgreSQL writes no exponents: 1E+3 is 1000 there.
        return Decimal(f"{signed_zero(value):f}") if exponent > 0 else signed_zero(value)

    def check_float(value: Any) -> Any:
        number = signed_zero(double(value))
        if scale is not None and round(number, scale) != number:
            raise CodecError("$", f"more than {scale} decimal places")
        return number

    return check if type_.asdecimal else check_float


def _rounded(check: Check, type_: Any, microseconds: Callable[[Any], int]) -> Check:
    """Refuse besides what a column with less than six decimal places would round."""
    precision = getattr(type_, "precision", None)
    if precision is None:
        precision = getattr(type_, "second_precision", None)
    if precision is None or precision >= 6:
        return check

    def check_rounded(value: Any) -> Any:
        if microseconds(check(value)) % 10 ** (6 - precision):
            raise CodecError("$", f"more than {precision} decimal places of a second")
        return value

    return check_rounded


_DATETIME, _TIME, _TIMEDELTA, _BYTES = exact(datetime), exact(time), exact(timedelta), exact(bytes)


def _naive(value: Any) -> Any:
    if _DATETIME(value).tzinfo is not None:
        raise CodecError("$", "a datetime with a zone, but its column has none")
    if value.fold:
        raise CodecError("$", "a fold, but its column has no zone to tell it by")
    return value


def _instant(value: Any) -> Any:
    check_aware("$", _DATETIME(value))
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise CodecError("$", "outside the years 1 to 9999 in UTC") from None


def moment(type_: Any) -> Check:
    """Take instants, or wall clock times without a zone, as the column has it."""
    check = _instant if is_aware(type_) else _naive
    return _rounded(check, type_, lambda value: value.microsecond)


def _time(value: Any) -> Any:
    if _TIME(value).tzinfo is not None:
        raise CodecError("$", "time with a zone")
    if value.fold:
        raise CodecError("$", "a fold, but its column has no zone to tell it by")
    return value


def time_of_day(type_: Any) -> Check:
    """Take times without a zone."""
    if type_.timezone:
        raise RegistrationError("a time with a zone names no instant: use Time or DateTime")
    return _rounded(_time, type_, lambda value: value.microsecond)


def _duration(value: Any) -> Any:
    if not -(2**63) <= _TIMEDELTA(value) // MICROSECOND < 2**63:
        raise CodecError("$", "more than 292,000 years")
    return value


def duration(type_: Any) -> Check:
    """Take spans of time that 64 bits of microseconds hold."""
    if getattr(type_, "fields", None):
        raise RegistrationError("INTERVAL fields cut: use INTERVAL without them")
    return _rounded(_duration, type_, lambda value: value.microseconds)


def binary(value: Any) -> Any:
    """Take bytes."""
    check_size("$", len(_BYTES(value)))
    return value
