"""What can't be stored is refused with the path, and nothing is written."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from typing import Any

import pytest

from tests.contract.doors import Call, Door, MakeDoor
from tests.contract.kinds import CartState, CounterRow, GaugeState, Item, Kind, SessionState
from theater_sql import (
    GENERIC,
    NOT_PRESENT,
    ActorRegistry,
    InvalidId,
    InvalidState,
)

BAD: list[tuple[str, Any, str]] = [
    ("shop.Cart", CartState([Item("a", "no")]), "$.items[0].qty"),  # type: ignore[arg-type]
    ("shop.Cart", CartState([Item(1)]), "$.items[0].sku"),  # type: ignore[arg-type]
    ("shop.Cart", CartState(total=2**63), "$.total"),
    ("shop.Cart", CartState(total=True), "$.total"),
    ("shop.Cart", CartState(total=1.0), "$.total"),  # type: ignore[arg-type]
    ("shop.Cart", CartState(total=None), "$.total"),  # type: ignore[arg-type]
    ("shop.Cart", {"items": [], "total": 1}, "$"),
    ("shop.Cart", None, "$"),
    ("shop.Counter", CounterRow(count="1", note=None), "$.count"),
    ("shop.Counter", CounterRow(count=1, note="a\0b"), "$.note"),
    ("shop.Counter", CounterRow(count=1, note="\ud800"), "$.note"),
    ("shop.Counter", CounterRow(note="x"), "$.count"),
    ("shop.Gauge", GaugeState(2**31), "$.level"),
    ("shop.Gauge", CartState(), "$"),
    ("shop.Session", SessionState("1"), "$.hits"),  # type: ignore[arg-type]
    ("shop.Session", SessionState(1, path="\ud800"), "$"),
    ("shop.Session", {"hits": 1}, "$"),
    ("nobody.Knows", {"a": [1, {"b": math.nan}]}, "$.a[1].b"),
    ("nobody.Knows", [1.0, -math.inf], "$[1]"),
    ("nobody.Knows", {"a": {1: 2}}, "$.a"),
    ("nobody.Knows", {"a": (object(),)}, "$.a[0]"),
    ("nobody.Knows", {"a": datetime(2020, 1, 1)}, "$.a"),  # noqa: DTZ001
    ("nobody.Knows", "\ud800", "$"),
]


@pytest.mark.parametrize(("actor_type", "state", "path"), BAD)
def test_invalid_state_names_the_path_and_writes_nothing(
    shared_door: Door, actor_id: str, actor_type: str, state: Any, path: str
) -> None:
    with pytest.raises(InvalidState) as caught:
        shared_door.put(actor_type, actor_id, state)
    assert caught.value.path == path
    assert "nothing was written" in str(caught.value)
    assert shared_door.get(actor_type, actor_id) is NOT_PRESENT


def test_neighbours_of_an_invalid_state_are_written(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    calls = [
        Call(
            shared_door,
            "put",
            kind.actor_type,
            f"{actor_id}/{n}",
            object() if n == 3 else kind.make(n),
        )
        for n in range(8)
    ]
    results = shared_door.together(calls)
    assert isinstance(results[3], InvalidState)
    assert len([r for r in results if isinstance(r, BaseException)]) == 1


BAD_IDS: list[Any] = [
    True,
    None,
    1.5,
    (),
    ("a", ("b",)),
    ("a", None),
    ["a"],
    "a\0",
    "\ud800",
    "ü" * 257,
    b"x" * 513,
    ("a" * 300, "b" * 300),
    2**63,
    -(2**63) - 1,
    ("",) * 2000,
]


@pytest.mark.parametrize("number", range(len(BAD_IDS)))
@pytest.mark.parametrize("actor_type", ["shop.Cart", "nobody.Knows", "shop.Counter"])
def test_what_is_no_id_is_refused_alike_on_both_databases(
    shared_door: Door, actor_type: str, number: int
) -> None:
    for method, state in (("get", ()), ("put", (None,)), ("delete", ())):
        with pytest.raises(InvalidId, match="nothing was sent"):
            Call(shared_door, method, actor_type, BAD_IDS[number], *state).start()


@pytest.mark.parametrize("wrong", [1, b"a", ("a",), __import__("uuid").UUID(int=1)])
def test_id_of_another_type_than_the_tables_is_refused(shared_door: Door, wrong: Any) -> None:
    with pytest.raises(InvalidId):
        shared_door.get("shop.Cart", wrong)
    with pytest.raises(InvalidId):
        shared_door.put("shop.Counter", wrong, CounterRow(count=1))


@pytest.mark.parametrize("wrong", ["", "a\0", "\ud800", "x" * 513, 5, None, object()])
def test_what_is_no_actor_type_is_refused(shared_door: Door, wrong: Any) -> None:
    with pytest.raises(InvalidId):
        shared_door.get(wrong, "a")


@dataclass
class Loose:
    anything: Any = None
    maybe: list[Any] = field(default_factory=list)
    price: dict[str, Decimal] = field(default_factory=dict)
    at: dict[str, time] = field(default_factory=dict)


LOOSE: list[Any] = [
    Loose(anything=math.nan),
    Loose(anything=(1, 2)),
    Loose(anything={1: 2}),
    Loose(anything={"a": {1, 2}}),
    Loose(maybe=[b"x"]),
    Loose(maybe=[[[math.inf]]]),
    Loose(price={"a": Decimal("NaN")}),
    Loose(price={"a": Decimal("Infinity")}),
    Loose(at={"a": time(1, 2, tzinfo=__import__("datetime").UTC)}),
]


@pytest.mark.parametrize("number", range(len(LOOSE)))
@pytest.mark.parametrize("table", ["loose", GENERIC])
def test_what_json_would_change_is_refused_inside_a_typed_state(
    sqlite_url: str, number: int, table: Any
) -> None:
    from tests.contract.doors import SyncDoor

    actors = ActorRegistry()
    actors.register("Loose", state=Loose, table=table)
    with SyncDoor(sqlite_url, actors) as door:
        door.create_all()
        with pytest.raises(InvalidState):
            door.put("Loose", "a", LOOSE[number])
        assert door.get("Loose", "a") is NOT_PRESENT


def test_sixteen_mebibytes_are_the_limit(url: str, make_door: MakeDoor) -> None:
    # 2A-8 large states
    limit = 16 * 2**20
    with make_door(url, ActorRegistry()) as door:
        door.create_all()
        large = "x" * (limit - 2)
        door.put("Large", "a", large)
        assert door.get("Large", "a").state == large
        for state in ("x" * (limit - 1), "ü" * (limit // 2)):  # bytes count, not characters
            with pytest.raises(InvalidState, match="bytes"):
                door.put("Large", "a", state)
        assert door.get("Large", "a").version == 1
