"""One state class of many fields, stored in every way there is."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pydantic
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.hostile.values import Colour
from theater_sql import GENERIC, ActorRegistry, ActorRow
from theater_sql.types import Document, Duration, ExactDecimal, UTCDateTime


@dataclass
class State:
    text: str | None = None
    whole: int | None = None
    real: float | None = None
    flag: bool | None = None
    octets: bytes | None = None
    amount: Decimal | None = None
    instant: datetime | None = None
    day: date | None = None
    clock: time | None = None
    span: timedelta | None = None
    identity: uuid.UUID | None = None
    colour: Colour | None = None
    texts: list[str] = field(default_factory=list)
    reals: dict[str, float] = field(default_factory=dict)
    loose: Any = None


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    text: str | None = None
    whole: int | None = None
    real: float | None = None
    flag: bool | None = None
    octets: bytes | None = None
    amount: Decimal | None = None
    instant: datetime | None = None
    day: date | None = None
    clock: time | None = None
    span: timedelta | None = None
    identity: uuid.UUID | None = None
    colour: Colour | None = None
    texts: list[str] = []
    reals: dict[str, float] = {}
    loose: Any = None


class Base(DeclarativeBase):
    pass


class Row(ActorRow, Base):
    __tablename__ = "own_row"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[Any] = mapped_column(sa.String(40), nullable=True)
    whole: Mapped[Any] = mapped_column(sa.BigInteger, nullable=True)
    real: Mapped[Any] = mapped_column(sa.Float, nullable=True)
    flag: Mapped[Any] = mapped_column(sa.Boolean, nullable=True)
    octets: Mapped[Any] = mapped_column(sa.LargeBinary, nullable=True)
    amount: Mapped[Any] = mapped_column(ExactDecimal, nullable=True)
    instant: Mapped[Any] = mapped_column(UTCDateTime, nullable=True)
    day: Mapped[Any] = mapped_column(sa.Date, nullable=True)
    clock: Mapped[Any] = mapped_column(sa.Time, nullable=True)
    span: Mapped[Any] = mapped_column(Duration, nullable=True)
    identity: Mapped[Any] = mapped_column(sa.Uuid, nullable=True)
    colour: Mapped[Any] = mapped_column(sa.Enum(Colour, native_enum=False), nullable=True)
    loose: Mapped[Any] = mapped_column(Document, nullable=True)


ACTORS = ActorRegistry(Base.metadata)
ACTORS.register("derived", state=State)
ACTORS.register("document", state=State, table=GENERIC)
ACTORS.register("pydantic", state=Model)
ACTORS.register("pydantic document", state=Model, table=GENERIC)
ACTORS.register("model", model=Row)


def lying(name: str, value: Any) -> Model:
    """Return a pydantic model that holds what its field does not allow."""
    return Model.model_construct(**{"texts": [], "reals": {}, name: value})


MAKERS: dict[str, Callable[[str, Any], Any]] = {
    "derived": lambda name, value: State(**{name: value}),
    "document": lambda name, value: State(**{name: value}),
    "pydantic": lying,
    "pydantic document": lying,
    "model": lambda name, value: Row(**{name: value}),
}
"""What makes a state with one field set, for each way."""
