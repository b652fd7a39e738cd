"""Promote and demote an actor type: the stages of the move, each in force before the next.

Whoever is killed in the middle leaves a stage that the next one goes on from.
"""

from __future__ import annotations

import logging
import time
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from theater_sql.bindings import Binding
from theater_sql.homes import MARKERS, Home
from theater_sql.migrations.moves import Move, Stay
from theater_sql.migrations.stages import Stages
from theater_sql.registry import ActorRegistry

_LOG: Final = logging.getLogger("theater_sql.migrations")
_MOST_TOLD: Final = 20
"""Rows that are listed by their ids."""


class Promotion(Stages):
    """Moves one actor type to its own table or back."""

    def __init__(self, connection: Connection, actors: ActorRegistry, binding: Binding) -> None:
        assert binding.in_generic is not None
        super().__init__(connection, actors)
        self._own = binding
        self._generic = binding.in_generic
        self._names = (binding.name, *binding.aliases)

    def promote(self) -> list[Stay]:
        """Move all rows to the type's own table; those that don't fit stay, and are returned."""
        while True:
            match self._route():
                case Home.TABLE:
                    self.transact(self._remove_markers)
                    return []
                case Home.GENERIC:
                    # Who still believes in a table of before must not create in this one.
                    self.transact(
                        lambda: self._enter(Home.PREPARING_PROMOTE, self._own, self._generic)
                    )
                case Home.DEMOTING:
                    # Rows are in both tables: code without this one must not create any.
                    self.transact(
                        lambda: self._enter(Home.PREPARING_DEMOTE, self._generic, self._own)
                    )
                case Home.PREPARING_PROMOTE | Home.PREPARING_DEMOTE:
                    self.wait()
                    self.transact(lambda: self._enter(Home.PROMOTING, self._generic, self._own))
                case Home.PROMOTING:
                    self.wait()
                    if stay := self._move(self._generic, self._own):
                        return stay
                    self.transact(lambda: self._enter(Home.TABLE))

    def demote(self) -> list[Stay]:
        """Move all rows back to the generic table."""
        while True:
            match self._route():
                case Home.GENERIC:
                    return []
                case Home.TABLE | Home.PROMOTING:
                    self.transact(lambda: self._enter(Home.PREPARING_DEMOTE))
                case Home.PREPARING_DEMOTE | Home.PREPARING_PROMOTE:
                    self.wait()
                    self.transact(self._remove_markers)
                    self.transact(lambda: self._enter(Home.DEMOTING, self._own, self._generic))
                case Home.DEMOTING:
                    self.wait()
                    if stay := self._move(self._own, self._generic):
                        return stay
                    self.transact(lambda: self._enter(Home.GENERIC))

    def misfits(self, most: int = _MOST_TOLD) -> list[Stay]:
        """Return rows of the generic table that don't fit the type's own, at most so many."""
        return Move(self.connection, self.backend, self._generic, self._own).misfits(most)

    def _route(self) -> Home:
        """Return where the type is, claiming a route for one that has none."""

        def read() -> Home:
            home = self.home(self._own.name)
            if home is None:
                self.enter(self._own.name, home := self._home_of_rows())
            return home

        result: Home = self.transact(read)
        return result

    def _home_of_rows(self) -> Home:
        types = self._generic.layout.scope[0]
        query = sa.select(sa.literal(1)).where(types.in_(self._names)).limit(1)
        return Home.GENERIC if self.connection.scalar(query) else Home.TABLE

    def _enter(
        self, home: Home, closed: Binding | None = None, opened: Binding | None = None
    ) -> None:
        """Write the stage down, and keep new rows out of the table that is left."""
        self.enter(self._own.name, home)
        if closed is not None and opened is not None:
            self.fence(self._names, closed.layout, opened.layout)

    def _remove_markers(self) -> None:
        """Remove what moved rows left behind; every process knows by now where they are."""
        table = self._generic.layout.table
        where = (table.c.actor_type.in_(self._names), table.c.state.is_(None))
        self.connection.execute(sa.delete(table).where(*where, table.c.etag.between(*MARKERS)))

    def _move(self, source: Binding, target: Binding) -> list[Stay]:
        move = Move(self.connection, self.backend, source, target)
        begun = time.monotonic()
        stay = move.run()
        seconds = time.monotonic() - begun
        how_long = f" in {seconds:.0f} s" if seconds >= 1 else ""
        _LOG.info("%s: %d rows moved%s", self._own.name, move.moved, how_long)
        for one in stay[:_MOST_TOLD]:
            _LOG.warning("%s[%r] stays where it is: %s", self._own.name, *one)
        if len(stay) > _MOST_TOLD:
            _LOG.warning("%s: and %d more rows", self._own.name, len(stay) - _MOST_TOLD)
        return stay


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
