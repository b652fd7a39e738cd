"""What the moves of actor types share: transactions that are tried again, waits, fences."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from theater_sql import homes
from theater_sql.backends import backend_for
from theater_sql.backends.base import Action, Phase
from theater_sql.homes import Home
from theater_sql.migrations.fences import lower_fence, raise_fence
from theater_sql.registry import ActorRegistry
from theater_sql.tables import Layout

_LOG: Final = logging.getLogger("theater_sql.migrations")
_SETTINGS: Final = {
    "lock_timeout": "100ms",  # writers wait behind whoever waits for their table
    "statement_timeout": "60s",
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
}
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

    def enter(self, name: str, home: Home) -> None:
        """Write a type's home down."""
        where = self.routes.c.name == name
        values = {"home": home.value, "epoch": self.routes.c.epoch + 1}
        if not self.connection.execute(sa.update(self.routes).where(where).values(values)).rowcount:
            row = {"name": name, "home": home.value, "epoch": 1}
            self.connection.execute(sa.insert(self.routes).values(row))
        _LOG.info("%s: %s", name, home.value)

    def fence(self, names: Iterable[str], closed: Layout, opened: Layout | None = None) -> None:
        """Keep new rows of types out of one table, and let them into another."""
        for layout, change in ((opened, lower_fence), (closed, raise_fence)):
            for name in names if layout is not None else ():
                assert layout is not None
                for ddl in change(layout, name, self._schema(layout), self.connection.dialect):
                    statement: sa.DDL = sa.DDL(ddl.replace("%", "%%"))  # type: ignore[no-untyped-call]
                    self.connection.execute(statement)

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


def own_connection(engine: Engine) -> Connection:
    """Return a connection for a promotion beside the one that has the turn to migrate."""
    connection = engine.connect()
    calls = ", ".join(
        f"set_config('{name}', '{value}', false)" for name, value in _SETTINGS.items()
    )
    connection.exec_driver_sql(f"SELECT {calls}")
    connection.commit()
    return connection
