"""The ways in which an actor type can be stored, each with states that are told by a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from theater_sql import GENERIC, ActorRegistry, ActorRow


class Base(DeclarativeBase):
    pass


class CounterRow(ActorRow, Base):
    __tablename__ = "counter"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(sa.BigInteger)
    note: Mapped[str | None]


class GaugeRow(ActorRow, Base):
    __tablename__ = "gauge"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[int]


@dataclass
class GaugeState:
    level: int


@dataclass
class Item:
    sku: str
    qty: int = 1


@dataclass
class CartState:
    items: list[Item] = field(default_factory=list)
    total: int = 0


@dataclass
class SessionState:
    hits: int
    path: str = "/"


def _registry() -> ActorRegistry:
    """Return a registry with every way to register a type, in tables of their own."""
    actors = ActorRegistry(Base.metadata)
    actors.register("shop.Cart", state=CartState)
    actors.register("shop.Counter", model=CounterRow)
    actors.register("shop.Gauge", model=GaugeRow, state=GaugeState)
    actors.register("shop.Session", state=SessionState, table=GENERIC)
    return actors


@dataclass(frozen=True)
class Kind:
    """One way of storage: states are made from a number, and the number is read back."""

    actor_type: str
    table: sa.Table
    make: Callable[[int], Any]
    number: Callable[[Any], int]

    def row_is(self, actor_id: str) -> sa.ColumnElement[bool]:
        """Return the condition that is true for the actor's row."""
        columns = self.table.c
        if "actor_type" in columns:
            return sa.and_(
                columns.actor_type == self.actor_type, columns.actor_id == f"s:{actor_id}"
            )
        return columns.actor_id == actor_id

    def row(self, engine: sa.Engine, actor_id: str) -> sa.RowMapping | None:
        """Return the actor's row as the database has it."""
        with engine.connect() as connection:
            query = sa.select(self.table).where(self.row_is(actor_id))
            return connection.execute(query).mappings().one_or_none()

    def update(self, engine: sa.Engine, actor_id: str, **values: Any) -> None:
        """Change the actor's row by hand."""
        with engine.begin() as connection:
            change = sa.update(self.table).where(self.row_is(actor_id)).values(**values)
            assert connection.execute(change).rowcount == 1


ACTORS = _registry()
KINDS = {
    "derived": Kind(
        "shop.Cart",
        ACTORS.table("shop.Cart"),
        lambda n: CartState([Item("a", n)], n),
        lambda state: int(state.total),
    ),
    "model": Kind(
        "shop.Counter",
        ACTORS.table("shop.Counter"),
        lambda n: CounterRow(count=n, note="x"),
        lambda state: int(state.count),
    ),
    "model_with_state": Kind(
        "shop.Gauge", ACTORS.table("shop.Gauge"), GaugeState, lambda state: int(state.level)
    ),
    "generic_typed": Kind(
        "shop.Session", ACTORS.generic.table, SessionState, lambda state: int(state.hits)
    ),
    "unregistered": Kind(
        "nobody.Knows",
        ACTORS.generic.table,
        lambda n: {"n": n, "pair": (1, 2)},
        lambda state: int(state["n"]),
    ),
}
