"""Column types of the user's own on PostgreSQL, in batches of 1 and of 256."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import CITEXT, HSTORE, Range
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeDecorator

from tests.contract.doors import LIMIT, AsyncDoor, Call, Door, MakeDoor, SyncDoor
from tests.contract.exotic import COLUMNS, VALUES, PointType
from tests.contract.flushes import Flushes, altered
from theater_sql import ABSENT, ActorRegistry, ActorRow, ConstraintViolation, InvalidState
from theater_sql.backends.postgresql import PostgreSQLSession

BATCH = 256
ONE_STATEMENT = [(BATCH, True)]


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


EXOTIC = {name: mapped_column(type_, nullable=True) for name, (type_, _) in COLUMNS.items()}
KEY = {"__tablename__": "exotic", "actor_id": mapped_column(sa.Text, primary_key=True)}
ExoticRow: Any = type("ExoticRow", (ActorRow, Base), KEY | EXOTIC)


class UpperRow(ActorRow, Base):
    __tablename__ = "upper"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str | None] = mapped_column(Upper)
    bad: Mapped[str | None] = mapped_column(Unsendable)


ACTORS = ActorRegistry(Base.metadata)
ACTORS.register("Exotic", model=ExoticRow)
ACTORS.register("Upper", model=UpperRow)


@pytest.fixture(scope="module")
def exotic_url(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    admin = sa.create_engine(
        postgres_server.url(postgres_server.maintenance_dbname),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
    )
    name = f"exotic_{tmp_path_factory.getbasetemp().name.replace('-', '_')}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        url = postgres_server.url(name)
        engine = sa.create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(PointType.DDL)
            ACTORS.metadata.create_all(connection)
        yield url
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def door(exotic_url: str) -> Iterator[Door]:
    """Its calls at once are made in one turn of the loop, and so are one flush."""
    with AsyncDoor(exotic_url, ACTORS) as door:
        read_one_row(door)
        yield door


def read_one_row(door: Door) -> None:
    """Let the lanes learn how heavy a row is: they read few at first."""
    door.put("Exotic", "first", ExoticRow())
    assert door.get("Exotic", "first")


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> Flushes:
    flushes = Flushes(PostgreSQLSession.run)

    def run(session: Any, statement: Any, rows: Sequence[Any]) -> list[Any]:
        return flushes.spy(session, statement, rows)

    monkeypatch.setattr(PostgreSQLSession, "run", run)
    return flushes


def none_failed(results: list[Any]) -> list[Any]:
    assert [result for result in results if isinstance(result, BaseException)] == []
    return results


def cycle(values: list[Any], size: int) -> list[Any]:
    return [values[n % len(values)] for n in range(size)]


@pytest.mark.parametrize("column", VALUES)
def test_value_comes_back_exactly(door: Door, column: str) -> None:
    for n, value in enumerate([None, *VALUES[column]]):
        for _ in range(2):  # create, then swap
            door.put("Exotic", f"{column}-{n}", ExoticRow(**{column: value}))
        found = door.get("Exotic", f"{column}-{n}")
        assert found.version == 2
        assert altered([getattr(found.state, column)], [value]) == []


@pytest.mark.parametrize("column", VALUES)
def test_values_of_one_batch_come_back_exactly(door: Door, flushes: Flushes, column: str) -> None:
    wanted = cycle([None, *VALUES[column]], BATCH)
    ids = [f"{column}-b{n}" for n in range(BATCH)]
    expects: list[Any] = [ABSENT] * BATCH
    for _ in range(2):  # create, then swap
        puts = [
            Call(door, "put", "Exotic", i, ExoticRow(**{column: value}), expect=expect)
            for i, value, expect in zip(ids, wanted, expects, strict=True)
        ]
        expects = none_failed(door.together(puts))
        assert flushes.take() == ONE_STATEMENT
    found = none_failed(door.together([Call(door, "get", "Exotic", i) for i in ids]))
    assert flushes.take() == ONE_STATEMENT
    assert altered([getattr(one.state, column) for one in found], wanted) == []
    assert {one.version for one in found} == {2}


def plugs(door: Door, actor_id: str) -> list[Call]:
    """Return a call for each of the lanes."""
    put = Call(door, "put", "Upper", actor_id, UpperRow(), expect=ABSENT)
    return [put, Call(door, "get", "Upper", actor_id)]


def test_all_types_at_once_in_one_batch_of_threads(exotic_url: str, flushes: Flushes) -> None:
    wanted = {name: cycle([None, *values], BATCH) for name, values in VALUES.items()}
    states = [{name: column[n] for name, column in wanted.items()} for n in range(BATCH)]
    expects: list[Any] = [ABSENT] * BATCH
    with SyncDoor(exotic_url, ACTORS, timeout=LIMIT) as door:
        read_one_row(door)
        for turn in ("create", "swap"):
            puts = [
                Call(door, "put", "Exotic", f"all{n}", ExoticRow(**state), expect=expects[n])
                for n, state in enumerate(states)
            ]
            with flushes.held(door, BATCH, plugs(door, turn)):
                expects = none_failed(door.together(puts))
            assert flushes.take() == ONE_STATEMENT
        with flushes.held(door, BATCH, plugs(door, "get")):
            gets = [Call(door, "get", "Exotic", f"all{n}") for n in range(BATCH)]
            found = none_failed(door.together(gets))
        assert flushes.take() == ONE_STATEMENT
    for name, column in wanted.items():
        assert altered([getattr(one.state, name) for one in found], column) == [], name
    assert {one.version for one in found} == {2}


LONGEST = timedelta.max
AWARE = datetime(2020, 1, 1, tzinfo=UTC)
NAIVE = AWARE.replace(tzinfo=None)
BAD: list[tuple[str, Any]] = [
    ("document", {"a": "nul \0"}),
    ("document", float("nan")),
    ("document", (1, 2)),
    ("document", object()),
    ("documents", [object()]),
    ("numbers", ["a"]),
    ("numbers", [2**31]),
    ("numbers", 5),
    ("numbers", [object()]),
    ("grid", [[1], [2, 3]]),
    ("words", ["nul \0"]),
    ("codes", ["abcd"]),
    ("uuids", ["nonsense"]),
    ("instants", [NAIVE]),
    ("moments", [AWARE]),
    ("spans", [LONGEST]),
    ("tags", ["nonsense"]),
    ("mood", "no such mood"),
    ("mood", 5),
    ("sizes", "xxl"),
    ("int4range", "nonsense"),
    ("int4range", Range(1, 2**40)),
    ("int4range", object()),
    ("daterange", Range(1, 2)),
    ("address", "not an address"),
    ("address", {"a": 1}),
    ("network", "10.0.0.1/8"),
    ("mac", "zz"),
    ("bits", "012x"),
    ("money", "much"),
    ("oid", 2**32),
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
    ("integer", True),
    ("big", 2**63),
    ("single", 0.1),
    ("double", float("inf")),
    ("double", Decimal(1)),
    ("boolean", 1),
    ("blob", "text"),
    ("uuid", "12345678-1234-5678-1234-567812345678"),
    ("date", NAIVE),
    ("time", AWARE.timetz()),
    ("moment", AWARE),
    ("instant", NAIVE),
    ("instant", date(2020, 1, 1)),
    ("span", LONGEST),
]
REFUSED = [(*bad, InvalidState) for bad in BAD] + [("positive", -1, ConstraintViolation)]


@pytest.mark.parametrize(("column", "value", "error"), REFUSED)
@pytest.mark.parametrize("size", [1, BATCH])
def test_what_would_not_come_back_is_refused_and_spares_the_neighbours(
    door: Door, column: str, value: Any, error: type[Exception], size: int
) -> None:
    number = [(name, repr(bad)) for name, bad, _ in REFUSED].index((column, repr(value)))
    prefix = f"bad-{number}-{size}-"
    bad = size // 2
    states = [ExoticRow(**{column: value if n == bad else VALUES[column][0]}) for n in range(size)]
    results = put_batch(door, "Exotic", states, prefix)
    assert isinstance(results[bad], error), results[bad]
    none_failed(results[:bad] + results[bad + 1 :])
    assert not door.get("Exotic", f"{prefix}{bad}")


def put_batch(door: Door, actor_type: str, states: list[Any], prefix: str) -> list[Any]:
    """Put states at once."""
    return door.together(
        [Call(door, "put", actor_type, f"{prefix}{n}", state) for n, state in enumerate(states)]
    )


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


def extension_actors(url: str, extension: str, type_: Any) -> tuple[ActorRegistry, Any]:
    """Return actors with a column of an extension's type, and their mapped class."""

    class ExtensionBase(DeclarativeBase):
        pass

    class LabelRow(ActorRow, ExtensionBase):
        __tablename__ = "label"
        actor_id: Mapped[str] = mapped_column(primary_key=True)
        value: Mapped[Any] = mapped_column(type_)

    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        query = sa.text("SELECT count(*) FROM pg_available_extensions WHERE name = :name")
        if not connection.execute(query, {"name": extension}).scalar():
            pytest.skip(f"this server has no {extension}")
        connection.exec_driver_sql(f"CREATE EXTENSION {extension}")
    actors = ActorRegistry(ExtensionBase.metadata)
    actors.register("Label", model=LabelRow)
    return actors, LabelRow


def test_citext_comes_back_exactly(make_door: MakeDoor, pg_url: str) -> None:
    actors, row = extension_actors(pg_url, "citext", CITEXT)
    with make_door(pg_url, actors) as door:
        door.create_all()
        wanted = cycle(["Label", "label", "ü,{}", ""], BATCH)
        none_failed(put_batch(door, "Label", [row(value=value) for value in wanted], "l"))
        found = door.together([Call(door, "get", "Label", f"l{n}") for n in range(BATCH)])
        assert [one.state.value for one in found] == wanted


def test_hstore_is_refused(make_door: MakeDoor, pg_url: str) -> None:
    actors, row = extension_actors(pg_url, "hstore", HSTORE)
    with make_door(pg_url, actors) as door:
        door.create_all()
        for value in ({}, {"a": "1", "b": None}):
            with pytest.raises(InvalidState):
                door.put("Label", "a", row(value=value))
        assert not door.get("Label", "a")
