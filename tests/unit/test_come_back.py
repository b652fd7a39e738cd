"""What a state class or JSON would change in silence is refused; what comes back is accepted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pydantic
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool

from theater_sql import (
    GENERIC,
    ActorRegistry,
    ActorRow,
    InvalidState,
    RegistrationError,
    SQLStorage,
)
from theater_sql.codec import CodecError


@dataclass
class Span:
    lo: int = 0
    hi: int = 0

    def __post_init__(self) -> None:
        self.lo, self.hi = min(self.lo, self.hi), max(self.lo, self.hi)


@dataclass
class Counting:
    n: int = 0

    def __post_init__(self) -> None:
        self.n += 1


@dataclass
class Loose:
    maybe: list[int | None] = field(default_factory=list)
    words: dict[str, str | None] = field(default_factory=dict)
    price: float = 0
    spans: list[Span] = field(default_factory=list)
    when: list[datetime] = field(default_factory=list)


class Secretive(pydantic.BaseModel):
    anything: Any = None
    pin: pydantic.SecretStr = pydantic.SecretStr("")


def codec(state: Any, table: Any) -> Any:
    actors = ActorRegistry()
    return actors.match(actors.register("A", state=state, table=table)).codec


def turned() -> Loose:
    span = Span(1, 2)
    span.lo, span.hi = 2, 1
    return Loose(spans=[span])


LOCAL_MEAN_TIME = timezone(timedelta(minutes=53, seconds=28))
REFUSED = {
    "NaN among optional ints": (Loose, Loose(maybe=[math.nan])),  # type: ignore[list-item]
    "infinity among optional texts": (Loose, Loose(words={"a": math.inf})),  # type: ignore[dict-item]
    "an inner hook that swaps two fields": (Loose, turned()),
    "an offset with seconds": (Loose, Loose(when=[datetime(1890, 1, 1, tzinfo=LOCAL_MEAN_TIME)])),
    "a hook that counts": (Counting, Counting(1)),
    "a tuple in a model's Any": (Secretive, Secretive(anything=(1, 2))),
    "a secret that is dumped as asterisks": (Secretive, Secretive(pin=pydantic.SecretStr("1234"))),
}


@pytest.mark.parametrize("table", ["own", GENERIC], ids=["own", "generic"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_would_change_in_silence_is_refused(case: str, table: Any) -> None:
    kind, state = REFUSED[case]
    with pytest.raises(CodecError):
        codec(kind, table).encode(state)


@pytest.mark.parametrize("table", ["own", GENERIC], ids=["own", "generic"])
def test_a_float_field_takes_an_int_as_its_default_may_be_one(table: Any) -> None:
    it = codec(Loose, table)
    assert it.decode(it.encode(Loose(maybe=[None, 1]))) == Loose(maybe=[None, 1])


def test_keys_of_several_types_are_refused_at_registration() -> None:
    @dataclass
    class Mixed:
        by: dict[str | int, int]

    for table in ("own", GENERIC):
        with pytest.raises(RegistrationError, match="keys"):
            ActorRegistry().register("A", state=Mixed, table=table)


class Base(DeclarativeBase):
    pass


class DefaultsRow(ActorRow, Base):
    __tablename__ = "defaults"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]
    lowered: Mapped[str] = mapped_column(default=sa.func.lower("ABC"), onupdate=sa.func.upper("d"))
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(38, 2))


@dataclass
class Defaults:
    n: int
    price: Decimal | None = None


class OwnBookkeepingRow(Base):
    __tablename__ = "own_bookkeeping"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]
    version: Mapped[int]
    etag: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    schema_version: Mapped[int]


def test_constants_in_the_sql_of_a_default_are_sent_along(url: str) -> None:
    actors = ActorRegistry(Base.metadata)
    actors.register("D", model=DefaultsRow, state=Defaults)
    with SQLStorage(url, actors) as storage:
        storage.create_all()
        etag = storage.put("D", "a", Defaults(1))
        with sa.create_engine(url, poolclass=NullPool).connect() as connection:
            lowered = sa.select(DefaultsRow.lowered)
            assert connection.execute(lowered).scalar() == "abc"
            storage.put("D", "a", Defaults(2), expect=etag)
            connection.rollback()
            assert connection.execute(lowered).scalar() == "D"


def test_a_number_that_sqlite_would_round_is_refused_and_no_other(sqlite_url: str) -> None:
    actors = ActorRegistry(Base.metadata)
    actors.register("D", model=DefaultsRow, state=Defaults)
    with SQLStorage(sqlite_url, actors) as storage:
        storage.create_all()
        storage.put("D", "a", Defaults(1, Decimal("12345.67")))
        assert storage.get("D", "a").state.price == Decimal("12345.67")  # type: ignore[union-attr]
        with pytest.raises(InvalidState, match="more digits"):
            storage.put("D", "a", Defaults(1, Decimal("123456789012345678901234567890.12")))


def test_bookkeeping_of_another_type_is_refused() -> None:
    with pytest.raises(RegistrationError, match="ActorRow"):
        ActorRegistry().register("O", model=OwnBookkeepingRow, state=Counting)
