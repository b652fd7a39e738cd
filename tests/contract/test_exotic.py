"""Column types of the user's own on PostgreSQL, in batches of 1 and of 256."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import CITEXT, Range
from sqlalchemy.dialects.postgresql.ranges import MultiRange
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeDecorator

from tests.conftest import NewDatabase
from tests.contract.doors import LIMIT, AsyncDoor, Call, Door, MakeDoor, SyncDoor
from tests.contract.exotic import COLUMNS, ID, REFUSED_TYPES, VALUES, BitString, PointType
from tests.contract.flushes import Flushes, altered
from theater_sql import (
    ABSENT,
    ActorRegistry,
    ActorRow,
    ConstraintViolation,
    InvalidState,
    RegistrationError,
    SchemaMismatch,
)
from theater_sql.backends.postgresql_sessions import PostgreSQLSession

BATCH = 256


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


def exotic_row(table: str, columns: Iterable[str]) -> Any:
    """Return a mapped class with these of the columns."""
    exotic = {name: mapped_column(COLUMNS[name][0], nullable=True) for name in columns}
    key = {"__tablename__": table, "actor_id": mapped_column(sa.Text, primary_key=True)}
    return type(table, (ActorRow, Base), key | exotic)


ExoticRow = exotic_row("exotic", COLUMNS)
ALONE = {name: exotic_row(f"exotic_{name}", [name]) for name in VALUES}
"""For each type a table that has one column of it: a row of all types is dear to send."""


class UpperRow(ActorRow, Base):
    __tablename__ = "upper"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str | None] = mapped_column(Upper)
    bad: Mapped[str | None] = mapped_column(Unsendable)


ACTORS = ActorRegistry(Base.metadata)
ACTORS.register("Exotic", model=ExoticRow)
for name, row in ALONE.items():
    ACTORS.register(name, model=row)
ACTORS.register("Upper", model=UpperRow)


@pytest.fixture(scope="module")
def exotic_url(new_pg: NewDatabase) -> Iterator[str]:
    with new_pg() as url:
        engine = sa.create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(PointType.DDL)
            ACTORS.metadata.create_all(connection)
        yield url


@pytest.fixture(scope="module")
def door(exotic_url: str) -> Iterator[Door]:
    """Its calls at once are made in one turn of the loop, and so are one flush."""
    with AsyncDoor(exotic_url, ACTORS) as door:
        read_one_row(door)
        yield door


def read_one_row(door: Door) -> None:
    """Let the lanes learn how heavy a row is (they read few at first), and where the rows live."""
    door.put("Exotic", "first", ExoticRow())
    assert door.get("Exotic", "first")
    door.put("Upper", "first", UpperRow())
    for column in ALONE:
        door.put(column, "first", ALONE[column](**{column: VALUES[column][0]}))


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
            door.put(column, f"single{n}", ALONE[column](**{column: value}))
        found = door.get(column, f"single{n}")
        assert found.version == 2
        assert altered([getattr(found.state, column)], [value]) == []


@pytest.mark.parametrize("column", VALUES)
def test_values_of_one_batch_come_back_exactly(door: Door, flushes: Flushes, column: str) -> None:
    wanted = cycle([None, *VALUES[column]], BATCH)
    ids = [f"batch{n}" for n in range(BATCH)]
    expects: list[Any] = [ABSENT] * BATCH
    for _ in range(2):  # create, then swap
        puts = [
            Call(door, "put", column, i, ALONE[column](**{column: value}), expect=expect)
            for i, value, expect in zip(ids, wanted, expects, strict=True)
        ]
        expects = none_failed(door.together(puts))
        assert flushes.took(BATCH)
    found = none_failed(door.together([Call(door, "get", column, i) for i in ids]))
    assert flushes.took(BATCH)
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
            assert flushes.took(BATCH)
        with flushes.held(door, BATCH, plugs(door, "get")):
            gets = [Call(door, "get", "Exotic", f"all{n}") for n in range(BATCH)]
            found = none_failed(door.together(gets))
        assert flushes.took(BATCH)
    for name, column in wanted.items():
        assert altered([getattr(one.state, name) for one in found], column) == [], name
    assert {one.version for one in found} == {2}


LONGEST = timedelta.max
AWARE = datetime(2020, 1, 1, tzinfo=UTC)
NAIVE = AWARE.replace(tzinfo=None)
BAD: list[tuple[str, Any]] = [
    ("document", {"a": "nul \0"}),
    ("document", {"nul \0": 1}),
    ("documents", ["nul \0"]),
    ("document", float("nan")),
    ("document", (1, 2)),
    ("document", object()),
    ("document", {"a": [1e16]}),
    ("document", -0.0),
    ("variant_document", [-1.5e300]),
    ("domain_of_document", [-0.0]),
    ("documents", [object()]),
    ("documents", [1e16]),
    ("documents", [{"a": (1,)}]),
    ("numbers", ["a"]),
    ("numbers", [2**31]),
    ("numbers", 5),
    ("numbers", [object()]),
    ("numbers", (1, 2)),
    ("numbers", [[]]),
    ("numbers", [1, [2]]),
    ("pair", [1, 2]),
    ("grid", [[1], [2, 3]]),
    ("grid", [[]]),
    ("grid", [1]),
    ("grid", [[[1]]]),
    ("words", ["nul \0"]),
    ("words", "text"),
    ("codes", ["abcd"]),
    ("codes_of", ["abcd"]),
    ("many_cents", [Decimal("1.255")]),
    ("prices", [Decimal("1.001")]),
    ("prices", [1.5]),
    ("singles", [0.1]),
    ("blobs", ["text"]),
    ("fixeds", ["a"]),
    ("positives", [2**31]),
    ("labels", ["abcd"]),
    ("uuids", ["nonsense"]),
    ("uuids", [str(ID)]),
    ("uuid_texts", [str(ID).upper()]),
    ("instants", [NAIVE]),
    ("moments", [AWARE]),
    ("spans", [LONGEST]),
    ("tags", ["nonsense"]),
    ("tags", ["GOOD"]),
    ("addresses", ["10.0.0.1"]),
    ("ranges", [Range(1, 5, bounds="[]")]),
    ("bit_list", [BitString("01")]),
    ("mood", "no such mood"),
    ("mood", 5),
    ("mood", "GOOD"),
    ("mood_text", "nope"),
    ("mood_text", "GOOD"),
    ("mood_text", []),
    ("sizes", "xxl"),
    ("domain_of_mood", "GOOD"),
    ("int4range", "nonsense"),
    ("int4range", "[1,5)"),
    ("int4range", Range(1, 2**40)),
    ("int4range", Range(1, 5, bounds="[]")),
    ("int4range", Range(5, 5)),
    ("int4range", Range(5, 1)),
    ("int4range", Range(1, 5, empty=True)),
    ("int4range", Range(1.5, 2.5)),
    ("int4range", object()),
    ("numrange", Range(1, 2)),
    ("numrange", Range(Decimal("NaN"), None)),
    ("daterange", Range(1, 2)),
    ("daterange", Range(date.min, date.max, bounds="[]")),
    ("tsrange", Range(AWARE, None)),
    ("tstzrange", Range(NAIVE, None)),
    ("int4multirange", [Range(1, 5)]),
    ("int4multirange", MultiRange([Range(1, 5), Range(5, 9)])),
    ("int4multirange", MultiRange([Range(7, 9), Range(1, 5)])),
    ("int4multirange", MultiRange([Range(empty=True)])),
    ("nummultirange", MultiRange([Range(1, 2)])),
    ("tsmultirange", MultiRange([Range(AWARE, None)])),
    ("tstzmultirange", MultiRange([Range(NAIVE, None)])),
    ("address", "not an address"),
    ("address", "10.0.0.1"),
    ("address", ip_interface("10.0.0.1/32")),
    ("address", ip_address("fe80::1%eth0")),
    ("address", {"a": 1}),
    ("network", "10.0.0.1/8"),
    ("network", "10.0.0.0/8"),
    ("mac", "zz"),
    ("mac", "08:00:2B:01:02:03"),
    ("mac", "08002b010203"),
    ("mac8", "08:00:2b:01:02:03"),
    ("bits", "012x"),
    *([("bits", "0101")] if BitString is not str else []),
    ("bits", BitString("01")),
    ("bits", BitString("01010")),
    ("few_bits", BitString("01010")),
    ("oid", 2**32),
    ("oid", -1),
    ("lower", "Abc"),
    ("lower", 5),
    ("code_of", "abcd"),
    ("cents", Decimal("1.255")),
    ("cents", 1.25),
    ("half", 5e-324),
    ("shorter_here", "abcd"),
    ("longer_here", "nul \0"),
    ("domain_of_blob", "text"),
    ("domain_of_price", Decimal("1.001")),
    ("domain_of_price", Decimal(1000)),
    ("domain_of_instant", NAIVE),
    ("domain_of_single", 0.1),
    ("label", "abcd"),
    ("positive", 1.5),
    ("reversed_text", 5),
    ("short", "abcd"),
    ("short", "üüüü"),
    ("fixed", "abcd"),
    ("fixed", "a"),
    ("price", Decimal("1.001")),
    ("price", Decimal("100000000")),
    ("price", Decimal("NaN")),
    ("price", 1.5),
    ("numeric_as_float", -0.0),
    ("small", 2**15),
    ("integer", True),
    ("big", 2**63),
    ("single", 0.1),
    ("single", -0.0),
    ("float", -0.0),
    ("half", -0.0),
    ("single_by_bits", 0.1),
    ("double", float("inf")),
    ("double", Decimal(1)),
    ("boolean", 1),
    ("blob", "text"),
    ("uuid", str(ID)),
    ("uuid_text", str(ID).upper()),
    ("uuid_text", ID.hex),
    ("uuid_text", "nonsense"),
    ("uuid_as_char", str(ID)),
    ("date", NAIVE),
    ("time", AWARE.timetz()),
    ("time", time(1, fold=1)),
    ("whole_time", time(1, 2, 3, 500_000)),
    ("moment", AWARE),
    ("moment", NAIVE.replace(fold=1)),
    ("whole_moment", NAIVE.replace(microsecond=1)),
    ("milli_instant", AWARE.replace(microsecond=1001)),
    ("instant", NAIVE),
    ("instant", date(2020, 1, 1)),
    ("span", LONGEST),
    ("whole_span", timedelta(microseconds=-1)),
    ("milli_span", timedelta(microseconds=1)),
]
BY_SERVER: list[tuple[str, Any, type[Exception]]] = [
    ("lexemes", "'", InvalidState),
    ("points", ["nonsense"], InvalidState),
    ("positive", -1, ConstraintViolation),
    ("positives", [1, -1], ConstraintViolation),
]
REFUSED = [(*bad, InvalidState) for bad in BAD] + BY_SERVER


@pytest.mark.parametrize(("column", "value", "error"), REFUSED)
@pytest.mark.parametrize("size", [1, BATCH])
def test_what_would_not_come_back_is_refused_and_spares_the_neighbours(
    door: Door, column: str, value: Any, error: type[Exception], size: int
) -> None:
    number = [(name, repr(bad)) for name, bad, _ in REFUSED].index((column, repr(value)))
    prefix = f"bad-{number}-{size}-"
    bad = size // 2
    values = [value if n == bad else VALUES[column][0] for n in range(size)]
    results = put_batch(door, column, [ALONE[column](**{column: v}) for v in values], prefix)
    assert isinstance(results[bad], error), results[bad]
    if (column, value, error) not in BY_SERVER:
        assert re.match(rf"\$\.{column}\b", results[bad].path)
    none_failed(results[:bad] + results[bad + 1 :])
    assert not door.get(column, f"{prefix}{bad}")


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


@dataclass
class Labelled:
    value: str


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


def test_array_of_citext_comes_back_exactly(make_door: MakeDoor, pg_url: str) -> None:
    actors, row = extension_actors(pg_url, "citext", sa.ARRAY(CITEXT))
    with make_door(pg_url, actors) as door:
        door.create_all()
        wanted = cycle([["Label", "label", "ü,{}", "", None], []], BATCH)
        none_failed(put_batch(door, "Label", [row(value=value) for value in wanted], "l"))
        found = door.together([Call(door, "get", "Label", f"l{n}") for n in range(BATCH)])
        assert [one.state.value for one in found] == wanted


@pytest.mark.parametrize("name", REFUSED_TYPES)
def test_type_that_does_not_come_back_is_refused_at_registration(name: str) -> None:
    class RefusedBase(DeclarativeBase):
        pass

    class RefusedRow(ActorRow, RefusedBase):
        __tablename__ = "refused"
        actor_id: Mapped[str] = mapped_column(primary_key=True)
        value: Mapped[Any] = mapped_column(REFUSED_TYPES[name])

    with pytest.raises(RegistrationError, match=r"^Refused\.value: .* use \w+"):
        ActorRegistry(RefusedBase.metadata).register("Refused", model=RefusedRow)


@pytest.mark.parametrize("size", [1, BATCH])
def test_syntax_error_of_the_statement_is_no_fault_of_a_row(
    make_door: MakeDoor, pg_url: str, size: int
) -> None:
    class BrokenBase(DeclarativeBase):
        pass

    class BrokenRow(ActorRow, BrokenBase):
        __tablename__ = "broken"
        actor_id: Mapped[str] = mapped_column(primary_key=True)
        value: Mapped[str | None] = mapped_column()
        stamp: Mapped[str | None] = mapped_column(default=sa.text("1 +"))

    actors = ActorRegistry(BrokenBase.metadata)
    actors.register("Broken", model=BrokenRow, state=Labelled)
    with make_door(pg_url, actors) as door:
        door.create_all()
        results = put_batch(door, "Broken", [Labelled("x")] * size, "b")
        assert {type(result) for result in results} == {SchemaMismatch}
