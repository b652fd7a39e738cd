"""Rename an actor type: its rows in the generic table get the new name, page by page."""

from __future__ import annotations

import logging
from typing import Final

import sqlalchemy as sa
from alembic.util import CommandError
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
        old, new = self.home(self._old), self.home(self._new)
        if old is Home.RENAMED:
            return
        moving = old is not None and not old.is_steady
        wanted = old or Home.GENERIC
        if moving or new not in (None, Home.RENAMED, wanted):
            raise CommandError(
                f"{self._old} is {wanted.value}, {self._new} is {(new or wanted).value}: rows can "
                "be renamed where both are in the generic table, or the new name has none yet"
            )
        if new is not wanted:
            self.enter(self._new, wanted, new)
        opened = self._generic if wanted is Home.GENERIC else None
        self.fence([self._new], None, opened)
        self.fence([self._old], self._generic)
        self.enter(self._old, Home.RENAMED, old)
        _LOG.info("%s: %s", self._old, Home.RENAMED.value)

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
