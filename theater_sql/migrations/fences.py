"""Fences: triggers that keep new rows of an actor type out of the table that the others leave.

A process that has not seen yet that a type moves is refused by the database, whatever it
believes. So no actor can come to be in two tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from theater_sql.homes import FENCE, FENCE_STATE
from theater_sql.tables import Layout


def raise_fence(layout: Layout, name: str, schema: str | None, dialect: Dialect) -> Iterator[str]:
    """Yield the DDL that refuses new rows of an actor type; if it is there, it is made anew.

    A row whose key is there is let through to the primary key, which says so.
    """
    table = _quoted(layout.table.name, schema, dialect)
    trigger = _trigger(layout, name)
    is_of_type = _condition(layout, name, dialect)
    columns = [_quoted(key.name, None, dialect) for key in layout.keys]
    same = " AND ".join(f"a.{column} = NEW.{column}" for column in columns)
    is_new = f"NOT EXISTS (SELECT 1 FROM {table} AS a WHERE {same})"
    yield from lower_fence(layout, name, schema, dialect)
    if dialect.name == "sqlite":
        is_new = is_new.replace(table, _quoted(layout.table.name, None, dialect))
        body = f"BEGIN SELECT RAISE(ABORT, '{FENCE}') WHERE {is_new}; END"
        called = _quoted(trigger, schema, dialect)
        on = _quoted(layout.table.name, None, dialect)
        yield f"CREATE TRIGGER {called} BEFORE INSERT ON {on}{is_of_type} {body}"
        return
    function = _quoted(trigger, schema, dialect)
    yield (
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF {is_new} "
        f"THEN RAISE EXCEPTION '{FENCE}' USING ERRCODE = '{FENCE_STATE}'; END IF; "
        "RETURN NEW; END$$"
    )
    yield (
        f"CREATE TRIGGER {_quoted(trigger, None, dialect)} BEFORE INSERT ON {table} "
        f"FOR EACH ROW{is_of_type} EXECUTE FUNCTION {function}()"
    )


def lower_fence(layout: Layout, name: str, schema: str | None, dialect: Dialect) -> Iterator[str]:
    """Yield the DDL that lets new rows in again."""
    trigger = _trigger(layout, name)
    if dialect.name == "sqlite":
        yield f"DROP TRIGGER IF EXISTS {_quoted(trigger, schema, dialect)}"
        return
    table = _quoted(layout.table.name, schema, dialect)
    yield f"DROP TRIGGER IF EXISTS {_quoted(trigger, None, dialect)} ON {table}"
    yield f"DROP FUNCTION IF EXISTS {_quoted(trigger, schema, dialect)}()"


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


def _trigger(layout: Layout, name: str) -> str:
    of = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"theater_moved_{of}" if layout.scope else f"theater_moved_from_{of}"


def _quoted(name: str, schema: str | None, dialect: Dialect) -> str:
    quote = dialect.identifier_preparer.quote
    return f"{quote(schema)}.{quote(name)}" if schema else str(quote(name))
