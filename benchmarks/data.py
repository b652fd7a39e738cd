"""What is stored: kinds of actors, their tables and sample states, the same for every contender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
import sqlalchemy as sa

from theater_sql import ActorRegistry, ActorType
from theater_sql.tables import BOOKKEEPING


class Stored(NamedTuple):
    """A row as every contender returns it."""

    state: Any
    etag: UUID
    version: int
    updated_at: datetime


@dataclass(slots=True)
class Profile:
    """A state of five columns and about 300 bytes."""

    name: str
    note: str
    visits: int
    balance: float
    active: bool


class Kind:
    """An actor type with a table of its own, whose states are profiles."""

    def __init__(self, actor_type: ActorType[Any], table: sa.Table, rows: int) -> None:
        self.actor_type = actor_type
        self.table = table
        self.rows = rows
        self.keys = list(table.primary_key.columns)
        known = {*BOOKKEEPING, *(key.name for key in self.keys)}
        self.columns = [column for column in table.columns if column.name not in known]

    def state(self, n: int, name: str = "Ann") -> Any:
        """Return a state; ``n`` tells it from the last one."""
        return Profile(name, NOTE, n, 19.5, True)

    def key(self, actor_id: str) -> tuple[str, ...]:
        """Return the primary key of an actor."""
        return (actor_id,)

    def values(self, state: Any) -> tuple[Any, ...]:
        """Return the values of a state's columns for SQLAlchemy."""
        return state.name, state.note, state.visits, state.balance, state.active

    def state_of(self, values: Sequence[Any]) -> Any:
        """Return the state that SQLAlchemy's values make."""
        return Profile(*values)

    def wire(self, state: Any) -> tuple[Any, ...]:
        """Return the values of a state's columns for a driver."""
        return self.values(state)

    def load(self, values: Sequence[Any]) -> Any:
        """Return the state that a driver's values make."""
        name, note, visits, balance, active = values
        return Profile(name, note, visits, balance, bool(active))


class Generic(Kind):
    """An actor type in the generic table, whose states are JSON documents."""

    def __init__(self, actor_type: ActorType[Any], table: sa.Table, rows: int, lines: int) -> None:
        super().__init__(actor_type, table, rows)
        self._lines = [{"item": f"article {n}", "text": NOTE[:160]} for n in range(lines)]

    def state(self, n: int, name: str = "Ann") -> Any:
        return {"name": name, "visits": n, "active": True, "lines": self._lines}

    def key(self, actor_id: str) -> tuple[str, ...]:
        return self.actor_type.name, actor_id

    def values(self, state: Any) -> tuple[Any, ...]:
        return (state,)

    def state_of(self, values: Sequence[Any]) -> Any:
        return values[0]

    def wire(self, state: Any) -> tuple[Any, ...]:
        return (msgspec.json.encode(state).decode(),)

    def load(self, values: Sequence[Any]) -> Any:
        return msgspec.json.decode(values[0])


NOTE: Final = "A customer who likes tea, pots and kettles; deliveries on weekdays only. " * 3
STAMP: Final = datetime.fromisoformat("2025-01-01T00:00:00+00:00")
ACTORS: Final = ActorRegistry()


def _typed(name: str, rows: int = 20_000) -> Kind:
    actor_type = ACTORS.register(name, state=Profile, table=name)
    return Kind(actor_type, ACTORS.table(actor_type), rows)


def _generic(name: str, rows: int, lines: int) -> Kind:
    return Generic(ActorType(name), ACTORS.table(name), rows, lines)


KINDS: Final[dict[str, Kind]] = {
    "typed": _typed("profile"),
    "fleeting": _typed("fleeting", 60_000),
    "unique": _typed("member"),
    "limit": _typed("limits"),
    "generic 300 B": _generic("small", 20_000, 1),
    "generic 10 KB": _generic("large", 2_000, 50),
    **{f"type {n}": _typed(f"profile_{n}", 1_000) for n in range(1, 21)},
    **{f"{rows} rows": _typed(f"grown_{rows}", rows) for rows in (1_000, 100_000, 1_000_000)},
}
"""Every kind by the name that runs call it."""
sa.Index("member_name", KINDS["unique"].table.c.name, unique=True)


def first_etag(n: int) -> UUID:
    """Return the etag that ``fill`` gives to ``actor-n``; no two rows have the same."""
    return UUID(f"{n:032d}")


def kinds(name: str) -> list[Kind]:
    """Return the kinds of a name; ``20 types`` is all of those at once."""
    if name == "20 types":
        return [KINDS[f"type {n}"] for n in range(1, 21)]
    return [KINDS[name]]


def fill(connection: sa.Connection, kind: Kind) -> None:
    """Make the rows of a kind, called ``actor-1`` and so on, in one statement."""
    series = sa.select(sa.literal(1).label("n")).cte(recursive=True)
    series = series.union_all(sa.select(series.c.n + 1).where(series.c.n < kind.rows))
    actor_id = sa.literal("actor-") + sa.cast(series.c.n, sa.Text)
    values = dict(zip(kind.columns, kind.values(kind.state(0)), strict=True))
    made: dict[sa.Column[Any], sa.ColumnElement[Any]] = {
        column: sa.literal(value, column.type) for column, value in values.items()
    }
    if "name" in kind.table.c:
        made[kind.table.c.name] = actor_id  # its own, where names are unique
    *prefix, _ = kind.key("")
    made |= zip(kind.keys, [*(sa.literal(part) for part in prefix), actor_id], strict=True)
    digits = sa.cast(series.c.n, sa.Text)
    padded = sa.func.substr(sa.literal("0" * 32) + digits, sa.func.length(digits) + 1)
    made[kind.table.c.etag] = sa.cast(padded, sa.Uuid)
    for name, value in {"version": 1, "created_at": STAMP, "updated_at": STAMP}.items():
        made[kind.table.c[name]] = sa.literal(value, kind.table.c[name].type)
    made[kind.table.c.schema_version] = sa.literal(1)
    connection.execute(sa.insert(kind.table).from_select(list(made), sa.select(*made.values())))
