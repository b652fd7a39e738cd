"""Whatever is put, both databases say the same of it: kept as it was, or the same error."""

from __future__ import annotations

import math
import os
from datetime import UTC, timedelta, timezone
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.conftest import World
from tests.hostile.kinds import MAKERS
from tests.hostile.values import exactly
from theater_sql import TheaterSQLError

SETTINGS = settings(
    max_examples=int(os.environ.get("THEATER_SQL_HOSTILE_EXAMPLES", "150")),
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=8)  # surrogates, NUL
ZONES = st.none() | st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))
SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | ANY_TEXT
    | st.binary(max_size=8)
    | st.decimals()
    | st.datetimes(timezones=ZONES)
    | st.dates()
    | st.times(timezones=st.none() | st.just(UTC))
    | st.timedeltas()
    | st.uuids()
)
KEYS = ANY_TEXT | st.sampled_from(["$tuple", "$set", "$$x", "$", "$decimal", ""])
STATES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.frozensets(st.none() | st.integers() | ANY_TEXT | st.floats() | st.uuids(), max_size=3)
    ),
    max_leaves=12,
)
PARTS = (
    ANY_TEXT
    | st.integers(-(2**64), 2**64)
    | st.uuids()
    | st.binary(max_size=8)
    | st.booleans()
    | st.floats()
    | st.none()
)
IDS = PARTS | st.lists(PARTS, max_size=4).map(tuple)
NAMES = st.text(st.characters(codec=None, categories=None), max_size=20)


FITTING = {
    "text": ANY_TEXT,
    "whole": st.integers(-(2**65), 2**65),
    "real": st.floats() | st.sampled_from([-0.0, math.nan]),
    "amount": st.decimals(),
    "instant": st.datetimes(timezones=ZONES),
    "clock": st.times(),
    "span": st.timedeltas(),
    "octets": st.binary(max_size=8),
    "day": st.dates(),
}


def verdict(world: World, actor_type: Any, actor_id: Any, state: Any) -> str:
    try:
        world.door.put(actor_type, actor_id, state)
        found = world.door.get(actor_type, actor_id)
    except TheaterSQLError as error:
        return type(error).__name__
    world.door.delete(actor_type, actor_id)
    return "kept" if exactly(parts(found.state), parts(state)) else "changed"


def parts(state: Any) -> Any:
    """Return a state without what a mapped class adds to it."""
    if type(state).__name__ != "Row":
        return state
    return {key: getattr(state, key) for key in ("text", "whole", "real", "amount", "loose")}


def check_alike(worlds: list[World], actor_type: Any, actor_id: Any, make: Any) -> None:
    verdicts = {world.name: verdict(world, actor_type, actor_id, make()) for world in worlds}
    assert len(set(verdicts.values())) == 1, verdicts
    assert "changed" not in verdicts.values()


@SETTINGS
@given(NAMES, IDS, STATES)
def test_untyped_states(worlds: list[World], name: str, actor_id: Any, state: Any) -> None:
    check_alike(worlds, name, actor_id, lambda: state)


@SETTINGS
@given(
    st.sampled_from(["derived", "document", "pydantic", "pydantic document", "model"]),
    st.sampled_from([*FITTING, "flag", "identity", "loose"]),
    SCALARS | STATES,
)
def test_fields_of_typed_states(worlds: list[World], way: str, field: str, value: Any) -> None:
    if field == "real" and type(value) is int:  # a whole number is a float there
        return
    check_alike(worlds, way, "a", lambda: MAKERS[way](field, value))


@SETTINGS
@given(
    st.sampled_from(["derived", "document", "pydantic", "pydantic document", "model"]),
    st.sampled_from(list(FITTING)).flatmap(lambda name: st.tuples(st.just(name), FITTING[name])),
)
def test_fields_of_their_own_type(worlds: list[World], way: str, pair: tuple[str, Any]) -> None:
    check_alike(worlds, way, "a", lambda: MAKERS[way](*pair))
