"""Column types of our own: SQLAlchemy's, save on SQLite, where those would lose a zone, a digit
or a range.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

MICROSECOND: Final = timedelta(microseconds=1)


class UTCDateTime(TypeDecorator[datetime]):
    """An instant: ``timestamptz``, on SQLite ISO text in UTC that sorts by time."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return sa.Text() if dialect.name == "sqlite" else sa.DateTime(timezone=True)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
            if value.tzinfo is None:  # as SQLite's own CURRENT_TIMESTAMP, which is in UTC
                value = value.replace(tzinfo=UTC)
        return value.astimezone(UTC) if value is not None else None


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal number: ``numeric``, on SQLite text, which sorts as text there."""

    impl = sa.Numeric()
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return sa.Text() if dialect.name == "sqlite" else sa.Numeric()

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return Decimal(value) if isinstance(value, str) else value


class Duration(TypeDecorator[timedelta]):
    """A span of time: ``interval``, on SQLite a whole number of microseconds."""

    impl = sa.Interval()
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return sa.BigInteger() if dialect.name == "sqlite" else sa.Interval()

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> Any:
        return value // MICROSECOND if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> timedelta | None:
        return timedelta(microseconds=value) if isinstance(value, int) else value


class Document(TypeDecorator[Any]):
    """A JSON document, kept verbatim: ``json`` or ``jsonb``, on SQLite text.

    A column declared JSON has numeric affinity on SQLite: it would turn ``1e2`` into 100.
    """

    impl = sa.JSON(none_as_null=True)
    cache_ok = True

    def __init__(self, jsonb: bool = False) -> None:
        super().__init__()
        self.jsonb = jsonb

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return sa.Text()
        return JSONB(none_as_null=True) if self.jsonb else sa.JSON(none_as_null=True)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return json.dumps(value, allow_nan=False)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return json.loads(value)


TEXT_KEY: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text compared byte for byte, on both databases."""
