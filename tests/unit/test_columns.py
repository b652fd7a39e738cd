"""Columns derived from annotations, of every kind of state class, through both databases."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa

from theater_sql import GENERIC, ActorRegistry, InvalidState, RegistrationError, SQLStorage

Cents = NewType("Cents", int)


NOBODY = UUID(int=0)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "it's blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = -(2**40)


class Code(enum.Enum):
    A = 1
    B = 2


@dataclass
class Item:
    sku: str
    price: Decimal = Decimal(0)
    at: datetime | None = None


@dataclass
class Everything:
    i: int = 0
    f: float = 0.0
    s: str = ""
    b: bool = False
    raw: bytes = b""
    d: date = date(2026, 1, 1)
    t: time = time(0)
    delta: timedelta = timedelta(0)
    u: UUID = NOBODY
    moment: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    decimal: Decimal = Decimal(0)
    colour: Colour = Colour.RED
    level: Level = Level.LOW
    code: Code = Code.A
    size: Literal["s", "l"] = "s"
    number: Literal[1, 2] = 1
    cents: Cents = Cents(0)
    bounded: Annotated[int, msgspec.Meta(ge=-5)] = 0
    maybe_i: int | None = None
    maybe_s: str | None = None
    maybe_colour: Colour | None = None
    maybe_size: Literal["s"] | None = None
    maybe_moment: datetime | None = None
    items: list[Item] = field(default_factory=list)
    maybe_items: list[Item] | None = None
    mapping: dict[str, Any] = field(default_factory=dict)
    pair: tuple[int, str] = (0, "")
    tags: set[str] = field(default_factory=set)
    either: int | str = 0
    by_day: dict[date, Decimal] = field(default_factory=dict)


TYPES = {
    "i": sa.BigInteger,
    "f": sa.Double,
    "s": sa.Text,
    "b": sa.Boolean,
    "raw": sa.LargeBinary,
    "d": sa.Date,
    "t": sa.Time,
    "u": sa.Uuid,
    "colour": sa.String,
    "level": sa.String,
    "code": sa.String,
    "size": sa.String,
    "cents": sa.BigInteger,
    "bounded": sa.BigInteger,
    "maybe_i": sa.BigInteger,
}
EXTREMES: dict[str, list[Any]] = {
    "i": [2**63 - 1, -(2**63)],
    "f": [0.1, 5e-324, 1.7976931348623157e308, 1 / 3],
    "s": ["ü🎭", "", "'\"\\%s:x", "\x01\x7f\u2028", "x" * 100_000, "null", " a "],
    "raw": [b"\x00\xff" * 1000, b""],
    "d": [date.min, date.max],
    "t": [time.max, time(1, 2, 3, 4)],
    "delta": [
        timedelta(days=-100_000, microseconds=1),
        timedelta(days=100_000),
        timedelta.resolution,
    ],
    "u": [UUID(int=2**128 - 1)],
    "moment": [
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        datetime(1900, 1, 1, tzinfo=timezone(timedelta(hours=-12))),
    ],
    "decimal": [
        Decimal("0.1"),
        Decimal("1.10"),
        Decimal("-1" + "0" * 400 + ".5"),
        Decimal("1e-900"),
        Decimal("12345678901234567890.123456789012345678901234567890"),
    ],
    "colour": list(Colour),
    "level": list(Level),
    "code": list(Code),
    "size": ["l"],
    "number": [2],
    "cents": [Cents(-1)],
    "bounded": [-5],
    "maybe_i": [0, 1],
    "maybe_s": ["", "None", "null"],
    "maybe_colour": [Colour.BLUE],
    "maybe_size": ["s"],
    "maybe_moment": [datetime(2026, 1, 1, tzinfo=UTC)],
    "items": [[Item("ü", Decimal("1.10"), datetime(2026, 1, 1, 1, 1, 1, 1, UTC))], [Item("a")] * 3],
    "maybe_items": [[], [Item("a")]],
    "mapping": [{"": {"$set": [None, 1.5, "nul \0"]}}, {"b": 1, "a": 2**70}],
    "pair": [(-1, "x")],
    "tags": [{"a", "ü", ""}],
    "either": [1, "1"],
    "by_day": [{date.max: Decimal("0.10")}],
}
ACTORS = ActorRegistry()
ACTORS.register("Everything", state=Everything)
ACTORS.register("Shared", state=Everything, table=GENERIC)


@pytest.fixture
def storage(url: str) -> Iterator[SQLStorage]:
    with SQLStorage(url, ACTORS) as storage:
        storage.create_all()
        yield storage


def check_same(one: Any, other: Any) -> None:
    assert one == other
    assert type(one) is type(other)
    if isinstance(one, float):
        assert str(one) == str(other)
    if isinstance(one, datetime):
        assert one.utcoffset() == timedelta(0)


@pytest.mark.parametrize("actor_type", ["Everything", "Shared"])
def test_extreme_values_come_back_exactly(storage: SQLStorage, actor_type: str) -> None:
    for name, values in EXTREMES.items():
        for n, value in enumerate(values):
            state = Everything(**{name: value})
            storage.put(actor_type, f"{name}{n}", state)
            found = storage.get(actor_type, f"{name}{n}")
            assert found
            back = getattr(found.state, name)
            if isinstance(value, datetime):
                assert back == value
                assert actor_type == "Shared" or back.utcoffset() == timedelta(0)
            else:
                check_same(back, value)
            assert found.state == state


def test_every_field_has_the_column_type_of_the_table() -> None:
    columns = ACTORS.table("Everything").c
    for name, kind in TYPES.items():
        assert isinstance(columns[name].type, kind), name
    nullable = {column.name for column in columns if column.nullable}
    assert nullable == {name for name in EXTREMES if name.startswith("maybe")}


@dataclass
class Sized:
    n: int = 0
    size: Literal["s", None] = None


def test_literal_that_holds_none_is_nullable_or_refused_by_name(url: str) -> None:
    actors = ActorRegistry()
    if tuple(map(int, msgspec.__version__.split(".")[:2])) < (0, 22):  # it can't sort "s" and None
        with pytest.raises(RegistrationError, match=r"^Sized\.size: "):
            actors.register("Sized", state=Sized)
        return
    actors.register("Sized", state=Sized)
    assert actors.table("Sized").c["size"].nullable
    with SQLStorage(url, actors) as storage:
        storage.create_all()
        for state in (Sized(size="s"), Sized(size=None)):
            storage.put("Sized", "a", state)
            found = storage.get("Sized", "a")
            assert found and found.state == state


def test_columns_are_what_people_see_in_sql(storage: SQLStorage, url: str) -> None:
    state = Everything(colour=Colour.BLUE, level=Level.HIGH, items=[Item("a")], maybe_items=None)
    storage.put("Everything", "a", state)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        query = "SELECT colour, level, size, maybe_items IS NULL FROM everything"
        row = connection.exec_driver_sql(query).one()
        table = ACTORS.table("Everything")
        selected = connection.execute(sa.select(table.c.moment, table.c.decimal)).one()
    engine.dispose()
    assert tuple(row) == ("it's blue", str(-(2**40)), "s", True)
    assert tuple(selected) == (state.moment, state.decimal)


BAD: list[tuple[str, Any]] = [
    ("i", 2**63),
    ("i", True),
    ("i", 1.0),
    ("i", Level.LOW),
    ("f", -0.0),
    ("f", float("nan")),
    ("f", float("inf")),
    ("f", True),
    ("f", 2**60),
    ("s", "nul \0"),
    ("s", "\ud800"),
    ("s", b"bytes"),
    ("b", 1),
    ("raw", "text"),
    ("raw", bytearray(b"")),
    ("d", datetime(2026, 1, 1, tzinfo=UTC)),
    ("t", time(1, tzinfo=UTC)),
    ("delta", timedelta.max),
    ("moment", datetime(2026, 1, 1)),  # noqa: DTZ001
    ("moment", datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))),
    ("moment", date(2026, 1, 1)),
    ("decimal", Decimal("NaN")),
    ("decimal", Decimal("-Infinity")),
    ("decimal", Decimal("1e2000")),
    ("decimal", 1),
    ("decimal", 1.5),
    ("colour", "red"),
    ("colour", None),
    ("size", "m"),
    ("number", True),
    ("number", 3),
    ("bounded", -6),
    ("items", [{"sku": 1}]),
    ("items", "text"),
    ("items", None),
    ("mapping", {1: 2}),
    ("mapping", {"a": float("nan")}),
    ("mapping", {"a": (1, 2)}),
    ("pair", (1,)),
    ("tags", {1}),
    ("either", 1.5),
    ("by_day", {"x": Decimal(1)}),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_what_would_not_come_back_is_refused_by_name(
    sqlite_url: str, name: str, value: Any
) -> None:
    with SQLStorage(sqlite_url, ACTORS) as storage, pytest.raises(InvalidState) as caught:
        storage.put("Everything", "a", Everything(**{name: value}))
    assert caught.value.path.startswith(f"$.{name}")
