"""Rename an actor type: its rows in the generic table get the new name, page by page."""

from __future__ import annotations

import logging
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from theater_sql.homes import Home
from theater_sql.migrations.stages import Stages
from theater_sql.registry import ActorRegistry

_LOG: Final = logging.getLogger("theater_sql.migrations")
_PAGE: Final = 500


class Renaming(Stages):
    """Gives an actor type another name.

    Code that has the old name as an alias reads and writes rows of both. Code that knows the
    old name only is refused by name from the first step on.
    """

    def __init__(self, connection: Connection, actors: ActorRegistry, old: str, new: str) -> None:
        super().__init__(connection, actors)
        self._generic = actors.generic
        self._old, self._new = old, new

    def rename(self) -> int:
        """Rename all rows, and return how many can't be: the new name has such an actor too."""
        self.transact(self._close)
        self.wait()
        total = 0
        while renamed := self.transact(self._rename_page):
            total += renamed
        _LOG.info("%s: %d rows renamed to %s", self._old, total, self._new)
        table = self._generic.table
        rows = sa.select(sa.func.count()).where(table.c.actor_type == self._old)
        left: int = self.transact(lambda: self.connection.scalar(rows))
        return left

    def _close(self) -> None:
        """Let the new name have the old one's home, and keep new rows from the old one."""
        home = self.home(self._old)
        if home is not None and home is not Home.RENAMED and self.home(self._new) is None:
            self.enter(self._new, home)
        self.fence([self._old], self._generic)
        self.enter(self._old, Home.RENAMED)

    def _rename_page(self) -> int:
        table = self._generic.table
        taken = table.alias()
        is_old, new = table.c.actor_type == self._old, taken.c.actor_type == self._new
        is_taken = sa.exists().where(new, taken.c.actor_id == table.c.actor_id)
        ids = sa.select(table.c.actor_id).where(is_old, ~is_taken).order_by(table.c.actor_id)
        ids = ids.limit(_PAGE).with_for_update(of=table)
        page = self.connection.scalars(ids).all()
        where = (is_old, table.c.actor_id.in_(page))
        self.connection.execute(sa.update(table).where(*where).values(actor_type=self._new))
        return len(page)
