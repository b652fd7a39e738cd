"""Column types of the user's own on PostgreSQL, in batches of 1 and of 64."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT, INET, INT4RANGE, JSONB, Range
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeDecorator

from tests.contract.doors import Call, Door, MakeDoor, SyncDoor
from theater_sql import ActorRegistry, ActorRow, InvalidState

BATCH = 64


class Mood(enum.Enum):
    GOOD = "good mood"
    BAD = "it's bad"


class Reversed(TypeDecorator[str]):
    """Stores text backwards."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return value if value is None else value[::-1]

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return value if value is None else value[::-1]


class Upper(TypeDecorator[str]):
    """Passes through SQL functions on its way in and out."""

    impl = sa.Text
    cache_ok = True

    def bind_expression(self, bindparam: Any) -> Any:
        return sa.func.upper(bindparam)

    def column_expression(self, column: Any) -> Any:
        return sa.func.lower(column)


class Unsendable(TypeDecorator[str]):
    """Gives the driver what it can't send, for one value."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> Any:
        return object() if value == "bad" else value


class Base(DeclarativeBase):
    pass


class ExoticRow(ActorRow, Base):
    __tablename__ = "exotic"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[Any] = mapped_column(JSONB, nullable=True)
    plain_json: Mapped[Any] = mapped_column(sa.JSON, nullable=True)
    numbers: Mapped[Any] = mapped_column(ARRAY(sa.Integer), nullable=True)
    words: Mapped[Any] = mapped_column(ARRAY(sa.Text), nullable=True)
    codes: Mapped[Any] = mapped_column(ARRAY(sa.String(3)), nullable=True)
    grid: Mapped[Any] = mapped_column(ARRAY(sa.Integer, dimensions=2), nullable=True)
    mood: Mapped[Any] = mapped_column(sa.Enum(Mood), nullable=True)
    span: Mapped[Any] = mapped_column(INT4RANGE, nullable=True)
    address: Mapped[Any] = mapped_column(INET, nullable=True)
    reversed_text: Mapped[Any] = mapped_column(Reversed, nullable=True)
    short: Mapped[Any] = mapped_column(sa.String(3), nullable=True)
    fixed: Mapped[Any] = mapped_column(sa.CHAR(3), nullable=True)
    price: Mapped[Any] = mapped_column(sa.Numeric(10, 2), nullable=True)
    small: Mapped[Any] = mapped_column(sa.SmallInteger, nullable=True)
    single: Mapped[Any] = mapped_column(sa.REAL, nullable=True)
    tags: Mapped[Any] = mapped_column(ARRAY(sa.Enum(Mood)), nullable=True)


class UpperRow(ActorRow, Base):
    __tablename__ = "upper"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str | None] = mapped_column(Upper)
    bad: Mapped[str | None] = mapped_column(Unsendable)


ACTORS = ActorRegistry(Base.metadata)
ACTORS.register("Exotic", model=ExoticRow)
ACTORS.register("Upper", model=UpperRow)


@pytest.fixture(scope="module")
def door(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    admin = sa.create_engine(
        postgres_server.url(postgres_server.maintenance_dbname),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
    )
    name = f"exotic_{tmp_path_factory.getbasetemp().name.replace('-', '_')}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        with SyncDoor(postgres_server.url(name), ACTORS) as door:
            door.create_all()
            yield door
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


VALUES: dict[str, list[Any]] = {
    "document": [{"a": [1, None, "ü\n\"'\\"], "b": {"c": 1.5}}, [], "text", 0, False, {"": {}}],
    "plain_json": [
        {"b": 1, "a": [1e300, -0.0]},
        "nul \0 is fine here",
        [[[]]],
        12345678901234567890,
    ],
    "numbers": [[], [1, -2, 2**31 - 1], [None, 1]],
    "words": [[], ["", "a,b", '"', "{}", "\\", "NULL", "null", " x ", "ü"], [None]],
    "codes": [["abc", "", None]],
    "grid": [[[1, 2], [3, 4]]],
    "mood": list(Mood),
    "span": [Range(1, 5), Range(None, 5), Range(1, None), Range(empty=True)],
    "address": [ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("::1")],
    "reversed_text": ["abc", "", "ü,{}'"],
    "short": ["abc", "üüü", ""],
    "fixed": ["abc"],
    "price": [Decimal("99999999.99"), Decimal("-0.01"), Decimal("1.50"), Decimal(7)],
    "small": [-(2**15), 2**15 - 1],
    "single": [0.5, -1.0],
    "tags": [[Mood.GOOD, Mood.BAD], []],
}


def put_batch(door: Door, actor_type: str, states: list[Any], prefix: str) -> list[Any]:
    """Put states at once: the first alone, then all of them in batches."""
    return door.together(
        [Call(door, "put", actor_type, f"{prefix}{n}", state) for n, state in enumerate(states)]
    )


@pytest.mark.parametrize("column", VALUES)
@pytest.mark.parametrize("size", [1, BATCH])
def test_value_comes_back_exactly(door: Door, column: str, size: int) -> None:
    wanted = [None, *VALUES[column]]
    values = wanted if size == 1 else [wanted[n % len(wanted)] for n in range(size)]
    states = [ExoticRow(**{column: value}) for value in values]
    prefix = f"{column}-{size}-"
    for _ in range(2):  # create, then swap
        if size == 1:
            for n, state in enumerate(states):
                door.put("Exotic", f"{prefix}{n}", state)
        else:
            results = put_batch(door, "Exotic", states, prefix)
            assert [r for r in results if isinstance(r, BaseException)] == []
    if size == 1:
        found = [door.get("Exotic", f"{prefix}{n}") for n in range(len(values))]
    else:
        found = door.together([Call(door, "get", "Exotic", f"{prefix}{n}") for n in range(size)])
    back = [getattr(one.state, column) for one in found]
    assert back == values
    assert [type(value) for value in back] == [type(value) for value in values]
    assert {one.version for one in found} == {2}


BAD: list[tuple[str, Any]] = [
    ("document", {"a": "nul \0"}),
    ("document", float("nan")),
    ("document", (1, 2)),
    ("document", object()),
    ("numbers", ["a"]),
    ("numbers", [2**31]),
    ("numbers", 5),
    ("numbers", [object()]),
    ("words", ["nul \0"]),
    ("codes", ["abcd"]),
    ("mood", "no such mood"),
    ("mood", 5),
    ("span", "nonsense"),
    ("span", Range(1, 2**40)),
    ("span", object()),
    ("address", "not an address"),
    ("address", {"a": 1}),
    ("reversed_text", 5),
    ("short", "abcd"),
    ("short", "üüüü"),
    ("fixed", "abcd"),
    ("fixed", "a"),
    ("price", Decimal("1.001")),
    ("price", Decimal("100000000")),
    ("price", Decimal("NaN")),
    ("price", 1.5),
    ("small", 2**15),
    ("single", 0.1),
    ("tags", ["nonsense"]),
]


@pytest.mark.parametrize(("column", "value"), BAD)
@pytest.mark.parametrize("size", [1, BATCH])
def test_what_would_not_come_back_is_invalid_and_spares_the_neighbours(
    door: Door, column: str, value: Any, size: int
) -> None:
    prefix = f"bad-{column}-{BAD.index((column, value))}-{size}-"
    bad = size // 2
    states = [ExoticRow(**{column: value if n == bad else VALUES[column][0]}) for n in range(size)]
    results = put_batch(door, "Exotic", states, prefix)
    assert isinstance(results[bad], InvalidState), results[bad]
    assert [r for n, r in enumerate(results) if n != bad and isinstance(r, BaseException)] == []
    assert not door.get("Exotic", f"{prefix}{bad}")


@pytest.mark.parametrize("size", [1, BATCH])
def test_type_with_sql_expressions_goes_row_by_row(door: Door, size: int) -> None:
    states = [UpperRow(text=f"text{n}") for n in range(size)]
    results = put_batch(door, "Upper", states, f"u{size}-")
    assert [r for r in results if isinstance(r, BaseException)] == []
    found = door.together([Call(door, "get", "Upper", f"u{size}-{n}") for n in range(size)])
    assert [one.state.text for one in found] == [f"text{n}" for n in range(size)]


@pytest.mark.parametrize("size", [1, BATCH])
def test_what_the_driver_cant_send_is_invalid_and_spares_the_neighbours(
    door: Door, size: int
) -> None:
    states = [UpperRow(bad="bad" if n == size // 2 else "good") for n in range(size)]
    results = put_batch(door, "Upper", states, f"d{size}-")
    assert isinstance(results[size // 2], InvalidState), results[size // 2]
    failed = [r for n, r in enumerate(results) if n != size // 2 and isinstance(r, BaseException)]
    assert failed == []


@pytest.mark.parametrize(
    ("extension", "type_", "values"),
    [
        ("citext", CITEXT, ["Label", "label", "ü,{}"]),
    ],
)
def test_type_of_an_extension(
    make_door: MakeDoor, pg_url: str, extension: str, type_: Any, values: list[Any]
) -> None:
    class ExtensionBase(DeclarativeBase):
        pass

    class LabelRow(ActorRow, ExtensionBase):
        __tablename__ = "label"
        actor_id: Mapped[str] = mapped_column(primary_key=True)
        value: Mapped[Any] = mapped_column(type_)

    engine = sa.create_engine(pg_url, poolclass=NullPool)
    with engine.begin() as connection:
        query = sa.text("SELECT count(*) FROM pg_available_extensions WHERE name = :name")
        if not connection.execute(query, {"name": extension}).scalar():
            pytest.skip(f"this server has no {extension}")
        connection.exec_driver_sql(f"CREATE EXTENSION {extension}")
    actors = ActorRegistry(ExtensionBase.metadata)
    actors.register("Label", model=LabelRow)
    with make_door(pg_url, actors) as door:
        door.create_all()
        wanted = [values[n % len(values)] for n in range(BATCH)]
        results = put_batch(door, "Label", [LabelRow(value=value) for value in wanted], "l")
        assert [r for r in results if isinstance(r, BaseException)] == []
        found = door.together([Call(door, "get", "Label", f"l{n}") for n in range(BATCH)])
        assert [one.state.value for one in found] == wanted
