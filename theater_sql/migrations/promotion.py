"""Promote and demote an actor type: the stages of the move, each in force before the next.

Whoever is killed in the middle leaves a stage that the next one goes on from.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from theater_sql import homes
from theater_sql.backends import backend_for
from theater_sql.backends.base import Action, Phase
from theater_sql.bindings import Binding
from theater_sql.homes import MARKERS, Home
from theater_sql.migrations.fences import lower_fence, raise_fence
from theater_sql.migrations.moves import Move, Stay
from theater_sql.registry import ActorRegistry
from theater_sql.tables import Layout

_LOG: Final = logging.getLogger("theater_sql.migrations")
_SETTINGS: Final = {
    "lock_timeout": "500ms",  # writers wait behind whoever waits for their table
    "statement_timeout": "60s",
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
}
_PAUSE: Final = 0.1


class Promotion:
    """Moves one actor type to its own table or back, on a connection of its own.

    On SQLite everything is in the transaction of the upgrade: nobody else writes meanwhile,
    and who finds nothing looks at the routes again, so no stage has to be waited for.
    """

    def __init__(self, connection: Connection, actors: ActorRegistry, binding: Binding) -> None:
        assert binding.in_generic is not None
        self._connection = connection
        self._routes = actors.routes
        self._own = binding
        self._generic = binding.in_generic
        self._backend = backend_for(connection.engine, 60.0)
        self._waits = connection.dialect.name == "postgresql"

    def promote(self) -> list[Stay]:
        """Move all rows to the type's own table; those that don't fit stay, and are returned."""
        while True:
            match self._route():
                case Home.TABLE:
                    self._transact(self._remove_markers)
                    return []
                case Home.GENERIC | Home.DEMOTING:
                    self._transact(lambda: self._enter(Home.PREPARING_PROMOTE))
                case Home.PREPARING_PROMOTE | Home.PREPARING_DEMOTE:
                    self._wait()
                    self._transact(lambda: self._enter(Home.PROMOTING, self._generic, self._own))
                case Home.PROMOTING:
                    self._wait()
                    if stay := self._move(self._generic, self._own):
                        return stay
                    self._transact(lambda: self._enter(Home.TABLE))

    def demote(self) -> list[Stay]:
        """Move all rows back to the generic table."""
        while True:
            match self._route():
                case Home.GENERIC:
                    return []
                case Home.TABLE | Home.PROMOTING:
                    self._transact(lambda: self._enter(Home.PREPARING_DEMOTE))
                case Home.PREPARING_DEMOTE | Home.PREPARING_PROMOTE:
                    self._wait()
                    self._transact(self._remove_markers)
                    self._transact(lambda: self._enter(Home.DEMOTING, self._own, self._generic))
                case Home.DEMOTING:
                    self._wait()
                    if stay := self._move(self._own, self._generic):
                        return stay
                    self._transact(lambda: self._enter(Home.GENERIC))

    def misfits(self, most: int = 20) -> list[Stay]:
        """Return rows of the generic table that don't fit the type's own, at most so many."""
        return Move(self._connection, self._backend, self._generic, self._own).misfits(most)

    def _route(self) -> Home:
        """Return where the type is, claiming a route for one that has none."""
        table = self._routes

        def read() -> Home:
            query = sa.select(table.c.home).where(table.c.name == self._own.name)
            home = self._connection.scalar(query)
            if home is None:
                home = self._home_of_rows().value
                row = {"name": self._own.name, "home": home, "epoch": 1}
                self._connection.execute(sa.insert(table).values(row))
            return Home(home)

        result: Home = self._transact(read)
        return result

    def _home_of_rows(self) -> Home:
        types = self._generic.layout.scope[0]
        names = (self._own.name, *self._own.aliases)
        query = sa.select(sa.literal(1)).where(types.in_(names)).limit(1)
        return Home.GENERIC if self._connection.scalar(query) else Home.TABLE

    def _enter(
        self, home: Home, closed: Binding | None = None, opened: Binding | None = None
    ) -> None:
        """Write the stage down, and keep new rows out of the table that is left."""
        table = self._routes
        where = table.c.name == self._own.name
        values = {"home": home.value, "epoch": table.c.epoch + 1}
        self._connection.execute(sa.update(table).where(where).values(values))
        if closed is not None and opened is not None:
            for binding, change in ((opened, lower_fence), (closed, raise_fence)):
                for name in (self._own.name, *self._own.aliases):
                    schema = self._schema(binding.layout)
                    for ddl in change(binding.layout, name, schema, self._connection.dialect):
                        statement: sa.DDL = sa.DDL(ddl.replace("%", "%%"))  # type: ignore[no-untyped-call]
                        self._connection.execute(statement)
        _LOG.info("%s: %s", self._own.name, home.value)

    def _schema(self, layout: Layout) -> str | None:
        schema = layout.table.schema
        translated = self._connection.get_execution_options().get("schema_translate_map") or {}
        found: str | None = translated.get(schema, schema)
        return found

    def _remove_markers(self) -> None:
        """Remove what moved rows left behind; every process knows by now where they are."""
        table = self._generic.layout.table
        names = (self._own.name, *self._own.aliases)
        where = (table.c.actor_type.in_(names), table.c.state.is_(None))
        self._connection.execute(sa.delete(table).where(*where, table.c.etag.between(*MARKERS)))

    def _move(self, source: Binding, target: Binding) -> list[Stay]:
        move = Move(self._connection, self._backend, source, target)
        begun = time.monotonic()
        stay = move.run()
        seconds = time.monotonic() - begun
        how_long = f" in {seconds:.0f} s" if seconds >= 1 else ""
        _LOG.info("%s: %d rows moved%s", self._own.name, move.moved, how_long)
        for one in stay:
            _LOG.warning("%s[%r] stays where it is: %s", self._own.name, *one)
        return stay

    def _wait(self) -> None:
        """Let every process see the stage."""
        if self._waits:
            time.sleep(homes.LIFETIME + 0.5)

    def _transact(self, action: Callable[[], Any]) -> Any:
        """Do something in one transaction; again, as long as others hold what it locks."""
        if self._connection.in_transaction():
            return action()
        while True:
            try:
                with self._connection.begin():
                    return action()
            except DBAPIError as error:
                fault = self._backend.classify(error.orig or error, Phase.WRITE)
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


def waiting_types(connection: Connection, actors: ActorRegistry) -> list[Binding]:
    """Return the types with a table of their own that have rows in the generic table."""
    generic, routes = actors.generic.table, actors.routes
    found = sa.inspect(connection)
    if not (
        found.has_table(generic.name, generic.schema)
        and found.has_table(routes.name, routes.schema)
    ):
        return []
    query = sa.select(routes.c.name).where(
        routes.c.home.not_in([Home.TABLE.value, Home.RENAMED.value])
    )
    not_home = set(connection.scalars(query))
    waiting = []
    for binding in (one for one in actors if one.in_generic is not None):
        names = (binding.name, *binding.aliases)
        rows = sa.select(sa.literal(1)).where(generic.c.actor_type.in_(names)).limit(1)
        if not_home.intersection(names) or connection.scalar(rows):
            waiting.append(binding)
    return waiting
