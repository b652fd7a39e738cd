"""What would be lost with the rows of a type's own table when they go back to the generic one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from theater_sql.tables import BOOKKEEPING, Layout

_LOSING: Final = ("CASCADE", "SET NULL", "SET DEFAULT")


def refuse_losses(connection: Connection, layout: Layout) -> None:
    """Raise ``CommandError`` if columns outside of the state, or other tables, would lose data."""
    for loss in (*_columns(connection, layout), *_references(connection, layout.table)):
        raise CommandError(
            f"{layout.table.name}: {loss}, which a demote would lose; nothing was changed: save "
            "it and drop that first"
        )


def _columns(connection: Connection, layout: Layout) -> Iterator[str]:
    """Yield columns that the generic table has no place for, where somebody wrote something."""
    table = layout.table
    kept = {*BOOKKEEPING, *(column.name for column in (*layout.keys, *layout.state))}
    for column in table.c:
        if column.name in kept or column.computed is not None or column.identity is not None:
            continue
        where = [column.is_not(None), *(column != value for value in _defaults(column))]
        query = sa.select(sa.literal(1)).select_from(table).where(*where).limit(1)
        if connection.scalar(query) is not None:
            yield f"column {column.name} has values that are not in the state"


def _defaults(column: sa.Column[Any]) -> Iterator[Any]:
    """Yield what a column holds where nobody wrote anything, as far as that is always the same."""
    default: Any = column.default
    if default is not None and default.is_scalar:
        yield default.arg
    server: Any = column.server_default
    if isinstance(server, sa.DefaultClause):
        is_text = isinstance(server.arg, str)
        yield sa.literal(server.arg) if is_text else server.arg


def _references(connection: Connection, table: sa.Table) -> Iterator[str]:
    """Yield foreign keys that would not stop a delete but follow it."""
    found = sa.inspect(connection)
    for schema in {table.schema, *_schemas(connection, found)}:
        for (_, name), keys in found.get_multi_foreign_keys(schema=schema).items():
            for key in keys:
                rule: Any = key.get("options", {}).get("ondelete")
                if key["referred_table"] != table.name or rule not in _LOSING:
                    continue
                rows = sa.select(sa.literal(1)).select_from(sa.table(name, schema=schema)).limit(1)
                if connection.scalar(rows) is not None:
                    yield f"table {name} has rows that refer to it ON DELETE {rule}"


def _schemas(connection: Connection, found: sa.Inspector) -> list[str | None]:
    if connection.dialect.name == "sqlite":
        return []
    names = found.get_schema_names()
    return [name for name in names if not name.startswith(("pg_", "information_schema"))]
