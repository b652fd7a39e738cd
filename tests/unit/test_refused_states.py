"""State classes that can't be stored are refused at registration, by the name of the field."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, NotRequired, TypedDict, TypeVar

import msgspec
import pytest
import sqlalchemy as sa

from theater_sql import (
    GENERIC,
    ActorRegistry,
    RegistrationError,
)

T = TypeVar("T")


@dataclass
class State:
    n: int = 0


@dataclass
class Box(Generic[T]):
    content: T


@pytest.fixture
def actors() -> ActorRegistry:
    return ActorRegistry()


class Opaque:
    pass


class Mixed(enum.Enum):
    A = 1
    B = "b"


class Tuples(enum.Enum):
    A = (1, 2)


class Clash(enum.Enum):
    A = 1
    B = "1"


@dataclass
class HasOpaque:
    n: int
    secret: Opaque


@dataclass
class HasDeepOpaque:
    rows: dict[str, list[Opaque]]


@dataclass
class HasCallable:
    hook: Callable[[], None]


@dataclass
class HasMixed:
    mood: Mixed


@dataclass
class HasTuples:
    mood: Tuples


@dataclass
class HasDeepTuples:
    moods: list[Tuples]


@dataclass
class HasVersion:
    version: int


@dataclass
class HasMetadata:
    metadata: dict[str, str]


@dataclass
class HasActorId:
    actor_id: str


@dataclass
class HasCase:
    total: int
    Total: int


@dataclass
class HasLong:
    x: int
    ääääääääääääääääääääääääääääääääääääääää: int


@dataclass
class HasPrivate:
    _secret: int = 0


@dataclass
class HasUnknown:
    x: NoSuchName = None  # type: ignore[name-defined]  # noqa: F821


@dataclass
class HasRaw:
    raw: msgspec.Raw = field(default_factory=msgspec.Raw)


class HasBoth(TypedDict):
    note: NotRequired[str | None]


class HasUnset(msgspec.Struct):
    n: int | msgspec.UnsetType = msgspec.UNSET


class ArrayLike(msgspec.Struct, array_like=True):
    n: int = 0


REFUSED: list[tuple[Any, str]] = [
    (HasOpaque, "secret"),
    (HasDeepOpaque, "rows"),
    (HasCallable, "hook"),
    (HasMixed, "mood"),
    (HasTuples, "mood"),
    (HasDeepTuples, "moods"),
    (HasVersion, "version.*columns="),
    (HasMetadata, "metadata.*columns="),
    (HasActorId, "actor_id.*columns="),
    (HasCase, "Total"),
    (HasLong, "63 bytes"),
    (HasPrivate, "_secret"),
    (HasUnknown, "NoSuchName"),
    (HasRaw, "raw"),
    (HasBoth, "note"),
    (ArrayLike, "array_like"),
    (int, "no fields"),
    (dict, "no fields"),
    (Opaque, "Opaque"),
    (list[int], "no fields"),
    (None, "give state="),
    ("text", "."),
]


@pytest.mark.parametrize(("state", "named"), REFUSED)
def test_state_that_cant_have_columns_is_refused_by_name(
    actors: ActorRegistry, state: Any, named: str
) -> None:
    before = set(actors.metadata.tables)
    with pytest.raises(RegistrationError, match=named):
        actors.register("A", state=state, table="a")
    assert set(actors.metadata.tables) == before, "a table was left behind"
    actors.register("A", state=State, table="a")  # and the name and the table are free


@pytest.mark.parametrize("state", [HasOpaque, HasDeepOpaque, HasPrivate, HasUnknown, HasDeepTuples])
def test_state_that_json_cant_hold_is_refused_for_the_generic_table(
    actors: ActorRegistry, state: Any
) -> None:
    with pytest.raises(RegistrationError):
        actors.register("A", state=state, table=GENERIC)
    assert actors.match("A").layout is actors.generic
    assert list(actors) == []


def test_generic_alias_of_a_dataclass_is_a_state(actors: ActorRegistry) -> None:
    actors.register("A", state=Box[int], table=GENERIC)
    try:
        actors.register("B", state=Box[int], table="b")
    except RegistrationError:
        return
    assert isinstance(actors.table("B").c.content.type, sa.BigInteger)


def test_unset_is_refused_or_stored(actors: ActorRegistry) -> None:
    try:
        actors.register("A", state=HasUnset)
    except RegistrationError:
        return
    codec = actors.match("A").codec
    assert codec.decode(codec.encode(HasUnset())) == HasUnset()
