"""Promote, demote and rename as a script for PostgreSQL, which somebody runs by hand.

SQL can't convert a state, so a script moves no row: where there are any it fails, and with it
the transaction around it. A fence locks its table, so nobody writes between look and commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Dialect

from theater_sql.bindings import Binding
from theater_sql.homes import Home
from theater_sql.migrations.fences import change_fences
from theater_sql.registry import ActorRegistry

Script: TypeAlias = "Iterator[sa.Executable | None]"
"""``None`` stands between two stages: commit, and wait until every process has seen the first."""
_CONNECTION: Final = "needs an upgrade with a connection: run this revision so"


class Offline:
    """Writes the script of one operation."""

    def __init__(self, actors: ActorRegistry, dialect: Dialect) -> None:
        self._routes = actors.routes
        self._generic = actors.generic
        self._dialect = dialect

    def promote(self, binding: Binding) -> Script:
        """Claim the type's own table for it."""
        names = (binding.name, *binding.aliases)
        routes, types = self._routes.c, self._generic.table.c.actor_type
        steady = [Home.TABLE.value, Home.RENAMED.value]
        elsewhere = sa.select(routes.name).where(routes.name.in_(names), routes.home.not_in(steady))
        for name in (*binding.aliases, binding.name):
            yield self._claim(name, Home.TABLE)
        yield self._refuse(elsewhere, f"{binding.name}: a type that was elsewhere {_CONNECTION}")
        yield self._refuse(
            sa.select(types).where(types.in_(names)), f"{binding.name}: to move rows {_CONNECTION}"
        )

    def demote(self, binding: Binding) -> Script:
        """Send the type to the generic table, by the stages of an upgrade with a connection."""
        names, routes, own = (binding.name, *binding.aliases), self._routes.c, binding.layout.table
        steady = [Home.TABLE.value, Home.GENERIC.value]
        moving = sa.select(routes.name).where(
            routes.name == binding.name, routes.home.not_in(steady)
        )
        rows = sa.select(sa.literal(1)).select_from(own)
        left = self._refuse(rows, f"{binding.name}: to move rows {_CONNECTION}")
        yield self._claim(binding.name, Home.TABLE)
        yield self._refuse(moving, f"{binding.name}: a type that moves {_CONNECTION}")
        yield left
        yield from change_fences(names, self._generic, binding.layout, self._dialect)
        yield self._enter(names, Home.TABLE, Home.PREPARING_DEMOTE)
        yield None
        yield from change_fences(names, binding.layout, self._generic, self._dialect)
        yield left
        yield self._enter(names, Home.PREPARING_DEMOTE, Home.DEMOTING)
        yield None
        yield self._enter(names, Home.DEMOTING, Home.GENERIC)

    def rename(self, old: str, new: str) -> Script:
        """Give rows of the generic table another type's name."""
        routes, types = self._routes.c, self._generic.table.c.actor_type
        wanted = [(old, Home.GENERIC.value), (old, Home.RENAMED.value), (new, Home.GENERIC.value)]
        other = sa.tuple_(routes.name, routes.home).not_in(wanted)
        yield self._claim(old, Home.GENERIC)
        yield self._claim(new, Home.GENERIC)
        yield self._enter([new], Home.RENAMED, Home.GENERIC)
        yield self._refuse(
            sa.select(routes.name).where(routes.name.in_([old, new]), other),
            f"{old}: a type that is not in the generic table {_CONNECTION}",
        )
        yield from change_fences([new], None, self._generic, self._dialect)
        yield from change_fences([old], self._generic, None, self._dialect)
        yield self._enter([old], Home.GENERIC, Home.RENAMED)
        yield None
        yield sa.update(self._generic.table).where(types == old).values(actor_type=new)

    def _claim(self, name: str, home: Home) -> sa.Executable:
        claim = insert(self._routes).values(name=name, home=home.value, epoch=1)
        return claim.on_conflict_do_nothing(index_elements=[self._routes.c.name])

    def _enter(self, names: Any, before: Home, home: Home) -> sa.Executable:
        routes = self._routes
        where = (routes.c.name.in_(names), routes.c.home == before.value)
        return sa.update(routes).where(*where).values(home=home.value, epoch=routes.c.epoch + 1)

    def _refuse(self, query: sa.Select[Any], reason: str) -> sa.Executable:
        """Fail where a query finds something."""
        options = {"literal_binds": True}
        found = str(query.limit(1).compile(dialect=self._dialect, compile_kwargs=options))
        words = sa.literal(reason).compile(dialect=self._dialect, compile_kwargs=options)
        body = (
            f"BEGIN IF EXISTS ({found}) THEN RAISE EXCEPTION USING MESSAGE = {words}; END IF; END"
        )
        quote = "$theater$"
        while quote in body:
            quote = quote.replace("$theater", "$theater_")
        return sa.text(f"DO {quote}{body}{quote}".replace(":", r"\:"))
