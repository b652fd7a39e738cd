"""Rows that can't be decoded, or that newer code wrote: an error, and their bytes stay."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.contract.doors import DOORS, Call, Door, MakeDoor
from tests.contract.kinds import KINDS, Kind
from theater_sql import (
    ABSENT,
    GENERIC,
    NOT_PRESENT,
    ActorRegistry,
    Conflict,
    CorruptState,
    Etag,
    StateTooNew,
    StorageError,
)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Part:
    size: int


@dataclass
class Painted:
    colour: Colour = Colour.RED
    finish: Literal["matt", "gloss"] = "matt"
    parts: list[Part] = field(default_factory=list)


ACTORS = ActorRegistry()
ACTORS.register("Own", state=Painted)
ACTORS.register("Shared", state=Painted, table=GENERIC)
STATE = Painted(Colour.BLUE, "gloss", [Part(1)])


class Case(NamedTuple):
    """A row broken by hand, and the path that the error has to name."""

    actor_type: str
    column: str
    text: str
    path: str


CASES = {
    "enum value in a column": Case("Own", "colour", "green", "$.colour"),
    "literal in a column": Case("Own", "finish", "GLOSS", "$.finish"),
    "missing key": Case("Own", "parts", '[{"size": 1}, {}]', "$.parts[1]"),
    "wrong type": Case("Own", "parts", '[{"size": "1"}]', "$.parts[0].size"),
    "null": Case("Own", "parts", "null", "$.parts"),
    "another shape": Case("Own", "parts", '{"a": 1}', "$.parts"),
    "generic, missing key": Case("Shared", "state", '{"parts": [{}]}', "$.parts[0]"),
    "generic, enum value": Case("Shared", "state", '{"colour": "green"}', "$.colour"),
    "generic, another shape": Case("Shared", "state", "[1]", "$"),
    "generic, null": Case("Shared", "state", "null", "$"),
    "untyped, unknown tag": Case("nobody.Knows", "state", '{"a": {"$nonsense": 1}}', "$.a"),
    "untyped, bad tag value": Case("nobody.Knows", "state", '[{"$uuid": "x"}]', "$[0]"),
    "untyped, bad type in a tag": Case("nobody.Knows", "state", '[{"$uuid": 5}]', "$"),
    "untyped, text in a tuple": Case("nobody.Knows", "state", '{"$tuple": "ab"}', "$"),
}
# PostgreSQL's json column refuses these itself, so nobody can have broken a row so.
BROKEN_JSON = {
    "broken": Case("Own", "parts", '[{"size": 1}', "$.parts"),
    "generic, broken": Case("Shared", "state", '{"colour": ', "$"),
    "untyped, broken": Case("nobody.Knows", "state", "{", "$"),
    "untyped, empty": Case("nobody.Knows", "state", "", "$"),
}


@pytest.fixture(scope="module")
def engine(shared_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(shared_url, poolclass=NullPool)
    ACTORS.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module", params=DOORS)
def door(request: pytest.FixtureRequest, shared_url: str, engine: sa.Engine) -> Iterator[Door]:
    with DOORS[request.param](shared_url, ACTORS) as door:
        yield door


def where(case: Case, actor_id: str) -> str:
    if case.actor_type == "Own":
        return f"actor_id = '{actor_id}'"
    return f"actor_id = 's:{actor_id}' AND actor_type = '{case.actor_type}'"


def table(case: Case) -> str:
    return str(ACTORS.table(case.actor_type).name)


def break_row(engine: sa.Engine, case: Case, actor_id: str) -> None:
    cast = "CAST(:text AS json)" if engine.dialect.name == "postgresql" else ":text"
    value = cast if case.column in ("parts", "state") else ":text"
    change = f"UPDATE {table(case)} SET {case.column} = {value} WHERE {where(case, actor_id)}"
    with engine.begin() as connection:
        assert connection.execute(sa.text(change), {"text": case.text}).rowcount == 1


def stored(engine: sa.Engine, case: Case, actor_id: str) -> list[Any]:
    """Return the row as it is, its JSON as text."""
    query = (
        f"SELECT CAST({case.column} AS text), version, etag, CAST(updated_at AS text) "
        f"FROM {table(case)} WHERE {where(case, actor_id)}"
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_row_that_cant_be_decoded_is_an_error_and_keeps_its_bytes(
    door: Door, engine: sa.Engine, actor_id: str, case: Case
) -> None:
    check_corrupt(door, engine, actor_id, case)


@pytest.mark.parametrize("case", BROKEN_JSON.values(), ids=BROKEN_JSON)
def test_broken_json_is_an_error_and_keeps_its_bytes(
    door: Door, engine: sa.Engine, actor_id: str, case: Case
) -> None:
    if engine.dialect.name == "sqlite":
        check_corrupt(door, engine, actor_id, case)
    else:
        door.put(case.actor_type, actor_id, state_for(case))
        with pytest.raises(sa.exc.DataError):
            break_row(engine, case, actor_id)


def state_for(case: Case) -> Any:
    return {"a": 1} if case.actor_type == "nobody.Knows" else STATE


def check_corrupt(door: Door, engine: sa.Engine, actor_id: str, case: Case) -> None:
    # 2E #4
    etag = door.put(case.actor_type, actor_id, state_for(case))
    break_row(engine, case, actor_id)
    before = stored(engine, case, actor_id)
    with pytest.raises(CorruptState) as caught:
        door.get(case.actor_type, actor_id)
    assert caught.value.path.startswith(case.path)
    assert "green" not in str(caught.value)
    with pytest.raises(CorruptState):  # last write wins, but not over what nobody has read
        door.put(case.actor_type, actor_id, state_for(case))
    with pytest.raises(Conflict) as conflict:
        door.put(case.actor_type, actor_id, state_for(case), expect=ABSENT)
    assert (conflict.value.kind, conflict.value.actual) == ("exists", etag)
    assert stored(engine, case, actor_id) == before
    door.put(case.actor_type, actor_id, state_for(case), overwrite_corrupt=True)
    assert door.get(case.actor_type, actor_id).version == 2


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_delete_works_on_a_row_that_cant_be_decoded(
    door: Door, engine: sa.Engine, actor_id: str, case: Case
) -> None:
    for expected in (True, False):
        etag = door.put(case.actor_type, actor_id, state_for(case))
        break_row(engine, case, actor_id)
        if expected:
            with pytest.raises(Conflict) as caught:
                door.delete(case.actor_type, actor_id, expect=Etag(uuid.uuid4()))
            assert (caught.value.kind, caught.value.actual) == ("stale", etag)
            door.delete(case.actor_type, actor_id, expect=etag)
        else:
            door.delete(case.actor_type, actor_id)
        assert door.get(case.actor_type, actor_id) is NOT_PRESENT


def test_null_where_the_field_has_a_value_is_corrupt_in_the_generic_table(
    door: Door, engine: sa.Engine, actor_id: str
) -> None:
    door.put("Shared", actor_id, STATE)
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE theater_actor SET state = NULL WHERE actor_id = :id"),
            {"id": f"s:{actor_id}"},
        )
    with pytest.raises(CorruptState):
        door.get("Shared", actor_id)


def test_one_undecodable_row_does_not_harm_the_others_of_its_batch(
    pg_url: str, make_door: MakeDoor
) -> None:
    # timestamptz 'infinity' makes the driver fail on the whole result
    with make_door(pg_url, ACTORS) as door:
        door.create_all()
        for n in range(24):
            door.put("Own", f"a{n}", STATE)
        with sa.create_engine(pg_url, poolclass=NullPool).begin() as connection:
            connection.execute(
                sa.text("UPDATE own SET updated_at = 'infinity' WHERE actor_id = 'a7'")
            )
        for _ in range(3):
            results = door.together([Call(door, "get", "Own", f"a{n}") for n in range(24)])
            assert isinstance(results[7], CorruptState)
            bad = [r for n, r in enumerate(results) if n != 7 and isinstance(r, BaseException)]
            assert bad == []


# --- schema_version -------------------------------------------------------------------------


@pytest.mark.parametrize("overwrite_corrupt", [False, True])
def test_row_of_a_newer_schema_version_is_not_read_and_not_overwritten(
    shared_door: Door,
    shared_engine: sa.Engine,
    kind: Kind,
    actor_id: str,
    overwrite_corrupt: bool,
) -> None:
    # 2E #5
    etag = shared_door.put(kind.actor_type, actor_id, kind.make(1))
    kind.update(shared_engine, actor_id, schema_version=7)
    with pytest.raises(StateTooNew) as caught:
        shared_door.get(kind.actor_type, actor_id)
    assert (caught.value.stored, caught.value.registered) == (7, 1)
    with pytest.raises(StateTooNew):
        shared_door.put(
            kind.actor_type, actor_id, kind.make(2), overwrite_corrupt=overwrite_corrupt
        )
    row = kind.row(shared_engine, actor_id)
    assert row is not None and (row["version"], row["etag"]) == (1, etag)
    shared_door.delete(kind.actor_type, actor_id)
    assert shared_door.get(kind.actor_type, actor_id) is NOT_PRESENT


def test_rolling_deploy_old_code_refuses_what_new_code_wrote(url: str, make_door: MakeDoor) -> None:
    # 2E #7
    old, new = ActorRegistry(), ActorRegistry()
    old.register("Cart", state=Part)
    new.register("Cart", state=Part, schema_version=2)
    with make_door(url, old) as before, make_door(url, new) as after:
        before.create_all()
        before.put("Cart", "a", Part(1))
        assert after.get("Cart", "a").state == Part(1)
        etag = after.put("Cart", "a", Part(2))
        with pytest.raises(StateTooNew):
            before.get("Cart", "a")
        assert (after.get("Cart", "a").state, after.get("Cart", "a").etag) == (Part(2), etag)


def test_too_new_is_told_before_corrupt(
    shared_door: Door, shared_engine: sa.Engine, actor_id: str
) -> None:
    kind = KINDS["derived"]
    shared_door.put(kind.actor_type, actor_id, kind.make(1))
    kind.update(shared_engine, actor_id, schema_version=2, items={"other": "shape"})
    with pytest.raises(StateTooNew):
        shared_door.get(kind.actor_type, actor_id)


def test_handle_of_a_corrupt_row_can_be_used_once_it_is_mended(
    door: Door, engine: sa.Engine, actor_id: str
) -> None:
    case = CASES["missing key"]
    door.put("Own", actor_id, STATE)
    break_row(engine, case, actor_id)
    handle = door.handle("Own", actor_id)
    with pytest.raises(CorruptState):
        handle.put(STATE)
    with pytest.raises(StorageError, match=r"get\(\) first"):
        handle.put(STATE)
    break_row(engine, case._replace(text="[]"), actor_id)
    assert handle.get().state == replace(STATE, parts=[])
    handle.put(STATE)
