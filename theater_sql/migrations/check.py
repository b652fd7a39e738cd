"""``differences``: where the tables of a database are not what a registry needs, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Dialect, Engine

from theater_sql.migrations.connections import connected
from theater_sql.migrations.places import Place, placed, placing
from theater_sql.migrations.promotion import Promotion, waiting_types
from theater_sql.registry import ActorRegistry

_MEND: Final = "run the migrations, or make one first (theater-sql revision)"


def differences(engine: Engine, registry: ActorRegistry) -> list[str]:
    """Say what is missing or different in the tables that a registry's actors are stored in.

    Other tables do not matter, nor indexes and constraints that no model has.

    Raises:
        Unavailable: the database can't be reached, or its file is missing.
    """
    tables = [registry.generic.table, registry.routes]
    tables += [binding.layout.table for binding in registry]
    with connected(engine) as connection:
        place = placing(connection)
        wanted = {place(table.schema, table.name) for table in tables}
        metadata = placed({table.metadata: None for table in tables}, place)
        context = MigrationContext.configure(connection, opts=_options(wanted))
        found = compare_metadata(context, metadata)
        lines = [line for one in _flat(found) for line in _words(one, engine.dialect)]
        return lines or list(_left_behind(connection, registry))


def _left_behind(connection: sa.Connection, registry: ActorRegistry) -> Iterator[str]:
    """Say which types still have rows in the generic table, and which of them can't move."""
    for binding in waiting_types(connection, registry):
        name, table = binding.name, binding.layout.table.name
        yield (
            f"rows of {name} are in the generic table, its own is {table}: move them with "
            f"op.promote_actor({name!r}) in a revision"
        )
        for stay in Promotion(connection, registry, binding).misfits():
            yield f"{name}[{stay.actor_id!r}] does not fit {table}: {stay.reason}"


def _options(wanted: set[Place]) -> dict[str, Any]:
    schemas = {schema for schema, _ in wanted}

    def include_name(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema":
            return name in schemas
        return kind != "table" or (parents["schema_name"], name) in wanted

    def include_object(item: Any, name: str, kind: str, *_: object) -> bool:
        return kind != "table" or (item.schema, name) in wanted

    return {
        "include_name": include_name,
        "include_object": include_object,
        "include_schemas": schemas != {None},
    }


def _flat(found: list[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield each difference: Alembic groups those of one column in a list."""
    for one in found:
        yield from one if isinstance(one, list) else [one]


def _words(difference: tuple[Any, ...], dialect: Dialect) -> Iterator[str]:
    match difference:
        case "add_table", table:
            yield f"table {table.fullname} is missing: {_MEND}"
        case "add_column", _, table, column:
            yield f"column {table}.{column.name} is missing: {_MEND}"
        case "remove_column", _, table, column if _refuses_rows(column):
            yield (
                f"column {table}.{column.name} is NOT NULL without a default, and no model "
                "fills it: drop it or give it a default, by a migration"
            )
        case "remove_column", _, table, column:
            yield (
                f"column {table}.{column.name} is in no model; it refuses no rows: drop it, by a "
                "migration, when no code needs it"
            )
        case "modify_type", _, table, column, _, is_, wanted:
            there, here = is_.compile(dialect), wanted.compile(dialect)
            yield f"column {table}.{column} is {there}, its model says {here}: {_MEND}"
        case "modify_nullable", _, table, column, _, is_, _:
            there, here = ("allows NULL", "does not") if is_ else ("is NOT NULL", "allows NULL")
            yield f"column {table}.{column} {there}, its model {here}: {_MEND}"
        case "add_index", index:
            yield f"index {index.name} of table {index.table.name} is missing: {_MEND}"
        case "add_constraint", constraint:
            columns = ", ".join(column.name for column in constraint.columns)
            yield f"table {constraint.table.name} has no constraint on {columns}: {_MEND}"


def _refuses_rows(column: sa.Column[Any]) -> bool:
    filled = column.server_default or column.identity or column.computed
    return not column.nullable and filled is None
