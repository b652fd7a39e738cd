"""Hostile states: each comes back exactly, or is refused by name, alike in all worlds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.hostile.conftest import World, outcome
from tests.hostile.kinds import MAKERS
from tests.hostile.states import EXCEPTIONS, FIELDS, KEPT, UNTYPED
from tests.hostile.values import exactly, shared
from theater_sql import ABSENT
from theater_sql.codec import CodecError, PlainCodec, limits


def check_kept(world: World, actor_type: str, make: Callable[[], Any], same: Any) -> None:
    door = world.door
    etag = door.put(actor_type, "new", make(), expect=ABSENT)
    assert same(door.get(actor_type, "new").state, make())
    door.put(actor_type, "new", make(), expect=etag)
    found = door.get(actor_type, "new")
    assert same(found.state, make())
    assert found.version == 2
    door.delete(actor_type, "new")


def check_refused(
    world: World, actor_type: str, make: Callable[[], Any], wanted: str, heavy: bool
) -> None:
    door, before = world.door, world.rows()
    calls = [
        lambda: door.put(actor_type, "there", make()),
        lambda: door.put(actor_type, "new", make(), expect=ABSENT),
        lambda: door.put_many([(actor_type, "new", make())]).raise_errors(),
        lambda: door.put_many([("usable", "b", 1), (actor_type, "there", make())], atomic=True),
    ]
    for call in calls[:1] if heavy else calls:
        assert outcome(call) == wanted, world.name
    assert world.rows() == before, world.name


def check(
    worlds: list[World],
    actor_type: str,
    name: str,
    good: Any,
    make: Callable[[], Any],
    wanted: str,
    same: Callable[[Any, Any], bool],
) -> None:
    heavy = "100 MB" in name
    for world in worlds[::2] if heavy else worlds:
        world.door.put(actor_type, "there", good())
        if wanted == KEPT:
            check_kept(world, actor_type, make, same)
        else:
            check_refused(world, actor_type, make, wanted, heavy)
        assert same(world.door.get(actor_type, "there").state, good())
        world.door.delete(actor_type, "there")
        world.check_usable()


@pytest.mark.parametrize("name", UNTYPED)
def test_untyped_state(worlds: list[World], name: str) -> None:
    case = UNTYPED[name]
    check(worlds, "nobody", name, lambda: {"good": 1}, case.make, case.outcome, exactly)


WAYS = [
    (way, name)
    for way in MAKERS
    for name, (field, _) in FIELDS.items()
    if not (way == "model" and field in ("texts", "reals"))  # its table has no such columns
    if (way, name) != ("pydantic document", "octets of 100 MB")  # which takes pydantic ten seconds
]


@pytest.mark.parametrize(("way", "name"), WAYS)
def test_field_of_a_typed_state(worlds: list[World], way: str, name: str) -> None:
    field, case = FIELDS[name]
    make = MAKERS[way]
    wanted = EXCEPTIONS.get((way, name), case.outcome)

    def same(one: Any, other: Any) -> bool:
        return type(one) is type(other) and exactly(getattr(one, field), getattr(other, field))

    check(
        worlds, way, name, lambda: make("text", "x"), lambda: make(field, case.make()), wanted, same
    )


def test_a_tree_of_one_list_many_times_over_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BYTES", 2**16)
    with pytest.raises(CodecError, match="more than"):
        PlainCodec().encode(shared())
