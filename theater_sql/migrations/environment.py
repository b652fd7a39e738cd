"""``run``, which is all that an ``env.py`` has to call, and ``configure`` for one of your own."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.util import to_list
from sqlalchemy.engine import Connection

from theater_sql.backends import engine_for, normal_url
from theater_sql.migrations.operations import ACTORS
from theater_sql.migrations.places import placed, placing
from theater_sql.migrations.promotion import raise_fences
from theater_sql.migrations.rendering import render_item
from theater_sql.migrations.revisions import complete
from theater_sql.migrations.turns import take_turn
from theater_sql.registry import ActorRegistry

Hook = Callable[..., Any]


def run(actors: ActorRegistry, **options: Any) -> None:
    """Do what the command of Alembic asks for, on the tables of a registry and its models.

    ``options`` are those of ``alembic.context.configure``. The database is, in this order: the
    one a program hands over as ``config.attributes["url"]``, ``-x url=...``,
    ``THEATER_SQL_URL``, ``theater.db`` in the current directory.

    Raises:
        Unavailable: another upgrade did not end within an hour.
    """
    options.setdefault("target_metadata", _metadata(actors))
    url = (
        context.config.attributes.get("url")
        or context.get_x_argument(as_dictionary=True).get("url")
        or os.environ.get("THEATER_SQL_URL")
        or "sqlite:///theater.db"
    )
    if context.config.cmd_opts:  # a person runs the command alembic
        logging.basicConfig(format="%(message)s")
        logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)
        logging.getLogger("theater_sql").setLevel(logging.INFO)
    if context.is_offline_mode():
        configure(url=normal_url(url), literal_binds=True, actors=actors, **options)
        _migrate()
    else:
        with engine_for(url, create=True).connect() as connection:
            configure(connection=connection, actors=actors, **options)
            _migrate()


def _metadata(actors: ActorRegistry) -> list[sa.MetaData]:
    """Return the metadata of the registry, and of models that are in another."""
    models = [binding.layout.table.metadata for binding in actors]
    return list(dict.fromkeys([actors.metadata, *models]))


def _migrate() -> None:
    with context.begin_transaction():
        context.run_migrations()


def configure(*, actors: ActorRegistry | None = None, **options: Any) -> None:
    """Configure Alembic, with the keywords of ``alembic.context.configure``.

    ``actors`` is the registry that knows how rows move: for ``op.promote_actor`` and the like.
    Revisions then import only SQLAlchemy and Alembic, run on SQLite and on PostgreSQL, and
    leave tables alone that the metadata does not hold: one that is no longer wanted is
    dropped by hand. Of several upgraders one works and the others wait, until its connection
    is given back; on SQLite an upgrade is one transaction. Your own hooks are asked first.

    Raises:
        Unavailable: another upgrade did not end within an hour.
    """
    connection: Connection | None = options.get("connection")
    options[ACTORS] = actors
    options.setdefault("render_as_batch", True)  # SQLite has no other way to alter a table
    options["render_item"] = _rendering(options.get("render_item"))
    options["process_revision_directives"] = _completing(options.get("process_revision_directives"))
    if options.get("compare_server_default"):
        options["compare_server_default"] = _comparing(options["compare_server_default"])
    if connection is not None:
        options["target_metadata"] = _placed(connection, options.get("target_metadata"))
    tables = [t for one in to_list(options.get("target_metadata"), []) for t in one.tables.values()]
    options.setdefault("include_schemas", any(table.schema for table in tables))
    options["include_name"] = _known(tables, options.get("include_name"))
    options["on_version_apply"] = [*to_list(options.get("on_version_apply"), []), _fencing(actors)]
    if connection is None:
        options.setdefault("dialect_opts", {"paramstyle": "named"})  # else a % comes out doubled
    else:
        if connection.dialect.name == "sqlite":
            # One transaction from the look at the current revision to the end: another process
            # that got in between would apply the same revision again.
            options.update(transactional_ddl=True, transaction_per_migration=False)
        take_turn(connection)
    context.configure(**options)


def _placed(connection: Connection, target: Any) -> Any:
    """Return metadata that names no schema where it is the default: Alembic finds it only so."""
    metadatas: list[sa.MetaData] = to_list(target, [])
    default = connection.dialect.default_schema_name
    schemas = {table.schema for one in metadatas for table in one.tables.values()}
    return placed(metadatas, placing(connection)) if default in schemas else target


def _fencing(actors: ActorRegistry | None) -> Hook:
    """Return what mends fences after each revision: SQLite alters a table by copying it, and the
    copy has none of its triggers.
    """

    def fence(*, ctx: Any, **_: Any) -> None:
        if actors is not None and not ctx.as_sql and ctx.dialect.name == "sqlite":
            raise_fences(ctx.connection, actors)

    return fence


def _rendering(theirs: Hook | None) -> Hook:
    def render(kind: str, item: Any, autogen_context: Any) -> Any:
        text = theirs(kind, item, autogen_context) if theirs else False
        return render_item(kind, item, autogen_context) if text is False else text

    return render


def _comparing(theirs: Hook | bool) -> Hook:
    """Return a comparison of defaults for which one that only the database has is no difference.

    That is what a revision that added a field left behind.
    """

    def compare(migration: Any, found: Any, column: Any, *defaults: Any) -> Any:
        if column.server_default is None:
            return False
        return theirs(migration, found, column, *defaults) if callable(theirs) else None

    return compare


def _completing(theirs: Hook | None) -> Hook:
    def process(migration: Any, revision: Any, scripts: list[Any]) -> None:
        complete(migration, revision, scripts)
        if theirs and scripts:
            theirs(migration, revision, scripts)

    return process


def _known(tables: list[sa.Table], theirs: Hook | None) -> Hook:
    """Return a filter of the database's names: whatever else is there is not ours to drop."""
    keys = {table.key for table in tables}
    schemas = {table.schema for table in tables}

    def include(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema" and name not in schemas:
            return False
        if kind == "table" and parents["schema_qualified_table_name"] not in keys:
            return False
        return theirs is None or bool(theirs(name, kind, parents))

    return include
