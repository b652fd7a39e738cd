"""Fences: triggers that keep new rows of an actor type out of the table that the others leave.

A process that has not seen yet that a type moves is refused by the database, whatever it
believes. So no actor can come to be in two tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from theater_sql.homes import FENCE, FENCE_STATE
from theater_sql.tables import Layout


def change_fences(
    names: Sequence[str],
    closed: Layout | None,
    opened: Layout | None,
    dialect: Dialect,
    schema_of: Callable[[Layout], str | None] = lambda layout: layout.table.schema,
) -> Iterator[sa.DDL]:
    """Yield what keeps new rows of types out of one table, and lets them into another."""
    for layout, change in ((opened, lower_fence), (closed, raise_fence)):
        for name in names if layout is not None else ():
            assert layout is not None
            for ddl in change(layout, name, schema_of(layout), dialect):
                yield sa.DDL(ddl.replace("%", "%%"))  # type: ignore[no-untyped-call]


def raise_fence(layout: Layout, name: str, schema: str | None, dialect: Dialect) -> Iterator[str]:
    """Yield the DDL that refuses new rows of an actor type; if it is there, it is made anew.

    It comes behind the insert: what the primary key has refused does not get there, and what
    another transaction does meanwhile, or a snapshot does not show, makes no difference.
    """
    yield from lower_fence(layout, name, schema, dialect)
    trigger = _trigger(layout, name)
    is_of_type = _condition(layout, name, dialect)
    table = _quoted(layout.table.name, None, dialect)
    called = _quoted(trigger, schema, dialect)
    if dialect.name == "sqlite":
        body = f"BEGIN SELECT RAISE(ABORT, '{FENCE}'); END"
        yield f"CREATE TRIGGER {called} AFTER INSERT ON {table}{is_of_type} {body}"
        return
    yield (
        f"CREATE FUNCTION {called}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN RAISE EXCEPTION '{FENCE}' USING ERRCODE = '{FENCE_STATE}'; END$$"
    )
    yield (
        f"CREATE TRIGGER {_quoted(trigger, None, dialect)} AFTER INSERT "
        f"ON {_quoted(layout.table.name, schema, dialect)} "
        f"FOR EACH ROW{is_of_type} EXECUTE FUNCTION {called}()"
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
