"""Every kind of state class, with columns of its own and as one document, on both databases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, NotRequired, TypedDict

import attrs
import msgspec
import pydantic
import pytest

from tests.unit.test_columns import Colour, Item
from theater_sql import GENERIC, ActorRegistry, InvalidState, SQLStorage


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
