"""``configure``: what an ``env.py`` calls in place of ``alembic.context.configure``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alembic import context
from alembic.util import to_list
from sqlalchemy.engine import Connection

from theater_sql.migrations.rendering import render_item
from theater_sql.migrations.turns import take_turn

Hook = Callable[..., Any]


def configure(**options: Any) -> None:
    """Configure Alembic, with the keywords of ``alembic.context.configure``.

    Revisions then import only SQLAlchemy and Alembic, run on SQLite and on PostgreSQL, and
    leave tables alone that the metadata does not hold: one that is no longer wanted is
    dropped by hand. Of several upgraders one works and the others wait, until its connection
    is given back; on SQLite an upgrade is one transaction. Your own hooks are asked first.

    Raises:
        Unavailable: another upgrade did not end within an hour.
    """
    connection: Connection | None = options.get("connection")
    options.setdefault("render_as_batch", True)  # SQLite has no other way to alter a table
    options["render_item"] = _rendering(options.get("render_item"))
    options["include_name"] = _known_tables(
        options.get("target_metadata"), options.get("include_name")
    )
    if connection is not None:
        if connection.dialect.name == "sqlite":
            # One transaction from the look at the current revision to the end: another process
            # that got in between would apply the same revision again.
            options.update(transactional_ddl=True, transaction_per_migration=False)
        take_turn(connection)
    context.configure(**options)


def _rendering(theirs: Hook | None) -> Hook:
    def render(kind: str, item: Any, autogen_context: Any) -> Any:
        text = theirs(kind, item, autogen_context) if theirs else False
        return render_item(kind, item, autogen_context) if text is False else text

    return render


def _known_tables(metadata: Any, theirs: Hook | None) -> Hook:
    """Return a filter of the database's names: whatever else is there is not ours to drop."""
    tables = {key for one in to_list(metadata, []) for key in one.tables}

    def include(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "table" and parents["schema_qualified_table_name"] not in tables:
            return False
        return theirs is None or bool(theirs(name, kind, parents))

    return include
