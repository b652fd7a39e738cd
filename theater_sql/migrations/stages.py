"""What the moves of actor types share: transactions that are tried again, waits, fences."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from theater_sql import homes
from theater_sql.backends import backend_for
from theater_sql.backends.base import Action, Phase
from theater_sql.homes import Home
from theater_sql.migrations.fences import change_fences
from theater_sql.registry import ActorRegistry
from theater_sql.tables import Layout

_SETTINGS: Final = {
    "lock_timeout": "100ms",  # writers wait behind whoever waits for their table
    "statement_timeout": "60s",
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
}
_SEEN: Final = "SELECT current_setting('search_path'), current_setting('role')"
_SEE: Final = "SELECT set_config('search_path', :path, false), set_config('role', :role, false)"
_PAUSE: Final = 1.0
"""Seconds between two tries for a lock, in which writers go on."""


class Stages:
    """Takes a type from one stage to the next, on a connection of its own.

    On SQLite everything is in the transaction of the upgrade: nobody else writes meanwhile,
    and who finds nothing looks at the routes again, so no stage has to be waited for.
    """

    def __init__(self, connection: Connection, actors: ActorRegistry) -> None:
        self.connection = connection
        self.routes = actors.routes
        self.backend = backend_for(connection.engine, 60.0)
        self._waits = connection.dialect.name == "postgresql"

    def home(self, name: str) -> Home | None:
        """Return the home that is written down for a type."""
        query = sa.select(self.routes.c.home).where(self.routes.c.name == name)
        home = self.connection.scalar(query)
        return None if home is None else Home(home)

    def enter(self, name: str, home: Home, before: Home | None) -> bool:
        """Write a type's home down, and tell whether it was where it was ``before``."""
        table = self.routes
        if before is None:
            insert: Any = self.backend.insert(table).values(name=name, home=home.value, epoch=1)
            statement = insert.on_conflict_do_nothing(index_elements=[table.c.name])
        else:
            where = (table.c.name == name, table.c.home == before.value)
            values = {"home": home.value, "epoch": table.c.epoch + 1}
            statement = sa.update(table).where(*where).values(values)
        return self.connection.execute(statement).rowcount == 1

    def fence(
        self, names: Sequence[str], closed: Layout | None, opened: Layout | None = None
    ) -> None:
        """Keep new rows of types out of one table, and let them into another."""
        dialect = self.connection.dialect
        for ddl in change_fences(names, closed, opened, dialect, self._schema):
            self.connection.execute(ddl)

    def _schema(self, layout: Layout) -> str | None:
        schema = layout.table.schema
        translated = self.connection.get_execution_options().get("schema_translate_map") or {}
        found: str | None = translated.get(schema, schema)
        return found

    def wait(self) -> None:
        """Let every process see the stage."""
        if self._waits:
            time.sleep(homes.LIFETIME * 1.1)

    def transact(self, action: Callable[[], Any]) -> Any:
        """Do something in one transaction; again, as long as others hold what it locks."""
        if self.connection.in_transaction():
            return action()
        while True:
            try:
                with self.connection.begin():
                    return action()
            except DBAPIError as error:
                fault = self.backend.classify(error.orig or error, Phase.WRITE)
                if fault.action not in (Action.RETRY, Action.BLOCKED):
                    raise
            time.sleep(_PAUSE)


def own_connection(engine: Engine, beside: Connection | None = None) -> Connection:
    """Return a connection for a move, which sees the tables that the upgrade's own sees."""
    connection = engine.connect()
    if beside is not None:
        path, role = beside.exec_driver_sql(_SEEN).one()
        connection.execute(sa.text(_SEE), {"path": path, "role": role})
    calls = ", ".join(
        f"set_config('{name}', '{value}', false)" for name, value in _SETTINGS.items()
    )
    connection.exec_driver_sql(f"SELECT {calls}")
    connection.commit()
    return connection
