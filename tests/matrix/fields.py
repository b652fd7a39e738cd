"""The types of fields, each with values that have to come back exactly."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NewType
from uuid import UUID

import msgspec

Cents = NewType("Cents", int)
Small = Annotated[int, msgspec.Meta(ge=0, le=100)]
HERE = timezone(timedelta(hours=5, minutes=30))


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Tone(enum.StrEnum):
    SHARP = "sharp"
    FLAT = "flat"


class Rank(enum.IntEnum):
    FIRST = 1
    SECOND = 2


class Right(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass
class Part:
    size: int
    name: str = ""


@dataclass
class Nested:
    parts: list[Part] = field(default_factory=list)
    best: Part | None = None
    by_name: dict[str, Part] = field(default_factory=dict)


@dataclass
class Tree:
    leaf: int
    children: list[Tree] = field(default_factory=list)


class Point(NamedTuple):
    x: int
    y: int


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    name: str


class Strange:
    """A class that nothing is known of."""


FIELDS: dict[str, tuple[Any, list[Any]]] = {
    "int": (int, [0, -1, 2**63 - 1, -(2**63)]),
    "float": (float, [0.0, 0.1 + 0.2, -1.5, 1e308, 5e-324, 1e16, 3.0]),
    "str": (str, ["", "a", "текст 🎭 e\u0301", "'\"\\\n\r\t;--", "x" * 2**20, "\u200f\uffff"]),
    "bool": (bool, [True, False]),
    "bytes": (bytes, [b"", b"x" * 2**20, b"\x00\xff'"]),
    "date": (date, [date.min, date.max, date(2024, 2, 29)]),
    "time": (time, [time.min, time.max, time(12, 30, 0, 1)]),
    "timedelta": (
        timedelta,
        [timedelta(0), timedelta(days=-1, microseconds=1), timedelta(days=99999, seconds=1)],
    ),
    "UUID": (UUID, [UUID(int=0), UUID(int=2**128 - 1)]),
    "datetime": (
        datetime,
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
            datetime(2024, 7, 1, 12, 0, 0, 123456, HERE),
        ],
    ),
    "Decimal": (
        Decimal,
        [Decimal(0), Decimal("0.10"), Decimal("-1.23"), Decimal("9" * 28), Decimal("1e-28")],
    ),
    "Enum": (Colour, list(Colour)),
    "Enum of numbers": (Level, list(Level)),
    "StrEnum": (Tone, list(Tone)),
    "IntEnum": (Rank, list(Rank)),
    "Flag": (Right, [Right.READ, Right.READ | Right.WRITE, Right(0)]),
    "Literal": (Literal["a", "b"], ["a", "b"]),
    "Literal of numbers": (Literal[1, 2], [1, 2]),
    "mixed Literal": (Literal["a", 1], ["a", 1]),
    "Optional int": (int | None, [None, 0, 5]),
    "Optional str": (str | None, [None, "", "a"]),
    "Optional bool": (bool | None, [None, False]),
    "Optional bytes": (bytes | None, [None, b""]),
    "Optional datetime": (datetime | None, [None, datetime(2024, 1, 1, tzinfo=UTC)]),
    "Optional Decimal": (Decimal | None, [None, Decimal("0.5")]),
    "Optional UUID": (UUID | None, [None, UUID(int=5)]),
    "Optional Enum": (Colour | None, [None, Colour.RED]),
    "Optional Literal": (Literal["a"] | None, [None, "a"]),
    "Optional nested": (Part | None, [None, Part(1)]),
    "Optional list": (list[int] | None, [None, [], [1]]),
    "NewType": (Cents, [Cents(5)]),
    "Annotated": (Small, [0, 100]),
    "nested": (Nested, [Nested(), Nested([Part(1, "a")], Part(2), {"x": Part(3)})]),
    "recursive": (Tree, [Tree(1), Tree(1, [Tree(2, [Tree(3)]), Tree(4)])]),
    "NamedTuple": (Point, [Point(1, 2)]),
    "union of tagged": (Cat | Dog, [Cat(9), Dog("a")]),
    "list": (list[int], [[], [1, 2], list(range(1000))]),
    "list of Decimal": (list[Decimal], [[Decimal("0.10")]]),
    "list of datetime": (list[datetime], [[datetime(2024, 1, 1, tzinfo=UTC)]]),
    "list of bytes": (list[bytes], [[b"", b"\xff"]]),
    "dict": (dict[str, int], [{}, {"a": 1, "": 2, "$tuple": 3}]),
    "dict by int": (dict[int, str], [{1: "a", -5: "b"}]),
    "dict by UUID": (dict[UUID, int], [{UUID(int=1): 1}]),
    "dict by date": (dict[date, int], [{date(2024, 1, 1): 1}]),
    "dict by Enum": (dict[Colour, int], [{Colour.RED: 1}]),
    "dict by IntEnum": (dict[Rank, int], [{Rank.FIRST: 1}]),
    "tuple": (tuple[int, str], [(1, "a")]),
    "long tuple": (tuple[int, ...], [(), (1, 2, 3)]),
    "set": (set[int], [set(), {1, 2}]),
    "frozenset": (frozenset[str], [frozenset(), frozenset({"a"})]),
    "union of scalars": (int | str, [1, "1"]),
    "union of str and bytes": (str | bytes, []),
    "Any": (Any, [None, 1, "a", [1, {"a": None}], {"a": [1.5]}]),
    "list of list": (list[list[tuple[int, ...]]], [[[(1,), ()], []]]),
    "complex": (complex, []),
    "unknown class": (Strange, []),
    "range": (range, []),
}
