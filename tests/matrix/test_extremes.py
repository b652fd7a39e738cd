"""Values at the edge of their types: kept exactly, or refused by name, by both databases alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.hostile.values import exactly
from tests.matrix.fields import FIELDS
from theater_sql import (
    GENERIC,
    NOT_PRESENT,
    ActorRegistry,
    AsyncSQLStorage,
    InvalidState,
    SQLStorage,
)
from theater_sql.testing import Door

TYPES: dict[str, Any] = {name: FIELDS[name][0] for name in FIELDS if FIELDS[name][1]}
ACTORS = ActorRegistry()
CLASSES: dict[str, Any] = {}
for number, (name, type_) in enumerate(TYPES.items()):
    CLASSES[name] = dataclasses.make_dataclass(f"E{number}", [("value", type_)])
    ACTORS.register(f"own/{name}", state=CLASSES[name], table=f"extreme_{number}")
    ACTORS.register(f"generic/{name}", state=CLASSES[name], table=GENERIC)


@dataclasses.dataclass
class Empty:
    pass


ACTORS.register("generic/Empty", state=Empty, table=GENERIC)


class Extreme(NamedTuple):
    """A value, and where it is kept: in a column, as typed JSON, in a state without a type."""

    field: str
    value: Any
    own: bool = True
    generic: bool = True
    untyped: bool = True


KEPT, REFUSED = (True, True, True), (False, False, False)
NO_COLUMN, NOT_TYPED = (False, True, True), (False, False, True)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


EXTREMES: dict[str, Extreme] = {
    "int, 64 bits": Extreme("int", 2**63 - 1, *KEPT),
    "int, one more": Extreme("int", 2**63, *NO_COLUMN),  # JSON has no end of numbers
    "int, one less": Extreme("int", -(2**63) - 1, False, True, True),
    "float, largest": Extreme("float", 1.7976931348623157e308, *KEPT),
    "float, smallest": Extreme("float", 5e-324, *KEPT),
    "float, nearest": Extreme("float", 0.1 + 0.2, *KEPT),
    "float, -0.0": Extreme("float", -0.0, *NO_COLUMN),  # REAL has no sign of zero
    "float, NaN": Extreme("float", float("nan"), *REFUSED),
    "float, infinity": Extreme("float", float("inf"), *REFUSED),
    "Decimal, 28 digits": Extreme("Decimal", Decimal("1.234567890123456789012345678"), *KEPT),
    "Decimal, 60 digits": Extreme("Decimal", Decimal("1" * 30 + "." + "2" * 30), *KEPT),
    "Decimal, zeros at its end": Extreme("Decimal", Decimal("0.10"), *KEPT),
    "Decimal, NaN": Extreme("Decimal", Decimal("NaN"), *REFUSED),
    "Decimal, infinity": Extreme("Decimal", Decimal("-Infinity"), *REFUSED),
    "Decimal, -0": Extreme("Decimal", Decimal("-0"), *NO_COLUMN),
    "datetime, first": Extreme("datetime", datetime(1, 1, 1, tzinfo=UTC), *KEPT),
    "datetime, last": Extreme(
        "datetime", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), *KEPT
    ),
    "datetime, far east": Extreme(
        "datetime", datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=14))), *KEPT
    ),
    "datetime, far west": Extreme(
        "datetime", datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-12))), *KEPT
    ),
    "datetime, before the first": Extreme(
        "datetime", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), False, True, False
    ),
    "datetime, naive": Extreme("datetime", datetime(2024, 1, 1), *REFUSED),  # noqa: DTZ001
    "time, last": Extreme("time", time(23, 59, 59, 999999), *KEPT),
    "time with a zone": Extreme("time", time(1, 2, tzinfo=UTC), *REFUSED),
    "timedelta, negative": Extreme("timedelta", timedelta(days=-5, microseconds=7), *KEPT),
    "timedelta, longest": Extreme("timedelta", timedelta.max, False, True, True),
    "str, empty": Extreme("str", "", *KEPT),
    "str, 1 MB": Extreme("str", "ä" * 500_000, *KEPT),
    "str, all of Latin-1 but NUL": Extreme("str", "".join(map(chr, range(1, 256))), *KEPT),
    "str, last character": Extreme("str", "\U0010ffff", *KEPT),
    "str, right to left": Extreme("str", "\u202eאבג\u202c", *KEPT),
    "str, combining": Extreme("str", "e\u0301\u0301 \u0301", *KEPT),
    "str, NUL": Extreme("str", "a\0b", False, True, True),  # JSON escapes it
    "str, lone surrogate": Extreme("str", "\ud800", *REFUSED),
    "bytes, empty": Extreme("bytes", b"", *KEPT),
    "bytes, 1 MB": Extreme("bytes", bytes(range(256)) * 4096, *KEPT),
    "list, empty": Extreme("list", [], *KEPT),
    "dict, empty": Extreme("dict", {}, *KEPT),
    "set, empty": Extreme("set", set(), *KEPT),
    "dict, empty key": Extreme("dict", {"": 1}, *KEPT),
    "Any, 90 deep": Extreme("Any", nested(90), *KEPT),
    "Any, 150 deep": Extreme("Any", nested(150), *REFUSED),
    "Annotated, beyond": Extreme("Annotated", 101, *NOT_TYPED),
}


@pytest.fixture(scope="module", params=[SQLStorage, AsyncSQLStorage])
def door(request: pytest.FixtureRequest, shared_url: str) -> Iterator[Door]:
    engine = sa.create_engine(shared_url, poolclass=NullPool)
    ACTORS.metadata.create_all(engine)
    with Door(request.param(shared_url, ACTORS)) as door:
        yield door
        door.close()


@pytest.mark.parametrize("home", ["own", "generic", "untyped"])
@pytest.mark.parametrize("name", EXTREMES)
def test_kept_exactly_or_refused_by_its_path(door: Door, name: str, home: str) -> None:
    extreme = EXTREMES[name]
    actor_type = "extreme.Untyped" if home == "untyped" else f"{home}/{extreme.field}"
    make = CLASSES[extreme.field] if home != "untyped" else lambda value: {"value": value}
    state: Any = make(extreme.value)
    door.delete(actor_type, name)
    if not getattr(extreme, home):
        with pytest.raises(InvalidState) as caught:
            door.put(actor_type, name, state)
        assert caught.value.path.startswith("$")
        assert "nothing was written" in str(caught.value)
        assert door.get(actor_type, name) is NOT_PRESENT
        return
    door.put(actor_type, name, state)
    back = door.get(actor_type, name).state
    assert type(back) is type(state)
    assert exactly(back["value"] if home == "untyped" else back.value, extreme.value)


def test_a_class_without_fields(door: Door) -> None:
    door.put("generic/Empty", "a", Empty())
    assert door.get("generic/Empty", "a").state == Empty()
