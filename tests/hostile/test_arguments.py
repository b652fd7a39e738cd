"""Hostile arguments: ids, types, etags, timeouts, options, URLs, registrations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.contract.doors import DOORS
from tests.hostile.arguments import (
    ETAGS,
    IDS,
    NAMES,
    NUMBERS,
    OPTIONS,
    OTHER_OPTIONS,
    OWN_ETAGS,
    REGISTRATION,
    REGISTRATIONS,
    SETTING,
    URLS,
    Plain,
)
from tests.hostile.conftest import World, outcome
from tests.hostile.states import INJECTIONS, KEPT
from theater_sql import ABSENT, OVERWRITE, ActorRegistry, AsyncSQLStorage, SQLStorage


def check_all(
    worlds: list[World], wanted: str, calls: Callable[[Any], list[Callable[[], Any]]]
) -> None:
    """Make the calls in all worlds; where they are refused, nothing changes."""
    for world in worlds:
        world.door.put("T", "there", {"good": 1})
        before = world.rows()
        for call in calls(world.door):
            assert outcome(call) == wanted, world.name
        assert wanted == KEPT or world.rows() == before, world.name
        assert world.door.get("T", "there").state == {"good": 1}
        world.door.delete("T", "there")
        world.check_usable()


@pytest.mark.parametrize("name", IDS)
def test_id(worlds: list[World], name: str) -> None:
    make, wanted = IDS[name]

    def calls(door: Any) -> list[Callable[[], Any]]:
        after = [] if name == "None" else [lambda: door.list_ids("T", after=make())]
        return [
            lambda: door.put("T", make(), [name], expect=ABSENT),
            lambda: door.put_many([("T", make(), [name])]).raise_errors(),
            lambda: door.put_many([("T", make(), [name]), ("T", "b", 1)], atomic=True),
            lambda: door.get("T", make()),
            lambda: door.get_many([("T", make())]).raise_errors(),
            lambda: door.handle("T", make()).put([name]),
            *after,
        ]

    for world in worlds:
        check_all([world], wanted, calls)
        if wanted == KEPT:
            found = world.door.get("T", make())
            assert (found.state, found.version) == ([name], 4)
            assert make() in world.door.list_ids("T")
        check_all([world], wanted, lambda door: [lambda: door.delete("T", make())])
        world.door.delete("T", "b")


def test_hostile_ids_are_ids_of_their_own(worlds: list[World]) -> None:
    kept = {name: make() for name, (make, wanted) in IDS.items() if wanted == KEPT}
    kept.pop("kind of UUID")  # the same as the one that lies
    for world in worlds:
        for name, actor_id in kept.items():
            world.door.put("many", actor_id, name, expect=ABSENT)
        for name, actor_id in kept.items():
            assert world.door.get("many", actor_id).state == name
        assert world.door.count("many") == len(kept)
        world.door.delete_many([("many", one) for one in kept.values()]).raise_errors()
    listed = []
    for world in worlds:
        world.door.put_many([("many", one, 1) for one in kept.values()]).raise_errors()
        listed.append(world.door.list_ids("many"))
        world.door.delete_many([("many", one) for one in kept.values()]).raise_errors()
    assert all(ids == listed[0] for ids in listed)  # in one order, too


@pytest.mark.parametrize("name", NAMES)
def test_actor_type(worlds: list[World], name: str) -> None:
    make, wanted = NAMES[name]
    actor_type = make()

    def calls(door: Any) -> list[Callable[[], Any]]:
        return [
            lambda: door.put(actor_type, "a", [name], expect=ABSENT),
            lambda: door.get(actor_type, "a"),
            lambda: door.put_many([(actor_type, "a", [name])]).raise_errors(),
            lambda: door.handle(actor_type, "a").put([name]),
            lambda: door.count(actor_type),
            lambda: door.list_ids(actor_type),
        ]

    for world in worlds:
        check_all([world], wanted, calls)
        if wanted == KEPT:
            assert world.door.get(actor_type, "a").state == [name]
            assert world.door.count(actor_type) == 1
        check_all([world], wanted, lambda door: [lambda: door.delete(actor_type, "a")])


@pytest.mark.parametrize("name", ETAGS)
def test_expect(worlds: list[World], name: str) -> None:
    make, wanted = ETAGS[name]

    def calls(door: Any) -> list[Callable[[], Any]]:
        return [
            lambda: door.put("T", "there", 1, expect=make()),
            lambda: door.delete("T", "there", expect=make()),
            lambda: door.put_many([("T", "there", 1, make())]).raise_errors(),
            lambda: door.delete_many([("T", "there", make())]).raise_errors(),
        ]

    check_all(worlds, wanted, calls)
    batch = "BatchConflict" if wanted == "Conflict" else wanted
    check_all(
        worlds,
        batch,
        lambda door: [lambda: door.put_many([("T", "there", 1, make())], atomic=True)],
    )


@pytest.mark.parametrize("name", OWN_ETAGS)
def test_own_etag(worlds: list[World], name: str) -> None:
    make, wanted = OWN_ETAGS[name]

    def calls(door: Any) -> list[Callable[[], Any]]:
        return [
            lambda: door.put("T", "a", 1, etag=make()),
            lambda: door.put_many([("T", "a", 1, OVERWRITE, make())]).raise_errors(),
            lambda: door.put_many([("T", "a", 1, OVERWRITE, make())], atomic=True),
        ]

    for world in worlds:
        check_all([world], wanted, calls)
        if wanted == KEPT:
            found = world.door.get("T", "a")
            assert (found.etag.int, found.version) == (make().int, 1)
        world.door.delete("T", "a")


@pytest.mark.parametrize("name", NUMBERS)
def test_timeout_and_limit(worlds: list[World], name: str) -> None:
    make = NUMBERS[name]

    def calls(door: Any) -> list[Callable[[], Any]]:
        timeout = {"timeout": make()}
        return [
            lambda: door.put("T", "there", 1, **timeout),
            lambda: door.get("T", "there", **timeout),
            lambda: door.delete("T", "there", **timeout),
            lambda: door.raw.handle("T", "there", **timeout),
            lambda: door.get_many([], **timeout),
            lambda: door.put_many([], **timeout),
            lambda: door.put_many([], atomic=True, **timeout),
            lambda: door.delete_many([], **timeout),
            lambda: door.list_ids("T", **timeout),
            lambda: door.count("T", **timeout),
            lambda: door.list_ids("T", limit=make()),
        ]

    check_all(worlds, SETTING, calls)


@pytest.mark.parametrize("items", [None, 5, object(), ActorRegistry, [None], ["ab"], [{}], [()]])
def test_what_are_no_items(worlds: list[World], items: Any) -> None:
    def calls(door: Any) -> list[Callable[[], Any]]:
        return [
            lambda: door.get_many(items),
            lambda: door.put_many(items),
            lambda: door.put_many(items, atomic=True),
            lambda: door.delete_many(items),
        ]

    check_all(worlds, SETTING, calls)


@pytest.mark.parametrize("storage", [SQLStorage, AsyncSQLStorage])
@pytest.mark.parametrize("name", NUMBERS)
def test_option_that_is_no_number(storage: Any, name: str) -> None:
    for option in OPTIONS:
        open_it = partial(storage, "sqlite:///a.db", ActorRegistry(), **{option: NUMBERS[name]()})
        assert outcome(open_it) == SETTING


@pytest.mark.parametrize("storage", [SQLStorage, AsyncSQLStorage])
@pytest.mark.parametrize("name", OTHER_OPTIONS)
def test_option(storage: Any, name: str) -> None:
    options, wanted = OTHER_OPTIONS[name]
    if wanted is TypeError:
        with pytest.raises(TypeError, match=rf"^{storage.__name__}\(\) got an unexpected keyword"):
            storage("sqlite:///a.db", ActorRegistry(), **options)
    else:
        assert outcome(lambda: storage("sqlite:///a.db", ActorRegistry(), **options)) == wanted


@pytest.mark.parametrize("storage", [SQLStorage, AsyncSQLStorage])
@pytest.mark.parametrize("actors", [None, 5, "actors", {}, ActorRegistry])
def test_what_is_no_registry(storage: Any, actors: Any) -> None:
    assert outcome(lambda: storage("sqlite:///a.db", actors)) == SETTING


@pytest.mark.parametrize("storage", [SQLStorage, AsyncSQLStorage])
@pytest.mark.parametrize("name", URLS)
def test_url(storage: Any, name: str) -> None:
    assert outcome(lambda: storage(URLS[name](), ActorRegistry())) == SETTING


@pytest.mark.parametrize("name", REGISTRATIONS)
def test_registration(name: str) -> None:
    actors = ActorRegistry()
    options = REGISTRATIONS[name]
    if "model" not in options and "state" not in options:
        options = options | {"state": Plain}
    is_name = name.startswith("name") or name == "aliases with NUL"
    wanted = "InvalidId" if is_name else REGISTRATION
    assert outcome(lambda: actors.register("Odd", **options)) == wanted
    assert list(actors) == []
    assert sorted(actors.metadata.tables) == ["theater_actor", "theater_actor_type"]
    actors.register("Odd", state=Plain)  # usable after it


@pytest.mark.parametrize(
    "column", [*INJECTIONS[:2], INJECTIONS[3], 'a"b', "a%sb", "a:p0", "select", "ä ö"]
)
@pytest.mark.parametrize("make_door", DOORS.values(), ids=DOORS)
def test_column_of_any_name(url: str, make_door: Any, column: str) -> None:
    actors = ActorRegistry()
    actors.register("Odd", state=Plain, columns={"number": column})
    with make_door(url, actors) as door:
        door.create_all()
        for n in range(2):
            door.put("Odd", "a", Plain(n))
        door.put_many([("Odd", "b", Plain(5)), ("Odd", "c", Plain(6))]).raise_errors()
        found = door.get_many([("Odd", one) for one in "abc"])
        assert [one.state.number for one in found] == [1, 5, 6]
