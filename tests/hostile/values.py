"""Objects that behave as no value should."""

from __future__ import annotations

import enum
import uuid
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

LARGE = 100 * 2**20
DEEP = 10_000


class SecretError(Exception):
    """What the methods below raise; nobody else does."""


def _raise(*_: object, **__: object) -> Any:
    raise SecretError("secret")


class Raises:
    """Raises whatever is asked of it."""

    __eq__ = __hash__ = __repr__ = __str__ = __bool__ = _raise
    __len__ = __iter__ = __lt__ = __index__ = __float__ = __reduce_ex__ = _raise


class Text(str):
    """Text to a type checker, and no text to a database."""


class RaisingText(str):
    __eq__ = __hash__ = __repr__ = __str__ = _raise


class LyingText(str):
    """Looks harmless to whoever asks it."""

    def __str__(self) -> str:
        return "harmless"

    def __contains__(self, _: object) -> bool:
        return False

    def __len__(self) -> int:
        return 1

    def encode(self, *_: str) -> bytes:
        return b"x"


class Whole(int):
    pass


class RaisingWhole(int):
    __eq__ = __hash__ = __lt__ = __le__ = __ge__ = __gt__ = __repr__ = _raise


class Real(float):
    pass


class Items(list[Any]):
    pass


class Pairs(dict[str, Any]):
    pass


class RaisingPairs(dict[str, Any]):
    __iter__ = items = keys = __len__ = __eq__ = _raise


class Octets(bytes):
    pass


class Identity(uuid.UUID):
    pass


class RaisingIdentity(uuid.UUID):
    __eq__ = __hash__ = __repr__ = __str__ = _raise

    def __getattribute__(self, name: str) -> Any:
        if name in ("int", "bytes", "hex"):
            raise SecretError("secret")
        return super().__getattribute__(name)


class LyingIdentity(uuid.UUID):
    """Says that it equals everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


class Amount(Decimal):
    pass


class Instant(datetime):
    pass


class Colour(enum.Enum):
    RED = "red"


class TextColour(enum.StrEnum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class PretendsToBe:
    """Claims another class."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    @property
    def __class__(self) -> Any:
        return self.kind

    @__class__.setter
    def __class__(self, _: Any) -> None:
        raise TypeError


class int64:  # noqa: N801
    """A number as numpy has them."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number

    __int__ = __index__

    def __float__(self) -> float:
        return float(self.number)

    def __eq__(self, other: object) -> bool:
        return bool(self.number == other)

    def __hash__(self) -> int:
        return hash(self.number)


class float64(float):  # noqa: N801
    """A float as numpy has them, which is a float."""


class ndarray:  # noqa: N801
    """An array as numpy has them: to compare it gives an array, which has no truth."""

    def __eq__(self, other: object) -> Any:
        return ndarray()

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Any:
        return iter((1, 2))

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")


class RaisingZone(tzinfo):
    utcoffset = dst = tzname = _raise

    def fromutc(self, _: datetime) -> datetime:
        raise SecretError("secret")


class ZoneOfNothing(tzinfo):
    def utcoffset(self, _: datetime | None) -> None:
        return None

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> None:
        return None


class ZoneOfText(tzinfo):
    def utcoffset(self, _: datetime | None) -> Any:
        return "+01:00"

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> None:
        return None


def zone(**offset: float) -> timezone:
    return timezone(timedelta(**offset))


def at(year: int, month: int, day: int, hour: int = 0, tz: tzinfo | None = UTC) -> datetime:
    return datetime(year, month, day, hour, tzinfo=tz)


def deep_list(depth: int = DEEP) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def deep_dict(depth: int = DEEP) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def deep_mix(depth: int = DEEP) -> Any:
    value: Any = 1
    for n in range(depth):
        value = {"a": value} if n % 2 else [value]
    return value


def deep_tuple(depth: int = DEEP) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = (value,)
    return value


def circle() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def circle_of_dicts() -> Any:
    value: dict[str, Any] = {}
    value["a"] = [value]
    return value


def shared() -> Any:
    """A tree of 2**60 leaves in sixty lists."""
    value: Any = [1]
    for _ in range(60):
        value = [value, value]
    return value


def huge_int(digits: int = 5000) -> int:
    return int(10**digits - 1)


def _in_digits(number: Decimal) -> str:
    """Return a number without an exponent, where that is of no size to fear."""
    return f"{number:f}" if abs(number.adjusted()) < 9999 else str(number)


def exactly(one: Any, other: Any) -> bool:
    """Tell whether two values are the same in type, value, order and sign of zero."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return repr(one) == repr(other)
    if isinstance(one, Decimal):
        return one.as_tuple() == other.as_tuple() or _in_digits(one) == _in_digits(other)
    if isinstance(one, datetime):
        return bool(one == other)  # the instant is kept, the zone is not
    if isinstance(one, time):
        return (one, one.fold, one.tzinfo) == (other, other.fold, other.tzinfo)
    if isinstance(one, dict):
        return list(one) == list(other) and all(exactly(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(exactly, one, other))
    if isinstance(one, (set, frozenset)):
        return sorted(map(repr, one)) == sorted(map(repr, other))
    if hasattr(one, "__dict__") and not isinstance(one, enum.Enum):
        mine, others = ({k: v for k, v in vars(x).items() if k[0] != "_"} for x in (one, other))
        return exactly(mine, others)
    return bool(one == other)
