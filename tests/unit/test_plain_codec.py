"""States without a type: JSON values and ten more kinds come back exactly, all else is refused."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theater_sql.codec import CodecError, PlainCodec

CODEC = PlainCodec()
text = st.text(st.characters(exclude_categories=["Cs"]))
moments = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 - hypothesis attaches the zone
    max_value=datetime(9998, 12, 31),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
)
hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
    | st.binary()
    | st.dates()
    | st.times().map(lambda moment: moment.replace(fold=0))
    | st.timedeltas()
    | moments
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.uuids(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
keys = text | st.sampled_from(["$tuple", "$$tuple", "$set", "$", "$$", "$nonsense", "$uuid"])
states = st.recursive(
    hashable | st.sets(hashable, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Compare values with their types, at every depth."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (set, frozenset)):
        return len(one) == len(other) and all(any(same(a, b) for b in other) for a in one)
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    if isinstance(one, Decimal):
        return bool(one.as_tuple() == other.as_tuple())
    return bool(one == other)


@given(states)
@settings(max_examples=300, deadline=None)
def test_every_state_comes_back_exactly(state: Any) -> None:
    back = CODEC.decode(CODEC.encode(state))
    assert same(back, state), (back, state)


PINNED: list[tuple[Any, str]] = [
    ({"a": [1, 2.5, None, True, "x"]}, '{"a":[1,2.5,null,true,"x"]}'),
    ((1, 2), '{"$tuple":[1,2]}'),
    (frozenset({1}), '{"$frozenset":[1]}'),
    ({1}, '{"$set":[1]}'),
    (b"\x00\xff", '{"$bytes":"AP8="}'),
    (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), '{"$datetime":"2026-01-02T03:04:05.000006+00:00"}'),
    (date(2026, 1, 2), '{"$date":"2026-01-02"}'),
    (time(1, 2, 3), '{"$time":"01:02:03"}'),
    (timedelta(days=-1, microseconds=5), '{"$timedelta":[-1,0,5]}'),
    (Decimal("1.50"), '{"$decimal":"1.50"}'),
    (UUID(int=1), '{"$uuid":"00000000-0000-0000-0000-000000000001"}'),
    ({"$tuple": [1]}, '{"$$tuple":[1]}'),
    ({"$$tuple": [1]}, '{"$$$tuple":[1]}'),
    ({"$tuple": 1, "b": 2}, '{"$tuple":1,"b":2}'),
    ({"": 1}, '{"":1}'),
]


@pytest.mark.parametrize(("state", "json"), PINNED, ids=[json for _, json in PINNED])
def test_json_form_is_pinned(state: Any, json: str) -> None:
    assert CODEC.encode(state) == json
    assert same(CODEC.decode(json), state)


class Colour(enum.Enum):
    RED = 1


class Shade(str, enum.Enum):  # noqa: UP042
    RED = "red"


class Number(int):
    pass


def nested(depth: int) -> Any:
    state: Any = 0
    for _ in range(depth):
        state = [state]
    return state


REFUSED: list[tuple[Any, str]] = [
    (math.nan, "$"),
    ({"a": [0, math.inf]}, "$.a[1]"),
    ({"a": {"b": -math.inf}}, "$.a.b"),
    ([Decimal("NaN")], "$[0]"),
    ([Decimal("-Infinity")], "$[0]"),
    ({"a": Colour.RED}, "$.a"),
    ({"a": Shade.RED}, "$.a"),
    ([Number(1)], "$[0]"),
    ({"a": {1: 2}}, "$.a"),
    ({None: 2}, "$"),
    ({("a",): 2}, "$"),
    ({"a": OrderedDict()}, "$.a"),
    ({"a": defaultdict(int)}, "$.a"),
    ([deque()], "$[0]"),
    ([bytearray(b"")], "$[0]"),
    ([complex(1)], "$[0]"),
    ([object()], "$[0]"),
    ([int], "$[0]"),
    ([datetime(2026, 1, 1)], "$[0]"),  # noqa: DTZ001
    ([time(1, tzinfo=UTC)], "$[0]"),
    ({"a": ({1: 2},)}, "$.a[0]"),
    ("\ud800", "$"),
    ({"\ud800": 1}, "$"),
    ([10**5000], "$"),
    ([datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))], "$[0]"),
]


@pytest.mark.parametrize(("state", "path"), REFUSED)
def test_what_would_not_come_back_is_refused_with_its_path(state: Any, path: str) -> None:
    with pytest.raises(CodecError) as caught:
        CODEC.encode(state)
    assert caught.value.path == path


def test_depth_of_100_is_the_limit() -> None:
    assert CODEC.decode(CODEC.encode(nested(100))) == nested(100)
    for depth in (102, 5000):
        with pytest.raises(CodecError, match="deeper than 100"):
            CODEC.encode(nested(depth))


def test_circle_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(CodecError):
        CODEC.encode(circle)


def test_deep_text_is_an_error_of_the_codec() -> None:
    with pytest.raises(CodecError):
        CODEC.decode("[" * 100_000 + "]" * 100_000)


def test_long_keys_do_not_make_long_messages() -> None:
    with pytest.raises(CodecError) as caught:
        CODEC.encode({"k" * 1_000_000: math.nan})
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "stored",
    [
        "", "{", "nul", '{"$nonsense":1}', '{"$uuid":"x"}', '{"$uuid":5}', '{"$date":5}',
        '{"$decimal":"x"}', '{"$decimal":[]}', '{"$bytes":"*"}', '{"$bytes":1}', '{"$set":[[1]]}',
        '{"$set":1}', '{"$tuple":1}', '{"$tuple":"ab"}', '{"$tuple":{"a":1}}', '{"$set":"ab"}',
        '{"$timedelta":[1]}', '{"$timedelta":"1"}', '{"$timedelta":[1e300,0,0]}',
        '{"$datetime":"2026-01-01T00:00:00"}', '{"$datetime":"x"}', '{"$time":"25:00"}', '{"$":1}',
    ],
)  # fmt: skip
def test_bad_stored_text_is_an_error_of_the_codec(stored: str) -> None:
    with pytest.raises(CodecError):
        CODEC.decode(stored)
