"""Columns derived from annotations, of every kind of state class, through both databases."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
import sqlalchemy as sa

from theater_sql import GENERIC, ActorRegistry, InvalidState, SQLStorage

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
    maybe_size: Literal["s", None] = None
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


# --- the kinds of state class ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    n: int
    items: tuple[Item, ...] = ()


@attrs.define
class Attrs:
    n: int
    items: list[Item] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class FrozenAttrs:
    n: int
    items: tuple[Item, ...] = ()


class Pair(NamedTuple):
    n: int
    items: tuple[Item, ...] = ()
    last: str | None = None


class Typed(TypedDict):
    n: int
    items: NotRequired[list[Item]]
    note: NotRequired[str]
    maybe: str | None


class Struct(msgspec.Struct, rename="camel", tag="struct", forbid_unknown_fields=True):
    n: int
    line_items: list[Item] = []
    last_seen: datetime | None = None


class FrozenStruct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    n: int = 0
    colour: Colour = Colour.RED


class Address(pydantic.BaseModel):
    street: str
    since: datetime


class Person(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(populate_by_name=True)
    n: int
    full_name: str = pydantic.Field(default="", alias="fullName")
    address: Address | None = None
    history: list[Address] = []
    balance: Decimal = Decimal(0)
    colour: Colour = Colour.RED
    when: datetime | None = None
    blob: bytes = b""


class Aliased(pydantic.BaseModel):
    n: int = pydantic.Field(validation_alias="inN", serialization_alias="outN")


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, frozen=True)
    n: int
    colour: Colour = Colour.RED
    pair: tuple[int, int] = (0, 0)
    when: list[datetime] = []


@dataclass
class Empty:
    """No fields: only its being there is stored."""


MOMENT = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
ITEMS = [Item("a", Decimal("1.5"), MOMENT)]
ADDRESS = Address(street="ü", since=MOMENT)
STATES: dict[str, list[Any]] = {
    "Frozen": [Frozen(n=1), Frozen(n=2, items=tuple(ITEMS))],
    "Attrs": [Attrs(1), Attrs(2, ITEMS)],
    "FrozenAttrs": [FrozenAttrs(n=1), FrozenAttrs(n=2, items=tuple(ITEMS))],
    "Pair": [Pair(1), Pair(2, tuple(ITEMS), "x")],
    "Typed": [
        Typed(n=1, maybe=None),
        Typed(n=2, items=[], note="", maybe="x"),
        Typed(n=3, items=ITEMS, maybe=""),
    ],
    "Struct": [Struct(1), Struct(2, ITEMS, MOMENT)],
    "FrozenStruct": [FrozenStruct(), FrozenStruct(n=2, colour=Colour.BLUE)],
    "Person": [
        Person(n=1),
        Person(
            n=2, fullName="ü", address=ADDRESS, history=[ADDRESS], balance=Decimal("1.10"),
            colour=Colour.BLUE, when=MOMENT, blob=b"text",
        ),
    ],
    "Aliased": [Aliased.model_validate({"inN": 1})],
    "Strict": [Strict(n=1), Strict(n=2, colour=Colour.BLUE, pair=(1, 2), when=[MOMENT])],
    "Empty": [Empty()],
}  # fmt: skip
CLASSES: list[Any] = [
    Frozen, Attrs, FrozenAttrs, Pair, Typed, Struct, FrozenStruct, Person, Aliased, Strict, Empty,
]  # fmt: skip


@pytest.mark.parametrize("actor_type", ["Own", "Shared"])
@pytest.mark.parametrize("state_class", CLASSES)
def test_every_kind_of_state_class_comes_back_equal(
    sqlite_url: str, state_class: Any, actor_type: str
) -> None:
    check_states(sqlite_url, [state_class], actor_type)


@pytest.mark.parametrize("actor_type", ["Own", "Shared"])
def test_state_classes_come_back_equal_on_postgresql(pg_url: str, actor_type: str) -> None:
    check_states(pg_url, CLASSES, actor_type)


def check_states(url: str, classes: list[Any], actor_type: str) -> None:
    actors = ActorRegistry()
    for one in classes:
        table: Any = GENERIC if actor_type == "Shared" else one.__name__.lower()
        actors.register(one.__name__, state=one, table=table)
    with SQLStorage(url, actors) as storage:
        storage.create_all()
        states = [(one.__name__, state) for one in classes for state in STATES[one.__name__]]
        for n, (name, state) in enumerate(states):
            etag = storage.put(name, f"a{n}", state)
            storage.put(name, f"a{n}", state, expect=etag)
            found = storage.get(name, f"a{n}")
            assert found
            assert found.state == state
            assert type(found.state) is type(state)


class Extra(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    n: int = 0


@pytest.mark.parametrize("table", ["extra", GENERIC])
def test_extra_fields_of_a_pydantic_model_are_kept_or_refused(sqlite_url: str, table: Any) -> None:
    actors = ActorRegistry()
    actors.register("Extra", state=Extra, table=table)
    state = Extra.model_validate({"n": 1, "more": 2})
    with SQLStorage(sqlite_url, actors) as storage:
        storage.create_all()
        try:
            storage.put("Extra", "a", state)
        except InvalidState:
            return
        found = storage.get("Extra", "a")
        assert found and found.state == state, "a field was lost in silence"


@pytest.mark.parametrize("table", ["item", GENERIC])
def test_subclass_of_the_state_is_refused(sqlite_url: str, table: Any) -> None:
    @dataclass
    class Special(Item):
        pass

    actors = ActorRegistry()
    actors.register("Item", state=Item, table=table)
    with SQLStorage(sqlite_url, actors) as storage:
        storage.create_all()
        with pytest.raises(InvalidState):
            storage.put("Item", "a", Special("a"))
