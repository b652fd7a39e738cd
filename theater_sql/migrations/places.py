"""Places: in which schema Alembic sees a table, for which the default schema is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

Place = tuple[str | None, str]
"""Schema and name of a table."""


def placing(connection: Connection) -> Callable[[str | None, str], Place]:
    """Return what gives a table's place as Alembic sees it: no schema for the default one."""
    translation = connection.get_execution_options().get("schema_translate_map") or {}
    default = connection.dialect.default_schema_name

    def place(schema: str | None, name: str) -> Place:
        schema = translation.get(schema, schema)
        return (None if schema == default else schema), name

    return place


def placed(
    metadatas: Iterable[sa.MetaData], place: Callable[[str | None, str], Place]
) -> sa.MetaData:
    """Copy the tables to where the engine looks for them; foreign keys need all of them."""
    placed = sa.MetaData()
    seen = set()
    for table in (table for metadata in metadatas for table in metadata.tables.values()):
        at = place(table.schema, table.name)
        if at not in seen:
            seen.add(at)
            schema: Any = at[0]  # None is right, though its annotation says otherwise
            table.to_metadata(
                placed,
                schema=schema,
                referred_schema_fn=lambda _table, _to, _key, schema: place(schema, "")[0],
            )
    return placed
