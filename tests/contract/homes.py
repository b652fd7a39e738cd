"""Types in each of their homes: rows in both tables, markers and fences, as a move leaves them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from math import inf
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from tests.contract.doors import Door
from theater_sql import ActorRegistry, SQLStorage
from theater_sql.homes import Home, marker
from theater_sql.migrations.fences import lower_fence
from theater_sql.migrations.stages import Stages
from theater_sql.routes import Route, View

SEVEN = UUID(int=7)
CRATE, NUMBERED = "homes.Crate", "homes.Numbered"


@dataclass
class Crate:
    n: int
    at: datetime = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    price: Decimal = Decimal("1.50")
    uid: UUID = SEVEN
    raw: bytes = b"\0\xff"
    lines: list[dict[str, int]] = field(default_factory=lambda: [{"a": 1}])
    inner: dict[str, list[int]] = field(default_factory=lambda: {"$x": [1, 2]})
    note: str | None = None


@dataclass
class Numbered:
    n: int


OLD, NEW = ActorRegistry(), ActorRegistry()
NEW.register(CRATE, state=Crate, table="crate")
NEW.register(NUMBERED, state=Numbered, table="numbered", id_type=int)

LAYS = {
    Home.GENERIC: "g",
    Home.PREPARING_PROMOTE: "g",
    Home.PROMOTING: "gtmx",
    Home.TABLE: "tmx",
    Home.PREPARING_DEMOTE: "gtmx",
    Home.DEMOTING: "gt",
}
"""Where rows may be in each home: generic, table, moved from one to the other; ``x`` was moved
and then deleted.
"""
IDS: dict[str, dict[str, list[Any]]] = {
    CRATE: {"g": ["g1", "b"], "t": ["t1", "a"], "m": ["m1", "c"], "x": ["x1"]},
    NUMBERED: {"g": [7, -30], "t": [200, 8], "m": [9, -4], "x": [77]},
}


def plain(n: int) -> dict[str, Any]:
    """Return a crate as code without the class has it."""
    return dict(vars(Crate(n)))


def state(name: str, n: int) -> Any:
    return Crate(n) if name == CRATE else Numbered(n)


class World:
    """One database, on which the types are put into one home after the other."""

    def __init__(self, url: str, engine: sa.Engine) -> None:
        self.url, self.engine = url, engine
        NEW.metadata.create_all(engine)

    def lay(self, home: Home, *types: str) -> dict[Any, tuple[int, Any]]:
        """Put types into a home; return the number and etag of each actor of the last one."""
        self.wipe()
        there: dict[Any, tuple[int, Any]] = {}
        for name in types or (CRATE,):
            there = self._fill(name, LAYS[home])
            self.enter(name, home)
        return there

    def wipe(self) -> None:
        with self.engine.begin() as connection:
            for name in (CRATE, NUMBERED):
                layout = NEW.match(name).layout
                for one in (layout, NEW.generic):
                    for ddl in lower_fence(one, name, None, connection.dialect):
                        connection.exec_driver_sql(ddl)
                connection.execute(sa.delete(layout.table))
            connection.execute(sa.delete(NEW.generic.table))
            connection.execute(sa.delete(NEW.routes))

    def enter(self, name: str, home: Home) -> None:
        own, generic = NEW.match(name).layout, NEW.generic
        closed, opened = (generic, own) if home.creates_in_table else (own, generic)
        with self.engine.begin() as connection:
            stages = Stages(connection, NEW)
            stages.enter(name, home, stages.home(name))
            stages.fence([name], closed, opened)

    def _fill(self, name: str, kinds: str) -> dict[Any, tuple[int, Any]]:
        there = {}
        for kind, home in (("g", Home.GENERIC), ("t", Home.TABLE), ("m", Home.TABLE)):
            self.enter(name, home)
            with SQLStorage(self.url, NEW) as storage:
                for n, one in enumerate(IDS[name][kind] if kind in kinds else ()):
                    there[one] = n, storage.put(name, one, state(name, n))
        self.enter(name, Home.GENERIC)
        self._mark(name, [one for kind in "mx" if kind in kinds for one in IDS[name][kind]])
        return there

    def _mark(self, name: str, ids: Iterable[Any]) -> None:
        now = datetime.now(UTC)
        rest = {"version": 2, "created_at": now, "updated_at": now, "schema_version": 0}
        bridge = NEW.match(name).in_generic
        assert bridge is not None
        with self.engine.begin() as connection:
            for one in ids:
                key = dict(zip(("actor_type", "actor_id"), bridge.key(one), strict=True))
                row = key | rest | {"etag": marker()}
                connection.execute(sa.insert(NEW.generic.table).values(row))

    def where(self, name: str = CRATE) -> dict[Any, str]:
        """Return the table of each actor; none may have rows in both."""
        binding, generic = NEW.match(name), NEW.generic.table
        assert binding.in_generic is not None
        is_left = (generic.c.actor_type == name, generic.c.state.is_not(None))
        with self.engine.connect() as connection:
            texts = connection.scalars(sa.select(generic.c.actor_id).where(*is_left)).all()
            own = connection.scalars(sa.select(binding.layout.table.c.actor_id)).all()
        left = [binding.in_generic.actor_id((text,)) for text in texts]
        assert not {*left} & {*own}, "an actor has two rows"
        return dict.fromkeys(left, "generic") | dict.fromkeys(own, "table")

    def routes(self) -> dict[str, str]:
        with self.engine.connect() as connection:
            query = sa.select(NEW.routes.c.name, NEW.routes.c.home)
            return {row.name: row.home for row in connection.execute(query)}


def believe(door: Door, name: str, home: Home) -> None:
    """Have a storage believe for long that a type is where it was."""
    door.raw._core.router.routes._views = {name: View(Route(home, 1), inf)}
