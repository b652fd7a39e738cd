"""The states of a type with a table, while its rows are JSON in the generic table."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, NotRequired, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from theater_sql import ActorRegistry, ActorRow
from theater_sql.codec import CodecError, PlainCodec
from theater_sql.codec.bridge import BridgeCodec

AT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
UID = UUID(int=7)
PLAIN = PlainCodec()


@dataclass
class Rich:
    n: int
    at: datetime = AT
    on: date = date(2026, 1, 2)
    clock: time = time(1, 2, 3)
    span: timedelta = timedelta(days=1, microseconds=1)
    price: Decimal = Decimal("1.50")
    uid: UUID = UID
    raw: bytes = b"\0\xff"
    ratio: float = 0.5
    tags: list[str] = field(default_factory=list)
    inner: dict[str, list[int]] = field(default_factory=lambda: {"$x": [1]})
    note: str | None = None


@attrs.define
class Attrs:
    n: int
    at: datetime | None = None


class Pair(NamedTuple):
    n: int
    middle: str | None = None
    last: int = 3


class Typed(TypedDict):
    n: int
    maybe: NotRequired[Decimal]


class Struct(msgspec.Struct, rename="camel"):
    line_items: list[int]
    last_seen: datetime | None = None


class Person(pydantic.BaseModel):
    n: int
    at: datetime | None = None
    tags: list[str] = []


class Base(DeclarativeBase):
    pass


class Row(ActorRow, Base):
    __tablename__ = "bridge_row"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]
    price: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2))
    note: Mapped[str | None] = mapped_column(sa.String(5))
    extra: Mapped[Any] = mapped_column(sa.JSON, nullable=True)


def bridge(state: Any) -> BridgeCodec:
    actors = ActorRegistry(sa.MetaData())
    kind = {"model": state} if state is Row else {"state": state}
    actors.register("Bridged", **kind)
    found = actors.match("Bridged").in_generic
    assert found is not None
    codec = found.codec
    assert isinstance(codec, BridgeCodec)
    return codec


STATES: list[tuple[Any, Any, dict[str, Any]]] = [
    (Rich, Rich(1), vars(Rich(1))),
    (Rich, Rich(1, tags=["a"], note="x"), vars(Rich(1, tags=["a"], note="x"))),
    (Attrs, Attrs(1, AT), {"n": 1, "at": AT}),
    (Pair, Pair(1, "m", 4), {"n": 1, "middle": "m", "last": 4}),
    (Typed, {"n": 1}, {"n": 1}),
    (Typed, {"n": 1, "maybe": Decimal("0.10")}, {"n": 1, "maybe": Decimal("0.10")}),
    (Struct, Struct([1], AT), {"lineItems": [1], "lastSeen": AT}),
    (Person, Person(n=1, at=AT, tags=["a"]), {"n": 1, "at": AT, "tags": ["a"]}),
]


@pytest.mark.parametrize(("kind", "state", "plain"), STATES)
def test_a_state_is_what_code_without_the_class_reads_and_writes(
    kind: Any, state: Any, plain: dict[str, Any]
) -> None:
    codec = bridge(kind)
    (text,) = codec.encode(state)
    read = PLAIN.decode(text)
    assert read == plain and {k: type(v) for k, v in read.items()} == {
        k: type(v) for k, v in plain.items()
    }
    for one in (text, PLAIN.encode(plain)):
        back = codec.decode((one,))
        assert back == state and type(back) is type(state)


def test_a_mapped_instance() -> None:
    codec = bridge(Row)
    (text,) = codec.encode(Row(n=1, price=Decimal("1.50"), note="x", extra={"a": [1, None]}))
    plain = {"n": 1, "price": Decimal("1.50"), "note": "x", "extra": {"a": [1, None]}}
    assert PLAIN.decode(text) == plain
    back = codec.decode((PLAIN.encode({"n": 2, "price": Decimal("2.25")}),))
    assert type(back) is Row
    assert (back.n, back.price, back.note, back.extra) == (2, Decimal("2.25"), None, None)


MISSING: list[tuple[Any, dict[str, Any], Any]] = [
    (Rich, {"n": 2}, Rich(2)),
    (Attrs, {"n": 2}, Attrs(2)),
    (Pair, {"n": 2}, Pair(2)),
    (Pair, {"n": 2, "middle": "m"}, Pair(2, "m")),
    (Struct, {"lineItems": []}, Struct([])),
    (Person, {"n": 2}, Person(n=2)),
]


@pytest.mark.parametrize(("kind", "plain", "state"), MISSING)
def test_a_field_that_is_not_in_the_json_has_its_default(
    kind: Any, plain: dict[str, Any], state: Any
) -> None:
    assert bridge(kind).decode((PLAIN.encode(plain),)) == state


@pytest.mark.parametrize(
    ("kind", "plain", "path"),
    [
        (Pair, {"n": 1, "last": 4}, "$.middle"),  # which no NamedTuple is built without
        (Rich, {"at": AT}, "$.n"),
        (Typed, {"maybe": Decimal(1)}, "$.n"),
        (Struct, {"lastSeen": AT}, "$.lineItems"),
        (Person, {"tags": []}, "$.n"),
        (Row, {"n": 1}, "$.price"),
        (Rich, {"n": 1, "colour": "secret"}, "$.colour"),
        (Attrs, {"n": 1, "colour": "secret"}, "$.colour"),
        (Pair, {"n": 1, "colour": "secret"}, "$.colour"),
        (Typed, {"n": 1, "colour": "secret"}, "$.colour"),
        (Struct, {"lineItems": [], "last_seen": "secret"}, "$.last_seen"),  # not its JSON name
        (Person, {"n": 1, "colour": "secret"}, "$.colour"),
        (Row, {"n": 1, "price": Decimal(1), "actor_id": "secret"}, "$.actor_id"),
        (Rich, {"n": "secret"}, "$.n"),
        (Rich, {"n": 1, "at": "secret"}, "$.at"),
        (Rich, {"n": 1, "inner": {"a": ["secret"]}}, "$.inner"),
        (Rich, {"n": None}, "$.n"),
        (Row, {"n": 1, "price": Decimal(1), "note": "secret"}, "$.note"),  # longer than its column
        (Row, {"n": 2**40, "price": Decimal(1)}, "$.n"),
        (Row, {"n": "secret", "price": Decimal(1)}, "$.n"),
        (Row, {"n": 1, "price": Decimal("1.005")}, "$.price"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(
    kind: Any, plain: dict[str, Any], path: str
) -> None:
    codec = bridge(kind)
    with pytest.raises(CodecError) as caught:
        codec.decode((PLAIN.encode(plain),))
    assert caught.value.path.startswith(path) or path.removeprefix("$.") in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", [None, "[]", "1", "{", '{"$tuple":[1]}'])
def test_what_is_no_object_is_refused(text: str | None) -> None:
    with pytest.raises(CodecError):
        bridge(Rich).decode((text,))


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (Rich, Attrs(1)),
        (Rich, {"n": 1}),
        (Rich, Rich("text")),  # type: ignore[arg-type]
        (Rich, Rich(2**63)),
        (Rich, Rich(1, at=datetime(2026, 1, 1))),  # noqa: DTZ001
        (Rich, Rich(1, ratio=float("nan"))),
        (Typed, {"n": 1, "other": 2}),
        (Row, Row(n=1, price=Decimal("1.005"))),
        (Row, Row(n=1, price=Decimal(1), note="too long")),
        (Row, Row(n=2**40, price=Decimal(1))),
        (Row, Row(n=1, price=Decimal(1), extra={"a": {1, 2}})),
    ],
)
def test_what_would_not_fit_the_columns_is_not_written(kind: Any, state: Any) -> None:
    with pytest.raises(CodecError):
        bridge(kind).encode(state)
