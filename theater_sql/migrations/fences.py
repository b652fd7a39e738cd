"""Fences: triggers that keep new rows of an actor type out of the table that the others leave.

A process that has not seen yet that a type moves is refused by the database, whatever it
believes. So no actor can come to be in two tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from theater_sql.homes import FENCE, FENCE_STATE
from theater_sql.tables import Layout

_FUNCTION: Final = "theater_actor_moved"


def raise_fence(layout: Layout, name: str, schema: str | None, dialect: Dialect) -> Iterator[str]:
    """Yield the DDL that refuses new rows of an actor type; if it is there, it is made anew."""
    table = _quoted(layout.table.name, schema, dialect)
    trigger = _trigger(layout, name, None if dialect.name == "postgresql" else schema, dialect)
    is_of_type = _condition(layout, name, dialect)
    yield from lower_fence(layout, name, schema, dialect)
    if dialect.name == "sqlite":
        body = f"BEGIN SELECT RAISE(ABORT, '{FENCE}'); END"
        yield f"CREATE TRIGGER {trigger} BEFORE INSERT ON {table}{is_of_type} {body}"
        return
    function = _quoted(_FUNCTION, schema, dialect)
    yield (
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN RAISE EXCEPTION '{FENCE}' USING ERRCODE = '{FENCE_STATE}'; END$$"
    )
    yield (
        f"CREATE TRIGGER {trigger} BEFORE INSERT ON {table} FOR EACH ROW{is_of_type} "
        f"EXECUTE FUNCTION {function}()"
    )


def lower_fence(layout: Layout, name: str, schema: str | None, dialect: Dialect) -> Iterator[str]:
    """Yield the DDL that lets new rows in again."""
    if dialect.name == "sqlite":
        yield f"DROP TRIGGER IF EXISTS {_trigger(layout, name, schema, dialect)}"
        return
    table = _quoted(layout.table.name, schema, dialect)
    yield f"DROP TRIGGER IF EXISTS {_trigger(layout, name, None, dialect)} ON {table}"


def _condition(layout: Layout, name: str, dialect: Dialect) -> str:
    """Return what tells the type's rows in a table of several types."""
    if not layout.scope:
        return ""
    literal = sa.literal(name, sa.Text()).compile(
        dialect=dialect, compile_kwargs={"literal_binds": True}
    )
    column = _quoted(layout.scope[0].name, None, dialect)
    condition = f"NEW.{column} = {str(literal).replace('%%', '%')}"
    return f" WHEN ({condition})"


def _trigger(layout: Layout, name: str, schema: str | None, dialect: Dialect) -> str:
    of = hashlib.sha256(name.encode()).hexdigest()[:16]
    return _quoted(
        f"theater_moved_{of}" if layout.scope else f"theater_moved_from_{of}", schema, dialect
    )


def _quoted(name: str, schema: str | None, dialect: Dialect) -> str:
    quote = dialect.identifier_preparer.quote
    return f"{quote(schema)}.{quote(name)}" if schema else str(quote(name))
