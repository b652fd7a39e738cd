"""What a value must be for a column to give it back: one check for each column type."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import DOMAIN, INTERVAL
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from theater_sql.checks import plain, postgresql
from theater_sql.checks.documents import check_jsonb, document
from theater_sql.checks.plain import (
    Check,
    WrongType,
    comes_back,
    is_aware,
    is_single,
    signed_zero,
    wrong_type,
)
from theater_sql.codec import CodecError, same
from theater_sql.errors import RegistrationError
from theater_sql.types import Duration, ExactDecimal, UTCDateTime

__all__ = [
    "Check",
    "check_for",
    "check_jsonb",
    "check_on",
    "comes_back",
    "depends_on_dialect",
    "is_aware",
    "is_single",
    "on_dialect",
    "signed_zero",
    "without_domain",
]

_CHECKS: Final[tuple[tuple[Any, Callable[[Any], Check]], ...]] = (
    (sa.Enum, plain.enumeration),
    (sa.CHAR, lambda type_: plain.fixed_text(type_.length)),
    (sa.String, lambda type_: plain.text(type_.length)),
    (sa.SmallInteger, lambda _: plain.integer(16)),
    (sa.BigInteger, lambda _: plain.integer(64)),
    (sa.Integer, lambda _: plain.integer(32)),
    (sa.Float, plain.floating_column),
    (ExactDecimal, lambda _: plain.decimal(sa.Numeric())),
    (sa.Numeric, plain.decimal),
    (sa.Boolean, lambda _: plain.exact(bool)),
    ((sa.DateTime, UTCDateTime), plain.moment),
    (sa.Date, lambda _: plain.exact(date)),
    (sa.Time, plain.time_of_day),
    ((sa.Interval, Duration, INTERVAL), plain.duration),
    (sa.Uuid, plain.uuid),
    (sa.LargeBinary, lambda _: plain.binary),
    (sa.JSON, document),
    *postgresql.CHECKS,
)


def check_for(type_: Any, dialect: Dialect | None = None) -> Check:
    """Return the check of a value for a column type; ``CodecError`` if it would not come back.

    Without a dialect it leaves out what depends on one. ``RegistrationError`` if values of
    this type never come back for certain.
    """
    type_ = without_domain(type_ if dialect is None else on_dialect(type_, dialect))
    if isinstance(type_, sa.ARRAY):
        return _array(type_, dialect)
    if isinstance(type_, sa.JSON) and getattr(dialect, "_json_serializer", None):
        return same  # what it writes of a value is the user's business
    for kind, make in _CHECKS:
        if isinstance(type_, kind):
            return make(type_)
    if not isinstance(type_, TypeDecorator):
        return same
    if dialect is None:
        check_for(type_.impl_instance)  # which may be refused
        return same
    return _decorated(type_, dialect)


def check_on(type_: Any, dialect: Dialect) -> Check | None:
    """Return the check that ``check_for`` leaves out without a dialect, if there is one."""
    if not depends_on_dialect(type_):
        return None
    try:
        return check_for(type_, dialect)
    except RegistrationError as error:
        reason = str(error)

    def refuse(value: Any) -> Any:
        raise CodecError("$", reason)

    return refuse


def depends_on_dialect(type_: Any) -> bool:
    """Tell a type that is another on each database, or converts as its author wrote."""
    type_ = without_domain(type_)
    if isinstance(type_, sa.ARRAY):
        return depends_on_dialect(type_.item_type)
    own = isinstance(type_, TypeDecorator) and not any(isinstance(type_, k) for k, _ in _CHECKS)
    return own or bool(type_._variant_mapping)


def on_dialect(type_: Any, dialect: Dialect) -> Any:
    """Return the variant of a type that a database has."""
    return type_._variant_mapping.get(dialect.name, type_)


def without_domain(type_: Any) -> Any:
    """Return the type that a domain is of: it takes and gives its values."""
    while isinstance(type_, DOMAIN):
        type_ = type_.data_type
    return type_


def _array(type_: Any, dialect: Dialect | None) -> Check:
    """Take lists of lists as an array has them, and what each item's type takes."""
    is_float = isinstance(type_.item_type, sa.Float)  # an array keeps the sign of its zeros
    check_item = (
        plain.floating(type_.item_type) if is_float else check_for(type_.item_type, dialect)
    )
    kind: Any = tuple if type_.as_tuple else list

    def shape(value: Any, dimensions: int | None) -> tuple[int, ...]:
        if type(value) is not kind:
            raise wrong_type(kind, value)
        # SQLAlchemy decides by the first item, too.
        nested = value and isinstance(value[0], (list, tuple)) if not dimensions else dimensions > 1
        if not nested:
            for item in value:
                if item is not None:
                    check_item(item)
            return (len(value),)
        inner = {shape(item, dimensions and dimensions - 1) for item in value}
        if len(inner) > 1 or any(0 in lengths for lengths in inner):
            raise CodecError("$", "lists of different lengths, or empty ones inside another")
        return (len(value), *(inner.pop() if inner else ()))

    def check(value: Any) -> Any:
        shape(value, type_.dimensions)
        return value

    return check


def _decorated(type_: Any, dialect: Dialect) -> Check:
    """Check what a type of the user's makes of a value, and that it gives the value for that."""
    own = type(type_)
    if own.bind_processor is not TypeDecorator.bind_processor:
        return same  # it converts in its own way: PickleType does
    inner_type = type_.load_dialect_impl(dialect)
    check_inner = check_for(inner_type, dialect)
    binds = own.process_bind_param is not TypeDecorator.process_bind_param
    loads = own.process_result_value is not TypeDecorator.process_result_value

    if check_inner is same:
        return same  # a type that nobody but the database knows

    def check(value: Any) -> Any:
        inner = type_.process_bind_param(value, dialect) if binds else value
        try:
            inner = inner if inner is None else check_inner(inner)
        except WrongType:
            if not isinstance(inner, (str, int)):
                raise
            # It may stand for a value of the inner type, and comes back as that.
            if not isinstance(inner_type, sa.Uuid):
                return value
            inner = UUID(str(inner))
        back = type_.process_result_value(inner, dialect) if loads else inner
        if not comes_back(back, value):
            raise CodecError("$", "its column type gives back something else for it")
        return value

    return check
