"""Every call in every home of a type, by both doors; see test_homes for old code in each stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.contract import homes as laid
from tests.contract.doors import Call, MakeDoor
from tests.contract.homes import CRATE, IDS, LAYS, NEW, NUMBERED, OLD, Crate, World, believe, plain
from tests.contract.transactions import MAKES, Blocks
from theater_sql import (
    ABSENT,
    NOT_PRESENT,
    ActorMoved,
    BatchConflict,
    Conflict,
    Etag,
    Put,
    SQLStorage,
    homes,
)
from theater_sql.backends.postgresql_sessions import PostgreSQLSession
from theater_sql.backends.sqlite_sessions import SQLiteSession
from theater_sql.homes import Home
from theater_sql.migrations.promotion import Promotion

every_home = pytest.mark.parametrize("home", LAYS, ids=lambda home: home.name)


class Rollback(Exception):
    """Ends a block on purpose."""


@pytest.fixture(scope="module")
def world(module_url: str) -> Iterator[World]:
    engine = sa.create_engine(module_url, poolclass=NullPool)
    yield World(module_url, engine)
    engine.dispose()


def new_rows(home: Home) -> str:
    return "table" if home.creates_in_table else "generic"


def refused(kind: str, actual: Any, call: Any, *args: Any, **options: Any) -> None:
    with pytest.raises(Conflict) as caught:
        call(*args, **options)
    assert (caught.value.kind, caught.value.actual) == (kind, actual)


@every_home
def test_a_row_is_read_and_written_where_it_is(
    world: World, make_door: MakeDoor, home: Home
) -> None:
    there, before = world.lay(home), world.where()
    with make_door(world.url, NEW) as door:
        for one, (n, etag) in there.items():
            found = door.get(CRATE, one)
            assert (found.state, found.etag, found.version) == (Crate(n), etag, 1)
            refused("stale", etag, door.put, CRATE, one, Crate(9), expect=uuid4())
            refused("exists", etag, door.put, CRATE, one, Crate(9), expect=ABSENT)
            refused("stale", etag, door.delete, CRATE, one, expect=uuid4())
            second = door.put(CRATE, one, Crate(n + 10), expect=etag)
            refused("stale", second, door.put, CRATE, one, Crate(9), expect=etag)
            third = door.put(CRATE, one, Crate(n + 20))
            found = door.get(CRATE, one)
            assert (found.state, found.etag, found.version) == (Crate(n + 20), third, 3)
    assert world.where() == before


@every_home
def test_what_is_not_there_is_created_where_the_home_says(
    world: World, make_door: MakeDoor, home: Home
) -> None:
    world.lay(home)
    gone = [*(IDS[CRATE]["x"] if "x" in LAYS[home] else []), "new1", "new2"]
    with make_door(world.url, NEW) as door:
        for one in gone:
            assert door.get(CRATE, one) is NOT_PRESENT
            refused("gone", None, door.put, CRATE, one, Crate(1), expect=uuid4())
            refused("gone", None, door.delete, CRATE, one, expect=uuid4())
            door.delete(CRATE, one)
            etag = door.put(CRATE, one, Crate(1), expect=ABSENT)
            assert door.get(CRATE, one).etag == etag
        door.put(CRATE, "over", Crate(2))
        puts = [Put(CRATE, "many", Crate(3)), Put(CRATE, "some", Crate(3), ABSENT)]
        door.put_many(puts).raise_errors()
        door.put_many([Put(CRATE, "all", Crate(4), ABSENT)], atomic=True)
    where = world.where()
    assert {where[one] for one in [*gone, "over", "many", "some", "all"]} == {new_rows(home)}


@every_home
def test_a_delete_finds_the_row(world: World, make_door: MakeDoor, home: Home) -> None:
    there = world.lay(home)
    with make_door(world.url, NEW) as door:
        for place, (one, (_, etag)) in enumerate(there.items()):
            door.delete(CRATE, one, **({"expect": etag} if place % 2 else {}))
            assert door.get(CRATE, one) is NOT_PRESENT
            refused("gone", None, door.delete, CRATE, one, expect=etag)
        assert world.where() == {}
        for one in there:
            door.put(CRATE, one, Crate(5), expect=ABSENT)
            assert door.get(CRATE, one).version == 1
        assert set(world.where().values()) == {new_rows(home)}
        deleted = door.delete_many([(CRATE, one) for one in there])
        assert deleted.errors == [] and world.where() == {}


@every_home
def test_many_at_once(world: World, make_door: MakeDoor, home: Home) -> None:
    there = world.lay(home)
    with make_door(world.url, NEW) as door:
        found = door.get_many([(CRATE, one) for one in [*there, "none"]]).raise_errors()
        assert [one.etag for one in found[:-1]] == [etag for _, etag in there.values()]
        assert found[-1] is NOT_PRESENT
        puts = [Put(CRATE, one, Crate(7), etag) for one, (_, etag) in there.items()]
        stale = puts[-1]._replace(expect=Etag(uuid4()))
        with pytest.raises(BatchConflict) as caught:
            door.put_many([*puts[:-1], stale, Put(CRATE, "n", Crate(7), ABSENT)], atomic=True)
        assert [one.actor_id for one in caught.value.conflicts] == [stale.actor_id]
        again = door.get_many([(CRATE, one) for one in there])
        assert again == found[:-1] and door.get(CRATE, "n") is NOT_PRESENT
        each = door.put_many([*puts[:-1], stale])
        assert [type(error) for error in each.errors] == [Conflict] and each[-1] in each.errors
        expected = zip(puts, [*each[:-1], puts[-1].expect], strict=True)
        last = [put._replace(expect=etag) for put, etag in expected]
        etags = door.put_many([*last, Put(CRATE, "n", Crate(7))], atomic=True)
        found = door.get_many([(CRATE, one) for one in [*there, "n"]])
        assert [one.etag for one in found] == etags
        assert {one.state.n for one in found} == {7}
    assert {*world.where()} == {*there, "n"}


@every_home
@pytest.mark.parametrize("name", [CRATE, NUMBERED])
def test_lists_have_each_id_once(world: World, make_door: MakeDoor, home: Home, name: str) -> None:
    there = world.lay(home, CRATE if name == NUMBERED else NUMBERED, name)
    with make_door(world.url, NEW) as door:
        whole = door.list_ids(name)
        assert len(whole) == len(there) == door.count(name) and {*whole} == {*there}
        assert {type(one) for one in whole} == {str if name == CRATE else int}
        for limit in (1, 2, 3):
            pages: list[Any] = []
            while page := door.list_ids(name, after=pages[-1] if pages else None, limit=limit):
                assert len(page) <= limit
                pages += page
            assert pages == whole
        door.delete(name, whole[0])
        door.put(name, IDS[name]["x"][0], laid.state(name, 1))
        assert {*door.list_ids(name)} == {*whole[1:], IDS[name]["x"][0]}
        assert door.count(name) == len(whole)


@every_home
def test_handles(world: World, make_door: MakeDoor, home: Home) -> None:
    there = world.lay(home)
    with make_door(world.url, NEW) as door:
        for one in [*there, *IDS[CRATE]["x"], "new"]:
            handle = door.handle(CRATE, one)
            assert bool(handle.get()) is (one in there)
            handle.put(Crate(1))
            stale = door.handle(CRATE, one)
            stale.get()
            etag = handle.put(Crate(2))
            refused("stale", etag, stale.put, Crate(3))
            assert door.get(CRATE, one)[:3] == (Crate(2), etag, 3 if one in there else 2)
            handle.delete()
            assert door.get(CRATE, one) is NOT_PRESENT
    assert world.where() == {}


@every_home
@pytest.mark.parametrize("kind", MAKES)
def test_transactions(world: World, kind: str, home: Home) -> None:
    there, before = world.lay(home), world.where()
    gone = next(iter(there))
    for is_undone in (True, False):
        with suppress(Rollback), Blocks(kind, world.url, NEW, timeout=5.0).open() as block:
            tx, puts = block.tx, []
            tx.lock([(CRATE, one) for one in [*there, "new"]])
            for one, (n, etag) in there.items():
                assert tx.get(CRATE, one).state == Crate(n)
                refused("stale", etag, tx.put, CRATE, one, Crate(9), expect=uuid4())
                refused("exists", etag, tx.put, CRATE, one, Crate(9), expect=ABSENT)
                etag = tx.put(CRATE, one, Crate(n + 1), expect=etag)
                puts.append(Put(CRATE, one, Crate(6), etag))
            tx.put(CRATE, "new", Crate(5), expect=ABSENT)
            with pytest.raises(BatchConflict):
                tx.put_many([*puts, Put(CRATE, "new", Crate(6), ABSENT)])
            tx.put_many([*puts, Put(CRATE, "new2", Crate(6), ABSENT)])
            tx.delete(CRATE, gone)
            if is_undone:
                raise Rollback
        assert not is_undone or world.where() == before
    made = dict.fromkeys(["new", "new2"], new_rows(home))
    assert world.where() == {one: at for one, at in before.items() if one != gone} | made
    with SQLStorage(world.url, NEW) as storage:
        found: Any = storage.get_many([(CRATE, one) for one in world.where()])
        assert sorted(one.state.n for one in found) == [5] + [6] * len(there)


def in_turn(door: Any, put: Put) -> None:
    door.put_many([put]).raise_errors()


@every_home
def test_old_code_loses_nothing(world: World, make_door: MakeDoor, home: Home) -> None:
    there, before = world.lay(home), world.where()
    is_served = home not in (Home.TABLE, Home.PREPARING_DEMOTE)
    with make_door(world.url, OLD) as old, make_door(world.url, NEW) as new:
        for one, (n, etag) in there.items():
            puts = [plain(50 + k) for k in range(4)]
            calls: list[Callable[[], Any]] = [
                partial(old.get, CRATE, one),
                partial(old.put, CRATE, one, puts[0], expect=etag),
                partial(old.put, CRATE, one, puts[1]),
                partial(old.put_many, [(CRATE, one, puts[2])], atomic=True),
                partial(in_turn, old, Put(CRATE, one, puts[3])),
                partial(old.delete, CRATE, one),
            ]
            if before[one] == "generic" and is_served:
                assert calls[0]().state == plain(n)
                for call in calls[1:-1]:
                    call()
                assert new.get(CRATE, one).state == Crate(53)
                assert old.get(CRATE, one).version == 5
                continue
            for call in calls:
                with pytest.raises(ActorMoved, match="nothing was written"):
                    call()
            assert new.get(CRATE, one)[:3] == (Crate(n), etag, 1)
    assert world.where() == before


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each statement had; nobody reads the routes for their age."""
    ran: list[int] = []
    monkeypatch.setattr(homes, "LIFETIME", 600.0)
    for session in (PostgreSQLSession, SQLiteSession):
        real: Any = session.run

        def run(self: Any, statement: Any, rows: Any, real: Any = real) -> Any:
            ran.append(len(rows))
            return real(self, statement, rows)

        monkeypatch.setattr(session, "run", run)
    return ran


STEADY = [("old", Home.GENERIC), ("new", Home.GENERIC), ("new", Home.TABLE)]


@pytest.mark.parametrize(("code", "home"), STEADY)
def test_a_steady_home_costs_no_statement_more(
    world: World, make_door: MakeDoor, ran: list[int], code: str, home: Home
) -> None:
    world.lay(home)
    actors, make = (OLD, plain) if code == "old" else (NEW, Crate)
    with make_door(world.url, actors) as door:
        etag = door.put(CRATE, "warm", make(0))
        ran.clear()
        for n in range(200):
            etag = door.put(CRATE, "warm", make(n), expect=etag)
            assert door.get(CRATE, "warm").etag == etag
        assert ran == [1] * 400


def test_each_claims_for_its_own_kind(world: World, make_door: MakeDoor) -> None:
    world.wipe()
    with make_door(world.url, OLD) as old:
        assert (old.get(CRATE, "a"), old.count(CRATE), old.list_ids(CRATE)) == (NOT_PRESENT, 0, [])
        assert world.routes() == {}  # reads of the generic table alone
        old.put(CRATE, "a", plain(1))
        assert world.routes() == {CRATE: "generic"}
    with world.engine.begin() as connection:  # as before there were routes
        connection.execute(sa.delete(NEW.routes))
    with make_door(world.url, NEW) as new:
        assert new.get(CRATE, "a").state == Crate(1)
        new.put(CRATE, "b", Crate(2))
    assert world.routes() == {CRATE: "generic"}
    assert world.where() == {"a": "generic", "b": "generic"}


@pytest.mark.parametrize("first", ["new", "old"])
def test_a_claim_that_is_rolled_back_leaves_nothing(world: World, first: str) -> None:
    world.wipe()
    sides: list[tuple[Any, Any]] = [(NEW, Crate(1)), (OLD, plain(2))]
    (undone, given), (kept, other) = sides if first == "new" else sides[::-1]
    with SQLStorage(world.url, undone) as one, SQLStorage(world.url, kept) as two:
        with world.engine.connect() as connection:
            with one.in_transaction(connection) as tx:
                tx.put(CRATE, "undone", given)
            connection.rollback()
        assert world.routes() == {}
        two.put(CRATE, "kept", other)
        home = world.routes()[CRATE]
        if first == "new":
            one.put(CRATE, "mine", given)
        else:
            with pytest.raises(ActorMoved):
                one.put(CRATE, "mine", given)
    assert set(world.where().values()) == {home}


@pytest.mark.parametrize("turn", range(3))
def test_eight_storages_race_for_the_first_write(
    world: World, make_door: MakeDoor, turn: int
) -> None:
    world.wipe()
    with ExitStack() as stack:
        doors = [
            stack.enter_context(make_door(world.url, NEW if n % 2 else OLD, timeout=30.0))
            for n in range(8)
        ]
        calls = [
            Call(door, "put", CRATE, f"{k}-{n}", Crate(n) if n % 2 else plain(n), expect=ABSENT)
            for k in range(3)
            for n, door in enumerate(doors)
        ]
        results = doors[0].together(calls)
        home = world.routes()[CRATE]
        for call, result in zip(calls, results, strict=True):
            if isinstance(result, Exception):
                assert isinstance(result, ActorMoved) and call.target in doors[::2]
                assert home == "table"
            else:
                assert doors[1].get(CRATE, call.args[1]).etag == result
    kept = [result for result in results if not isinstance(result, Exception)]
    assert list(world.where().values()) == [home] * len(kept)
    assert len(kept) == (24 if home == "generic" else 12)


STALE = [(Home.GENERIC, Home.PROMOTING), (Home.GENERIC, Home.TABLE), (Home.TABLE, Home.DEMOTING)]


@pytest.mark.parametrize(("believed", "home"), STALE)
def test_who_believes_in_a_former_home_is_sent_to_the_right_one(
    world: World, make_door: MakeDoor, believed: Home, home: Home
) -> None:
    there = world.lay(home)
    batch = [Put(CRATE, "n2", Crate(1), ABSENT), Put(CRATE, "n3", Crate(1))]
    etags: list[Etag] = []
    with make_door(world.url, NEW) as door:
        puts: list[Callable[[], list[Etag]]] = [
            lambda: [door.put(CRATE, "n1", Crate(1), expect=ABSENT)],
            lambda: door.put_many(batch, atomic=True),
            lambda: door.put_many([(CRATE, "n4", Crate(1)), (CRATE, "n5", Crate(1))]),
            lambda: [door.handle(CRATE, "n6").put(Crate(1))],
        ]
        for put in puts:
            believe(door, CRATE, believed)
            etags += put()
        found = door.get_many([(CRATE, f"n{n}") for n in range(1, 7)])
        assert [one.etag for one in found] == etags
    where = world.where()
    assert {where[f"n{n}"] for n in range(1, 7)} == {new_rows(home)}
    assert {*there} <= {*where}


@pytest.mark.parametrize("home", [Home.PROMOTING, Home.TABLE])
def test_old_code_that_believes_it_is_at_home_is_refused(
    world: World, make_door: MakeDoor, home: Home
) -> None:
    world.lay(home)
    before = world.where()
    with make_door(world.url, OLD) as old:
        late = Put(CRATE, "late", plain(1))
        calls: list[Callable[[], Any]] = [
            partial(old.put, *late[:3], expect=ABSENT),
            partial(old.put, *late[:3]),
            partial(old.put_many, [late], atomic=True),
            partial(in_turn, old, late),
            partial(old.get, CRATE, "m1"),
            partial(old.delete, CRATE, "m1"),
        ]
        for call in calls:
            believe(old, CRATE, Home.GENERIC)
            with pytest.raises(ActorMoved, match="nothing was written"):
                call()
    assert world.where() == before


def test_old_code_is_kept_out_when_a_promote_takes_up_a_demote(
    world: World, make_door: MakeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, before = world.lay(Home.DEMOTING), world.where()

    def stopped(self: Promotion) -> None:
        raise Rollback

    with world.engine.connect() as connection:
        promotion = Promotion(connection, NEW, NEW.match(CRATE))
        with monkeypatch.context() as patch, suppress(Rollback):
            patch.setattr(Promotion, "wait", stopped)
            promotion.promote()
        assert world.routes()[CRATE].startswith("preparing")
        with make_door(world.url, OLD) as old:
            for call in (
                partial(old.get, CRATE, "t1"),
                partial(old.put, CRATE, "t1", plain(9), expect=ABSENT),
                partial(old.put, CRATE, "t1", plain(9)),
            ):
                with pytest.raises(ActorMoved, match="nothing was written"):
                    call()
        assert world.where() == before
        monkeypatch.setattr(homes, "LIFETIME", 0.05)
        assert promotion.promote() == []
    assert world.where() == dict.fromkeys(there, "table")
