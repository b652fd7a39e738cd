"""Promote and demote an actor type: the stages of the move, each in force before the next.

Whoever is killed in the middle leaves a stage that the next one goes on from.
"""

from __future__ import annotations

import logging
import time
from typing import Final

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from theater_sql.bindings import Binding
from theater_sql.homes import MARKERS, Home
from theater_sql.migrations.losses import refuse_losses
from theater_sql.migrations.moves import Move, Stay
from theater_sql.migrations.stages import Stages
from theater_sql.registry import ActorRegistry

_LOG: Final = logging.getLogger("theater_sql.migrations")
_PAGE: Final = 500
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
        own, generic = self._own, self._generic
        while True:
            match home := self._home():
                case Home.TABLE:
                    self._remove_markers()
                    if not self.transact(self._has_rows):
                        return []
                    self._enter(Home.PROMOTING, home, closed=generic, opened=own)
                case Home.GENERIC:
                    # Who still believes in a table of before must not create in this one.
                    self._enter(Home.PREPARING_PROMOTE, home, closed=own, opened=generic)
                case Home.DEMOTING:
                    # Rows are in both tables: code without this one must not create any.
                    self._enter(Home.PREPARING_DEMOTE, home, closed=generic, opened=own)
                case Home.PREPARING_PROMOTE | Home.PREPARING_DEMOTE:
                    self.wait()
                    self._enter(Home.PROMOTING, home, closed=generic, opened=own)
                case Home.PROMOTING:
                    self.wait()
                    if stay := self._move(generic, own):
                        return stay
                    self._enter(Home.TABLE, home)

    def demote(self) -> list[Stay]:
        """Move all rows back to the generic table."""
        own, generic = self._own, self._generic
        while True:
            match home := self._home():
                case Home.GENERIC:
                    return []
                case Home.TABLE | Home.PROMOTING:
                    self.transact(lambda: refuse_losses(self.connection, own.layout))
                    self._enter(Home.PREPARING_DEMOTE, home, closed=generic, opened=own)
                case Home.PREPARING_DEMOTE | Home.PREPARING_PROMOTE:
                    self.wait()
                    self._remove_markers()
                    self._enter(Home.DEMOTING, home, closed=own, opened=generic)
                case Home.DEMOTING:
                    self.wait()
                    if stay := self._move(own, generic):
                        return stay
                    self._enter(Home.GENERIC, home)

    def misfits(self, most: int = _MOST_TOLD) -> list[Stay]:
        """Return rows of the generic table that don't fit the type's own, at most so many."""
        return Move(self.connection, self.backend, self._generic, self._own).misfits(most)

    def _home(self) -> Home:
        """Return where the type is, claiming a route for one that has none."""
        home: Home | None = None
        while home is None:
            home = self.transact(lambda: self.home(self._own.name))
            if home is None:
                self.transact(self._claim)
        if home is Home.RENAMED:
            raise CommandError(f"{self._own.name}: the type has another name by now")
        return home

    def _claim(self) -> None:
        """Claim all names of the type: code may know it by one of before."""
        former = {name: self.home(name) for name in self._own.aliases}
        known = {home for home in former.values() if home is not None}
        is_elsewhere = known - {Home.TABLE, Home.RENAMED} or self._has_rows()
        home = Home.GENERIC if is_elsewhere else Home.TABLE
        for name in (*(name for name, home in former.items() if home is None), self._own.name):
            self.enter(name, home, None)

    def _has_rows(self) -> bool:
        """Tell whether the generic table has rows of the type, under any of its names."""
        types = self._generic.layout.scope[0]
        query = sa.select(sa.literal(1)).where(types.in_(self._names)).limit(1)
        return self.connection.scalar(query) is not None

    def _enter(
        self,
        home: Home,
        before: Home,
        *,
        closed: Binding | None = None,
        opened: Binding | None = None,
    ) -> None:
        """Write the stage down, and keep new rows out of the table that is left.

        If somebody else has changed it meanwhile, nothing is done: look again.
        """

        def enter() -> bool:
            if not self.enter(self._own.name, home, before):
                return False
            for name in self._own.aliases:  # code may know the type by a name of before
                former = self.home(name)
                if former is not Home.RENAMED:
                    self.enter(name, home, former)
            if closed is not None and opened is not None:
                self.fence(self._names, closed.layout, opened.layout)
            return True

        if self.transact(enter):
            _LOG.info("%s: %s", self._own.name, home.value)

    def _remove_markers(self) -> None:
        """Remove what moved rows left behind; every process knows by now where they are."""
        while self.transact(self._remove_some_markers):
            pass

    def _remove_some_markers(self) -> int:
        table = self._generic.layout.table
        keys = (table.c.actor_type, table.c.actor_id)
        where = (table.c.actor_type.in_(self._names), table.c.state.is_(None))
        markers = sa.select(*keys).where(*where, table.c.etag.between(*MARKERS)).limit(_PAGE)
        some = self.connection.execute(markers).all()
        if some:
            gone = sa.tuple_(*keys).in_([tuple(key) for key in some])
            self.connection.execute(sa.delete(table).where(gone, table.c.state.is_(None)))
        return len(some)

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


def raise_fences(connection: Connection, actors: ActorRegistry) -> None:
    """Make the fences anew, which somebody may have dropped with a copy of their tables."""
    found = sa.inspect(connection)
    if not found.has_table(actors.routes.name, actors.routes.schema):
        return
    stages, routes = Stages(connection, actors), actors.routes.c
    query = sa.select(routes.name, routes.home, routes.epoch)
    for name, text, epoch in connection.execute(query).all():
        home, binding = Home(text), actors.match(name)
        own = binding.layout if binding.in_generic is not None else None
        if home is Home.RENAMED or (home.creates_in_table and epoch > 1):
            stages.fence([name], actors.generic)
        elif own is not None and epoch > 1 and found.has_table(own.table.name, own.table.schema):
            stages.fence([name], own)
