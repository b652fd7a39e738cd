"""Where the rows of a type live, in every stage between two tables, for old code and new."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.contract.doors import Call, Door, MakeDoor
from theater_sql import (
    ABSENT,
    NOT_PRESENT,
    ActorMoved,
    ActorRegistry,
    AsyncSQLStorage,
    BatchConflict,
    Conflict,
    CorruptState,
    Etag,
    Put,
    SQLStorage,
)
from theater_sql.backends.postgresql_sessions import PostgreSQLSession
from theater_sql.backends.sqlite_sessions import SQLiteSession
from theater_sql.homes import Home, marker
from theater_sql.migrations.stages import Stages
from theater_sql.routes import Route, View

TYPE = "homes.Parcel"
SEVEN = UUID(int=7)


@dataclass
class Parcel:
    n: int = 0
    at: datetime = datetime(2026, 1, 2, tzinfo=UTC)
    price: Decimal = Decimal("1.50")
    id: UUID = SEVEN
    raw: bytes = b"\0\xff"
    lines: list[dict[str, int]] = field(default_factory=lambda: [{"a": 1}])


OLD, NEW = ActorRegistry(), ActorRegistry()
NEW.register(TYPE, state=Parcel, table="parcel")
PLAIN = {one.name: getattr(Parcel(), one.name) for one in dataclasses.fields(Parcel)}
MOVING = [home for home in Home if not home.is_steady and home is not Home.RENAMED]


class Stage:
    """A type in one of its homes: actor ``left`` is in the generic table, ``moved`` in its own."""

    def __init__(self, url: str, old: Door, new: Door) -> None:
        self.url, self.old, self.new = url, old, new

    def enter(self, home: Home) -> None:
        engine = sa.create_engine(self.url, poolclass=NullPool)
        own, generic = NEW.match(TYPE).layout, NEW.generic
        with engine.begin() as connection:
            stages = Stages(connection, NEW)
            stages.enter(TYPE, home, stages.home(TYPE))
            if home.creates_in_table:
                stages.fence([TYPE], generic, own)
            else:  # which no stage comes to with markers left
                stages.fence([TYPE], own, generic)
                is_marker = generic.table.c.state.is_(None)
                connection.execute(sa.delete(generic.table).where(is_marker))
        for door in (self.old, self.new):
            door.raw._core.router.routes.forget()

    def rows(self) -> tuple[list[str], list[str]]:
        """Return the ids in the generic table, markers left out, and those in the own one."""
        engine = sa.create_engine(self.url, poolclass=NullPool)
        generic, own = NEW.generic.table, NEW.match(TYPE).layout.table
        with engine.connect() as connection:
            there = sa.select(generic.c.actor_id).where(generic.c.state.is_not(None))
            left = [text.removeprefix("s:") for text in connection.scalars(there)]
            return sorted(left), sorted(connection.scalars(sa.select(own.c.actor_id)))


@pytest.fixture
def stage(url: str, make_door: MakeDoor) -> Iterator[Stage]:
    with make_door(url, OLD) as old, make_door(url, NEW) as new:
        new.create_all()
        stage = Stage(url, old, new)
        old.put(TYPE, "left", PLAIN)
        stage.enter(Home.TABLE)
        new.put(TYPE, "moved", Parcel(5))
        mark(url, "moved")
        yield stage


def mark(url: str, actor_id: str) -> None:
    """Leave behind what a row does that moves to its own table."""
    generic = NEW.generic.table
    row = {"actor_type": TYPE, "actor_id": f"s:{actor_id}", "version": 2, "schema_version": 0}
    row |= {"etag": marker(), "created_at": datetime.now(UTC), "updated_at": datetime.now(UTC)}
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        Stages(connection, NEW).fence([TYPE], NEW.match(TYPE).layout, NEW.generic)
        connection.execute(sa.insert(generic).values(row))
        Stages(connection, NEW).fence([TYPE], NEW.generic, NEW.match(TYPE).layout)


@pytest.mark.parametrize("home", MOVING)
def test_new_code_reads_and_writes_each_row_where_it_is(stage: Stage, home: Home) -> None:
    stage.enter(home)
    new = stage.new
    for name, n in (("left", 0), ("moved", 5)):
        found = new.get(TYPE, name)
        assert found.state == Parcel(n)
        etag = new.put(TYPE, name, Parcel(n + 1), expect=found.etag)
        for stale in (found.etag, Etag(uuid4()), ABSENT):
            with pytest.raises(Conflict) as caught:
                new.put(TYPE, name, Parcel(9), expect=stale)
            assert caught.value.actual == etag
        new.put(TYPE, name, Parcel(n + 2))
        assert (new.get(TYPE, name).state, new.get(TYPE, name).version) == (Parcel(n + 2), 3)
    assert stage.rows() == (["left"], ["moved"])
    found = new.get_many([(TYPE, "left"), (TYPE, "moved"), (TYPE, "none")]).raise_errors()
    assert [one and one.state.n for one in found] == [2, 7, NOT_PRESENT]
    assert new.list_ids(TYPE) == ["left", "moved"]
    assert [new.list_ids(TYPE, limit=1), new.list_ids(TYPE, after="left")] == [["left"], ["moved"]]
    assert new.count(TYPE) == 2


@pytest.mark.parametrize("home", MOVING)
def test_new_code_creates_and_deletes(stage: Stage, home: Home) -> None:
    stage.enter(home)
    new = stage.new
    new.put(TYPE, "a", Parcel(), expect=ABSENT)
    new.put(TYPE, "b", Parcel())
    new.put_many([(TYPE, "c", Parcel()), (TYPE, "left", Parcel(1))], atomic=True)
    there = sorted([*"abc", "moved"]) if home.creates_in_table else ["moved"]
    assert stage.rows()[1] == there
    assert sorted([*stage.rows()[0], *stage.rows()[1]]) == ["a", "b", "c", "left", "moved"]
    batch = [Put(TYPE, one, Parcel(), ABSENT) for one in ("left", "d", "moved")]
    with pytest.raises(BatchConflict) as caught:
        new.put_many(batch, atomic=True)
    assert [one.actor_id for one in caught.value.conflicts] == ["left", "moved"]
    for name in ("a", "left", "moved"):
        with pytest.raises(Conflict):
            new.delete(TYPE, name, expect=Etag(uuid4()))
        new.delete(TYPE, name, expect=new.get(TYPE, name).etag)
        assert new.get(TYPE, name) is NOT_PRESENT
    new.delete_many([(TYPE, "b"), (TYPE, "c"), (TYPE, "moved")]).raise_errors()
    assert (stage.rows(), new.count(TYPE)) == (([], []), 0)


@pytest.mark.parametrize("home", [*MOVING, Home.TABLE, Home.RENAMED])
def test_old_code_is_served_or_refused_by_name(stage: Stage, home: Home) -> None:
    stage.enter(home)
    old, before = stage.old, stage.rows()
    if home in (Home.TABLE, Home.RENAMED, Home.PREPARING_DEMOTE):
        calls: list[Callable[[], Any]] = [lambda: old.get(TYPE, "left")]
    else:
        assert old.get(TYPE, "left").state == PLAIN
        etag = old.get(TYPE, "left").etag
        old.put(TYPE, "left", PLAIN | {"n": 3}, expect=etag)
        assert stage.new.get(TYPE, "left").state == Parcel(3)
        calls = []
    if home is not Home.PREPARING_PROMOTE:
        calls += [
            lambda: old.get(TYPE, "moved"),
            lambda: old.put(TYPE, "new", PLAIN, expect=ABSENT),
            lambda: old.put(TYPE, "moved", PLAIN),
            lambda: old.delete(TYPE, "moved"),
            lambda: old.count(TYPE),
            lambda: old.put_many([(TYPE, "new", PLAIN)], atomic=True),
        ]
    for call in calls:
        with pytest.raises(ActorMoved, match="nothing was written"):
            call()
    assert stage.rows() == before


def test_both_codes_read_what_the_other_wrote(url: str, make_door: MakeDoor) -> None:
    with make_door(url, OLD) as old, make_door(url, NEW) as new:
        new.create_all()
        etag = old.put(TYPE, "a", PLAIN)
        assert new.get(TYPE, "a").state == Parcel()
        new.put(TYPE, "a", Parcel(1), expect=etag)
        assert old.get(TYPE, "a").state == PLAIN | {"n": 1}
        old.put(TYPE, "short", {"n": 2})
        assert new.get(TYPE, "short").state == Parcel(2)
        old.put(TYPE, "more", PLAIN | {"note": "kept"})
        with pytest.raises(CorruptState, match=r"\$\.note") as caught:
            new.get(TYPE, "more")
        assert "kept" not in str(caught.value)


@pytest.mark.parametrize(("first", "home"), [("old", "generic"), ("new", "table")])
def test_who_writes_first_claims_the_home(
    url: str, make_door: MakeDoor, first: str, home: str
) -> None:
    with make_door(url, OLD) as old, make_door(url, NEW) as new:
        new.create_all()
        (old if first == "old" else new).put(TYPE, "a", PLAIN if first == "old" else Parcel())
        engine = sa.create_engine(url, poolclass=NullPool)
        with engine.connect() as connection:
            assert connection.execute(sa.select(NEW.routes.c.home)).scalars().all() == [home]
        assert new.get(TYPE, "a").state == Parcel()


def test_racing_first_writers_end_in_one_home(url: str, make_door: MakeDoor) -> None:
    with make_door(url, OLD) as old, make_door(url, NEW) as new:
        new.create_all()
        calls = [Call(old, "put", TYPE, f"o{n}", PLAIN) for n in range(4)]
        calls += [Call(new, "put", TYPE, f"n{n}", Parcel()) for n in range(4)]
        results = [*old.together(calls[:4]), *new.together(calls[4:])]
        won = [result for result in results if not isinstance(result, Exception)]
        assert all(isinstance(one, ActorMoved) for one in results if isinstance(one, Exception))
        assert new.count(TYPE) == len(won)


def test_a_claim_that_is_rolled_back_is_not_believed(url: str) -> None:
    engine = sa.create_engine(url, poolclass=NullPool)
    with SQLStorage(url, OLD) as old, SQLStorage(url, NEW) as new:
        new.create_all()
        with engine.connect() as connection:
            with new.in_transaction(connection) as tx:
                tx.put(TYPE, "undone", Parcel())
            connection.rollback()
        etag = old.put(TYPE, "a", PLAIN)
        new.put(TYPE, "a", Parcel(1), expect=etag)
        assert new.count(TYPE) == 1


@pytest.mark.parametrize("home", [Home.PROMOTING, Home.DEMOTING])
def test_a_transaction_finds_each_row_as_well(url: str, stage: Stage, home: Home) -> None:
    stage.enter(home)
    engine = sa.create_engine(url, poolclass=NullPool)
    with (
        SQLStorage(url, NEW) as storage,
        engine.begin() as connection,
        storage.in_transaction(connection) as tx,
    ):
        tx.lock([(TYPE, "left"), (TYPE, "moved"), (TYPE, "none")])
        for name, n in (("left", 0), ("moved", 5)):
            found: Any = tx.get(TYPE, name)
            assert found.state == Parcel(n)
            tx.put(TYPE, name, Parcel(n + 1), expect=found.etag)
        tx.put_many([(TYPE, "left", Parcel(8)), (TYPE, "new", Parcel(8))])
        tx.delete(TYPE, "moved")
    left, own = stage.rows()
    assert sorted([*left, *own]) == ["left", "new"]


def test_the_fence_refuses_who_knows_nothing_of_a_move(stage: Stage) -> None:
    for door in (stage.old, stage.new):  # both saw the generic home, and are frozen for long
        with believing(door, Home.GENERIC):
            stage.enter(Home.PROMOTING)
            freeze(door, Home.GENERIC)
            if door is stage.old:
                with pytest.raises(ActorMoved):
                    door.put(TYPE, "late", PLAIN, expect=ABSENT)
                with pytest.raises(ActorMoved):
                    door.get(TYPE, "moved")
            else:
                door.put(TYPE, "late", Parcel(), expect=ABSENT)
                assert door.get(TYPE, "moved").state == Parcel(5)
    assert stage.rows() == (["left"], ["late", "moved"])


@contextmanager
def believing(door: Door, home: Home) -> Iterator[None]:
    freeze(door, home)
    yield
    door.raw._core.router.routes.forget()


def freeze(door: Door, home: Home) -> None:
    """Have a storage believe a home for long, as a process does that was stopped meanwhile."""
    door.raw._core.router.routes._views = {TYPE: View(Route(home, 1), float("inf"))}


def test_a_steady_home_costs_no_statement_more(
    url: str, make_door: MakeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    for session in (PostgreSQLSession, SQLiteSession):
        real: Any = session.run

        def run(self: Any, statement: Any, rows: Any, real: Any = real) -> Any:
            ran.append(len(rows))
            return real(self, statement, rows)

        monkeypatch.setattr(session, "run", run)
    with make_door(url, NEW) as door:
        door.create_all()
        etag = door.put(TYPE, "a", Parcel())
        ran.clear()
        for n in range(100):
            etag = door.put(TYPE, "a", Parcel(n), expect=etag)
            assert door.get(TYPE, "a").etag == etag
        assert ran == [1] * 200


def test_calls_at_once_stay_in_order_when_the_routes_are_old(url: str) -> None:
    etags = [Etag(uuid4()) for _ in range(100)]

    async def run() -> list[Etag]:
        async with AsyncSQLStorage(url, NEW) as storage:
            await storage.create_all()
            first = await storage.put(TYPE, "a", Parcel())
            routes = storage._core.router.routes
            routes._views = {name: View(view.route, 0.0) for name, view in routes._views.items()}
            puts = [
                storage.put(TYPE, "a", Parcel(n), expect=expect, etag=etag)
                for n, (expect, etag) in enumerate(zip([first, *etags], etags, strict=False))
            ]
            return await asyncio.gather(*[asyncio.create_task(put) for put in puts])

    assert asyncio.run(run()) == etags
