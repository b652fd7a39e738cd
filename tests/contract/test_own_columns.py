"""Column types of the user's own on both databases, and fields of a state in such columns."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import ARRAY, CHAR, JSONB, TSVECTOR
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from tests.contract.exotic import Cents, Code, Half, Lower, Mood, Reversed, WrappedMoney
from tests.contract.flushes import same
from theater_sql import ActorRegistry, ActorRow, CorruptState, InvalidState, SQLStorage

ID = UUID("12345678-1234-5678-1234-56781234abcd")


class Guid(TypeDecorator[UUID]):
    """The recipe of SQLAlchemy's documentation: it hands the driver text for a UUID."""

    impl = CHAR
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return PG_UUID() if dialect.name == "postgresql" else sa.CHAR(32)

    def process_bind_param(self, value: UUID | None, dialect: Any) -> str | None:
        if value is None:
            return value
        return str(value) if dialect.name == "postgresql" else value.hex

    def process_result_value(self, value: Any, dialect: Any) -> UUID | None:
        return value if value is None or isinstance(value, UUID) else UUID(value)


class Flag(enum.StrEnum):
    ON = "on"
    OFF = "off"


class Flags(TypeDecorator[Flag]):
    """Hands the driver a kind of str."""

    impl = sa.String(3)
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Any) -> Flag | None:
        return None if value is None else Flag(value)


class Utc(TypeDecorator[datetime]):
    """Keeps an instant in a column without a zone."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Tags(TypeDecorator[set[str]]):
    """A set as JSON."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: set[str] | None, dialect: Any) -> Any:
        return None if value is None else sorted(value)

    def process_result_value(self, value: Any, dialect: Any) -> set[str] | None:
        return None if value is None else set(value)


class AnyJson(TypeDecorator[Any]):
    """Leaves everything to JSON."""

    impl = sa.JSON
    cache_ok = True


class Base(DeclarativeBase):
    pass


WHEN = datetime(2020, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
COLUMNS: dict[str, tuple[Any, list[Any]]] = {
    "guid": (Guid(), [ID]),
    "flag": (Flags(), [Flag.ON, Flag.OFF]),
    "utc": (Utc(), [WHEN]),
    "tags": (Tags(), [{"a", "b"}, set()]),
    "any_json": (AnyJson(), [{"a": [1, 1.5, None]}, [1e300], "1", 5, -(2**62), True]),
    "json": (sa.JSON(), [{"a": [1, 1.5, None]}, [1e300, -0.0], "1", 5, -(2**62), True]),
    "jsonb": (sa.JSON().with_variant(JSONB(), "postgresql"), [{"a": [1, 1.5]}, 5]),
    "code": (Code(), ["abc", ""]),
    "lower": (Lower(), ["abc"]),
    "reversed": (Reversed(), ["abc"]),
    "cents": (Cents(), [Decimal("1.25")]),
    "half": (Half(), [0.5]),
    "double": (sa.Double(), [0.0, 0.1, -1.5]),
    "longer": (sa.Text().with_variant(sa.String(3), "mysql"), ["abcd"]),
    "pickled": (sa.PickleType(), [{"a": {1}}]),
    "enum": (sa.Enum(Mood, native_enum=False), list(Mood)),
    "uuid_text": (sa.Uuid(as_uuid=False), [str(ID)]),
    "moment": (sa.DateTime(), [WHEN.replace(tzinfo=None)]),
}
BAD: list[tuple[str, Any]] = [
    ("guid", "nonsense"),
    ("guid", str(ID)),
    ("flag", "on"),
    ("flag", "else"),
    ("tags", ["a"]),
    ("tags", {1.5, "a"}),
    ("any_json", (1,)),
    ("any_json", {1: 2}),
    ("any_json", float("nan")),
    ("json", (1,)),
    ("code", "abcd"),
    ("code", "üüüü"),
    ("lower", "ABC"),
    ("reversed", 5),
    ("cents", Decimal("1.255")),
    ("half", 5e-324),
    ("longer", 5),
    ("enum", "nope"),
    ("enum", "GOOD"),
    ("uuid_text", ID.hex),
    ("moment", WHEN.replace(tzinfo=None, fold=1)),
    ("double", -0.0),  # which SQLite keeps as the integer 0
    ("half", -0.0),
]
BAD_ON_SQLITE: list[tuple[str, Any]] = [
    ("json", 1.0),
    ("json", 2**63),
    ("json", -0.0),
    ("any_json", 1e2),
    ("any_json", 2**70),
]
BAD_ON_POSTGRESQL: list[tuple[str, Any]] = [("jsonb", [1e16]), ("jsonb", {"a": -0.0})]
MAPPED = {name: mapped_column(type_, nullable=True) for name, (type_, _) in COLUMNS.items()}
KEY = {"__tablename__": "own", "actor_id": mapped_column(sa.Text, primary_key=True)}
OwnRow: Any = type("OwnRow", (ActorRow, Base), KEY | MAPPED)
ACTORS = ActorRegistry(Base.metadata, jsonb=True)
ACTORS.register("Own", model=OwnRow)


def state_of(storage: SQLStorage, actor_type: str, actor_id: str) -> Any:
    found = storage.get(actor_type, actor_id)
    assert found
    return found.state


@pytest.fixture
def storage(url: str) -> Iterator[SQLStorage]:
    with SQLStorage(url, ACTORS) as storage:
        storage.create_all()
        yield storage


def test_values_of_own_types_come_back_exactly(storage: SQLStorage) -> None:
    for name, (_, values) in COLUMNS.items():
        for n, value in enumerate([None, *values]):
            storage.put("Own", f"{name}{n}", OwnRow(**{name: value}))
            found = state_of(storage, "Own", f"{name}{n}")
            assert same(getattr(found, name), value), (name, value)


def test_what_would_not_come_back_is_refused_by_name(storage: SQLStorage, url: str) -> None:
    own = BAD_ON_SQLITE if url.startswith("sqlite") else BAD_ON_POSTGRESQL
    for name, value in BAD + own:
        with pytest.raises(InvalidState) as caught:
            storage.put("Own", "a", OwnRow(**{name: value}))
        assert caught.value.path.startswith(f"$.{name}"), (name, value, caught.value)
    assert not storage.get("Own", "a")


def test_generic_jsonb_refuses_numbers_that_it_changes(url: str) -> None:
    with SQLStorage(url, ACTORS) as storage:
        storage.create_all()
        for value in ({"a": 1e16}, [-0.0], {"a": [{"b": -1e300}]}, "nul \0"):
            with pytest.raises(InvalidState):
                storage.put("Loose", "a", value)
        kept: list[Any] = [{"a": 1e15}, "1e16 -0.0", {"1e5": "\\u0000"}, [0.0, 1e-300, 5e-324]]
        for value in kept:
            storage.put("Loose", "a", value)
            assert same(state_of(storage, "Loose", "a"), value)


class Naming(DeclarativeBase):
    pass


class VariantRow(ActorRow, Naming):
    __tablename__ = "variant"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    long: Mapped[str | None] = mapped_column(sa.String(5).with_variant(sa.Text, "postgresql"))
    short: Mapped[str | None] = mapped_column(sa.Text().with_variant(sa.String(5), "postgresql"))


def test_length_is_that_of_the_database(url: str) -> None:
    actors = ActorRegistry(Naming.metadata)
    actors.register("Variant", model=VariantRow)
    fits, does_not = ("long", "short") if url.startswith("postgresql") else ("short", "long")
    with SQLStorage(url, actors) as storage:
        storage.create_all()
        storage.put("Variant", "a", VariantRow(**{fits: "123456"}))
        assert getattr(state_of(storage, "Variant", "a"), fits) == "123456"
        with pytest.raises(InvalidState) as caught:
            storage.put("Variant", "b", VariantRow(**{does_not: "123456"}))
        assert caught.value.path == f"$.{does_not}"


DATETIME: Any = sqlite.DATETIME
TIME: Any = sqlite.TIME


class OfSqlite(DeclarativeBase):
    pass


class SecondsRow(ActorRow, OfSqlite):
    __tablename__ = "seconds"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    moment: Mapped[Any] = mapped_column(DATETIME(truncate_microseconds=True))
    daytime: Mapped[Any] = mapped_column(TIME(truncate_microseconds=True))


def test_format_without_microseconds_refuses_them(sqlite_url: str) -> None:
    moment, daytime = WHEN.replace(tzinfo=None, microsecond=0), time(1, 2, 3)
    actors = ActorRegistry(OfSqlite.metadata)
    actors.register("Seconds", model=SecondsRow)
    with SQLStorage(sqlite_url, actors) as storage:
        storage.create_all()
        storage.put("Seconds", "a", SecondsRow(moment=moment, daytime=daytime))
        assert state_of(storage, "Seconds", "a").daytime == daytime
        for name in ("moment", "daytime"):
            values: dict[str, Any] = {"moment": moment, "daytime": daytime}
            values[name] = values[name].replace(microsecond=1)
            with pytest.raises(InvalidState) as caught:
                storage.put("Seconds", "b", SecondsRow(**values))
            assert caught.value.path == f"$.{name}"


class Search(DeclarativeBase):
    pass


class SearchRow(ActorRow, Search):
    """Types that are refused do no harm in columns that are not part of the state."""

    __tablename__ = "search"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column()
    found: Mapped[Any] = mapped_column(
        TSVECTOR, sa.Computed("to_tsvector('simple', text)", persisted=True)
    )
    price: Mapped[Any] = mapped_column(WrappedMoney, nullable=True)


@dataclass
class Searched:
    text: str


def test_refused_types_beside_the_state_are_left_alone(pg_url: str) -> None:
    actors = ActorRegistry(Search.metadata)
    actors.register("Search", model=SearchRow, state=Searched)
    with SQLStorage(pg_url, actors) as storage:
        storage.create_all()
        storage.put("Search", "a", Searched("some words"))
        assert state_of(storage, "Search", "a") == Searched("some words")


class StateBase(DeclarativeBase):
    pass


class FieldsRow(ActorRow, StateBase):
    __tablename__ = "fields"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    words: Mapped[Any] = mapped_column(ARRAY(sa.Text))
    pair: Mapped[Any] = mapped_column(ARRAY(sa.Integer))
    unique: Mapped[Any] = mapped_column(ARRAY(sa.Text))
    moods: Mapped[Any] = mapped_column(ARRAY(sa.Enum(Mood, name="fields_mood")))
    grid: Mapped[Any] = mapped_column(ARRAY(sa.Integer))
    mood: Mapped[Any] = mapped_column(sa.Enum(Mood, name="fields_mood"))
    tags: Mapped[Any] = mapped_column(Tags)
    code: Mapped[str] = mapped_column(Code)


@dataclass
class Fields:
    words: list[str] = field(default_factory=list)
    pair: tuple[int, int] = (1, 2)
    unique: frozenset[str] = frozenset({"a", "b"})
    moods: list[Mood] = field(default_factory=lambda: list(Mood))
    grid: list[list[int]] = field(default_factory=lambda: [[1, 2], [3, 4]])
    mood: Mood = Mood.BAD
    tags: set[str] = field(default_factory=lambda: {"x"})
    code: str = "abc"


@pytest.fixture
def fields(pg_url: str) -> Iterator[SQLStorage]:
    actors = ActorRegistry(StateBase.metadata)
    actors.register("Fields", model=FieldsRow, state=Fields)
    with SQLStorage(pg_url, actors) as storage:
        storage.create_all()
        yield storage


def test_typed_fields_take_what_their_annotations_say(fields: SQLStorage) -> None:
    fields.put("Fields", "a", Fields())
    assert state_of(fields, "Fields", "a") == Fields()


@pytest.mark.parametrize(
    ("name", "value"), [("grid", [[1], [2, 3]]), ("code", "abcd"), ("pair", (1, 2**31))]
)
def test_typed_field_that_would_not_come_back_is_named(
    fields: SQLStorage, name: str, value: Any
) -> None:
    with pytest.raises(InvalidState) as caught:
        fields.put("Fields", "a", Fields(**{name: value}))
    assert caught.value.path.startswith(f"$.{name}")
    assert not fields.get("Fields", "a")


def test_own_serializer_says_what_json_holds(pg_url: str) -> None:
    engine = sa.create_engine(pg_url, json_serializer=lambda value: json.dumps(value, default=str))
    with SQLStorage(engine, ACTORS) as storage:
        storage.create_all()
        storage.put("Own", "a", OwnRow(any_json={"a": 1}))
        assert state_of(storage, "Own", "a").any_json == {"a": 1}
    engine.dispose()


def test_zone_of_an_instant_is_not_kept_by_a_type_that_keeps_instants(storage: SQLStorage) -> None:
    there = WHEN.astimezone(timezone(timedelta(hours=2)))
    storage.put("Own", "a", OwnRow(utc=there))
    assert state_of(storage, "Own", "a").utc == there


def test_row_that_somebody_else_broke_is_corrupt(storage: SQLStorage, url: str) -> None:
    storage.put("Own", "a", OwnRow(enum=Mood.GOOD))
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE own SET enum = 'nope'")
    engine.dispose()
    with pytest.raises(CorruptState):
        storage.get("Own", "a")
