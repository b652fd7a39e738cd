"""A registry with every kind of column, as a user's project would have it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from theater_sql import ActorRegistry, ActorRow

Sku = NewType("Sku", str)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Everything:
    number: int
    ratio: float
    text: str
    flag: bool
    raw: bytes
    day: date
    clock: time
    span: timedelta
    unique: UUID
    instant: datetime
    price: Decimal
    colour: Colour
    size: Literal["s", "m"]
    sku: Sku
    noted: Annotated[str, "a note"]
    items: list[dict[str, int]]
    maybe_number: int | None = None
    maybe_instant: datetime | None = None
    maybe_price: Decimal | None = None
    maybe_span: timedelta | None = None
    maybe_items: list[str] | None = None


@dataclass
class Small:
    text: str = ""


class Base(DeclarativeBase):
    pass


class ShelfRow(ActorRow, Base):
    __tablename__ = "shelf"
    __table_args__ = (sa.UniqueConstraint("room", "number", name="one_shelf_per_number"),)

    actor_id: Mapped[str] = mapped_column(primary_key=True)
    room: Mapped[str] = mapped_column(sa.String(20), index=True)
    number: Mapped[int]
    extra: Mapped[dict[str, Any]] = mapped_column(sa.JSON().with_variant(JSONB(), "postgresql"))


actors = ActorRegistry(jsonb=True)
actors.register("shop.Everything", state=Everything)
actors.register("shop.Pair", state=Small, id_type=(str, int))
actors.register("shop.Unique", state=Small, id_type=UUID)
actors.register("shop.Raw", state=Small, id_type=bytes)
actors.register("shop.Numbered", state=Small, id_type=int)
actors.register("shop.Shelf", model=ShelfRow)

METADATA = [actors.metadata, Base.metadata]


@dataclass
class Before:
    text: str
    number: int
    old: str | None = None


@dataclass
class After:
    text: str | None
    number: Decimal
    new: datetime | None = None
    more: list[Decimal] | None = None


def changed(state: type[Any]) -> sa.MetaData:
    """Return the metadata of a registry with one actor type."""
    registry = ActorRegistry()
    registry.register("Changing", state=state)
    return registry.metadata
