"""Rows whose columns hold what they can't: SQLite lets any column hold anything, and PostgreSQL
has values that Python has no word for.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.contract.doors import DOORS, Door
from theater_sql import ABSENT, GENERIC, NOT_PRESENT, ActorRegistry, CorruptState, StateTooNew

ONE = uuid.UUID(int=1)


@dataclass
class Wide:
    whole: int = 1
    real: float = 1.5
    text: str = "a"
    flag: bool = True
    octets: bytes = b"a"
    amount: Decimal = Decimal("1.5")
    instant: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    day: date = date(2020, 1, 1)
    clock: time = time(1, 2)
    span: timedelta = timedelta(1)
    identity: uuid.UUID = ONE
    colour: str | None = None


ACTORS = ActorRegistry()
ACTORS.register("Own", state=Wide)
ACTORS.register("Shared", state=Wide, table=GENERIC)
STATES = {"Own": Wide(), "Shared": Wide(), "nobody.Knows": {"a": 1}}


class Broken(NamedTuple):
    """A column, and the SQL of what it is made to hold; ``path`` is where the error has to be."""

    column: str
    sql: str
    path: str = "$"


SQLITE = {
    "text in an int": Broken("whole", "'secret'", "$.whole"),
    "a real in an int": Broken("whole", "1.5", "$.whole"),
    "a blob in an int": Broken("whole", "x'ff'", "$.whole"),
    "text in a float": Broken("real", "'secret'", "$.real"),
    "infinity in a float": Broken("real", "9e999", "$.real"),
    "a blob in a float": Broken("real", "x'00'", "$.real"),
    "a blob in a text": Broken("text", "x'ff00'", "$.text"),
    "text that is no UTF-8": Broken("text", "CAST(x'ff' AS TEXT)"),
    "two in a bool": Broken("flag", "2", "$"),
    "text in a bool": Broken("flag", "'secret'", "$"),
    "text in bytes": Broken("octets", "'secret'", "$.octets"),
    "a number in bytes": Broken("octets", "5", "$.octets"),
    "text in a decimal": Broken("amount", "'secret'"),
    "NaN in a decimal": Broken("amount", "'NaN'", "$.amount"),
    "infinity in a decimal": Broken("amount", "'Infinity'", "$.amount"),
    "a blob in a decimal": Broken("amount", "x'01'", "$.amount"),
    "text in an instant": Broken("instant", "'secret'"),
    "a number in an instant": Broken("instant", "5"),
    "text in a date": Broken("day", "'secret'"),
    "year 0 in a date": Broken("day", "'0000-01-01'"),
    "text in a time": Broken("clock", "'25:00:00'"),
    "text in a span": Broken("span", "'secret'", "$.span"),
    "text in a uuid": Broken("identity", "'secret'"),
    "text in the version": Broken("version", "'secret'"),
    "a real in the version": Broken("version", "1.5"),
    "text in schema_version": Broken("schema_version", "'secret'"),
    "text in updated_at": Broken("updated_at", "'secret'"),
    "a number in updated_at": Broken("updated_at", "5"),
    "text in the etag": Broken("etag", "'secret'"),
    "a blob in the etag": Broken("etag", "x'00'"),
}
POSTGRESQL = {
    "NaN in a float": Broken("real", "'NaN'", "$.real"),
    "infinity in a float": Broken("real", "'-Infinity'", "$.real"),
    "NaN in a decimal": Broken("amount", "'NaN'", "$.amount"),
    "infinity in a decimal": Broken("amount", "'Infinity'", "$.amount"),
    "infinity in an instant": Broken("instant", "'infinity'"),
    "minus infinity in an instant": Broken("instant", "'-infinity'"),
    "an instant before Christ": Broken("instant", "'0044-03-15 12:00:00+00 BC'"),
    "an instant after 9999": Broken("instant", "'12020-01-01 00:00:00+00'"),
    "infinity in a date": Broken("day", "'infinity'"),
    "a date before Christ": Broken("day", "'0044-03-15 BC'"),
    "midnight as 24:00": Broken("clock", "'24:00:00'"),
    "a span too long": Broken("span", "'2000000000 days'"),
    "infinity in updated_at": Broken("updated_at", "'infinity'"),
    "updated_at before Christ": Broken("updated_at", "'0044-03-15 12:00:00+00 BC'"),
}
NULLS = {
    f"NULL in {column}": Broken(column, "NULL", "$")
    for column in ("whole", "text", "identity", "version", "schema_version", "updated_at", "etag")
}
SHARED = {
    "no state": Broken("state", "NULL"),
    "a required field is missing": Broken("state", """'{"whole": null}'""", "$.whole"),
    "infinity in a float": Broken("state", """'{"real": 1e999}'"""),
    "a date that is none": Broken("state", """'{"day": "2020-02-30"}'""", "$.day"),
    "a span of nonsense": Broken("state", """'{"span": "P"}'""", "$.span"),
    "a number too long": Broken("state", f"""'{{"whole": 1.5{"0" * 30}1}}'""", "$.whole"),
    "deep": Broken("state", f"""'{{"colour": {"[" * 5000}{"]" * 5000}}}'"""),
}
UNTYPED = {
    "a decimal of nonsense": Broken("state", """'[{"$decimal": "secret"}]'"""),
    "a date of nonsense": Broken("state", """'[{"$date": "2020-02-30"}]'"""),
    "a tag of a list": Broken("state", """'[{"$timedelta": [1]}]'"""),
    "a set of lists": Broken("state", """'{"$set": [[1]]}'"""),
    "a span of too much": Broken("state", """'{"$timedelta": [1e300, 0, 0]}'"""),
    "deep": Broken("state", f"'{'[' * 5000}{']' * 5000}'"),
    "no state": Broken("state", "NULL"),
}
LOST = ("etag",)
"""A row without its etag can't be guarded: it has to be mended by hand."""
STAY = ("NULL in version", "a real in the version")
"""What an overwrite does not mend, since it adds 1 to the version that is there."""


@pytest.fixture(scope="module")
def engine(module_url: str) -> Iterator[sa.Engine]:
    """The database, its tables made without NOT NULL: as somebody's migration may have left it."""
    engine = sa.create_engine(module_url, poolclass=NullPool)
    loose = sa.MetaData()
    tables = [table.to_metadata(loose) for table in ACTORS.metadata.tables.values()]
    for table in tables:
        for column in table.columns:
            column.nullable = not column.primary_key
    loose.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module", params=DOORS)
def door(request: pytest.FixtureRequest, module_url: str, engine: sa.Engine) -> Iterator[Door]:
    with DOORS[request.param](module_url, ACTORS) as door:
        yield door


def where(actor_type: str, actor_id: str) -> str:
    if actor_type == "Own":
        return f"own WHERE actor_id = '{actor_id}'"
    return f"theater_actor WHERE actor_type = '{actor_type}' AND actor_id = 's:{actor_id}'"


def stored(engine: sa.Engine, actor_type: str, actor_id: str) -> Any:
    """Return the row as bytes, or as the text that PostgreSQL shows."""
    table = where(actor_type, actor_id)
    query = f"SELECT * FROM {table}"
    if engine.dialect.name == "postgresql":
        query = f"SELECT CAST(t AS text) FROM {table.replace(' WHERE', ' t WHERE')}"
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.text_factory = bytes
        return list(map(tuple, connection.exec_driver_sql(query)))


def break_row(engine: sa.Engine, actor_type: str, actor_id: str, broken: Broken) -> None:
    table, condition = where(actor_type, actor_id).split(" WHERE ")
    change = f"UPDATE {table} SET {broken.column} = {broken.sql} WHERE {condition}"
    with engine.begin() as connection:
        assert connection.exec_driver_sql(change.replace("%", "%%")).rowcount == 1


def check(door: Door, engine: sa.Engine, actor_type: str, name: str, broken: Broken) -> None:
    state, good = STATES[actor_type], f"{name}-good"
    door.put(actor_type, good, state)
    etag = door.put(actor_type, name, state, expect=ABSENT)
    break_row(engine, actor_type, name, broken)
    before = stored(engine, actor_type, name)
    calls: list[Callable[[], Any]] = [
        lambda: door.get(actor_type, name),
        lambda: door.put(actor_type, name, state),
        lambda: door.handle(actor_type, name).put(state),
        lambda: door.put_many([(actor_type, name, state), (actor_type, good, state)], atomic=True),
    ]
    for call in calls:
        with pytest.raises(CorruptState) as caught:
            call()
        assert caught.value.path.startswith(broken.path), caught.value
        assert "raised CorruptState" not in str(caught.value)
        assert "secret" not in str(caught.value)
        assert "untouched" in str(caught.value)
    one, bad, other = door.get_many([(actor_type, good), (actor_type, name), (actor_type, good)])
    assert isinstance(bad, CorruptState)
    assert one.state == other.state == state
    assert door.get(actor_type, good).version == 1
    assert stored(engine, actor_type, name) == before
    if broken.column in LOST:
        check_lost(door, engine, actor_type, name, before)
        return
    if not name.endswith(STAY):
        door.put(actor_type, name, state, overwrite_corrupt=True)
        assert door.get(actor_type, name).state == state
    door.delete(actor_type, name)
    etag = door.put(actor_type, name, state, expect=ABSENT)
    for expect in ({"expect": etag}, {}):
        break_row(engine, actor_type, name, broken)
        door.delete(actor_type, name, **expect)
        assert door.get(actor_type, name) is NOT_PRESENT
        door.put(actor_type, name, state)
    assert door.get(actor_type, name).version == 1


def check_lost(door: Door, engine: sa.Engine, actor_type: str, name: str, before: Any) -> None:
    """Refuse all, and leave the row as it is."""
    calls: list[Callable[[], Any]] = [
        lambda: door.put(actor_type, name, STATES[actor_type], overwrite_corrupt=True),
        lambda: door.delete(actor_type, name),
        lambda: door.delete(actor_type, name, expect=uuid.uuid4()),
        lambda: door.put(actor_type, name, STATES[actor_type], expect=ABSENT),
    ]
    for call in calls:
        with pytest.raises(CorruptState, match="etag"):
            call()
    assert stored(engine, actor_type, name) == before


OWN = [("sqlite", name) for name in SQLITE] + [("postgresql", name) for name in POSTGRESQL]


@pytest.mark.parametrize(("module_url", "name"), OWN, indirect=["module_url"])
def test_column_that_holds_what_it_cant(door: Door, engine: sa.Engine, name: str) -> None:
    broken = (SQLITE if engine.dialect.name == "sqlite" else POSTGRESQL)[name]
    check(door, engine, "Own", f"{type(door).__name__} {name}", broken)


@pytest.mark.parametrize("module_url", ["sqlite"], indirect=True)
def test_an_instant_without_a_zone_is_in_utc_as_sqlite_writes_it(
    door: Door, engine: sa.Engine, actor_id: str
) -> None:
    door.put("Own", actor_id, STATES["Own"])
    for column in ("instant", "updated_at"):
        break_row(engine, "Own", actor_id, Broken(column, "'2020-01-01 00:00:00'"))
    found = door.get("Own", actor_id)
    assert found.state == STATES["Own"]
    assert found.updated_at == datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", NULLS)
def test_null_where_none_may_be(door: Door, engine: sa.Engine, name: str) -> None:
    check(door, engine, "Own", f"{type(door).__name__} {name}", NULLS[name])


@pytest.mark.parametrize("name", SHARED)
def test_typed_state_in_the_generic_table(door: Door, engine: sa.Engine, name: str) -> None:
    check(door, engine, "Shared", f"{type(door).__name__} {name}", SHARED[name])


@pytest.mark.parametrize("name", UNTYPED)
def test_untyped_state(door: Door, engine: sa.Engine, name: str) -> None:
    check(door, engine, "nobody.Knows", f"{type(door).__name__} {name}", UNTYPED[name])


@pytest.mark.parametrize("actor_type", STATES)
def test_too_new_among_many(door: Door, engine: sa.Engine, actor_type: str, actor_id: str) -> None:
    state, good = STATES[actor_type], f"{actor_id}-good"
    door.put(actor_type, good, state)
    door.put(actor_type, actor_id, state)
    break_row(engine, actor_type, actor_id, Broken("schema_version", "9"))
    before = stored(engine, actor_type, actor_id)
    one, new = door.get_many([(actor_type, good), (actor_type, actor_id)])
    assert one.state == state
    assert isinstance(new, StateTooNew)
    for options in ({}, {"overwrite_corrupt": True}):
        results = door.put_many(
            [(actor_type, actor_id, state), (actor_type, good, state)], **options
        )
        assert isinstance(results[0], StateTooNew)
        assert isinstance(results[1], uuid.UUID)
        with pytest.raises(StateTooNew):
            door.put_many([(actor_type, actor_id, state)], atomic=True, **options)
    assert stored(engine, actor_type, actor_id) == before
    assert door.delete_many([(actor_type, actor_id)]) == [None]
    assert door.get(actor_type, actor_id) is NOT_PRESENT
