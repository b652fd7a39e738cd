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
        fills_itself = column.default or column.server_default or column.computed
        if column.name in kept or fills_itself or column.identity:
            continue
        query = sa.select(sa.literal(1)).select_from(table).where(column.is_not(None)).limit(1)
        if connection.scalar(query) is not None:
            yield f"column {column.name} has values that are not in the state"


def _references(connection: Connection, table: sa.Table) -> Iterator[str]:
    """Yield foreign keys that would not stop a delete but follow it."""
    found = sa.inspect(connection)
    for (schema, name), keys in found.get_multi_foreign_keys(schema=table.schema).items():
        for key in keys:
            rule: Any = key.get("options", {}).get("ondelete")
            if key["referred_table"] != table.name or rule not in _LOSING:
                continue
            rows = sa.select(sa.literal(1)).select_from(sa.table(name, schema=schema)).limit(1)
            if connection.scalar(rows) is not None:
                yield f"table {name} has rows that refer to it ON DELETE {rule}"
