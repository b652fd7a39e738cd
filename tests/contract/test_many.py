"""Many actors in one call: a result for each, or all or nothing; and lists of what there is."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.contract.doors import Call, Door, MakeDoor
from tests.contract.kinds import ACTORS, KINDS, GaugeState, Kind
from theater_sql import (
    ABSENT,
    GENERIC,
    NOT_PRESENT,
    OVERWRITE,
    ActorRegistry,
    ActorRow,
    BatchConflict,
    ConfigurationError,
    Conflict,
    ConstraintViolation,
    CorruptState,
    Delete,
    Etag,
    InvalidId,
    InvalidState,
    Put,
    StateTooNew,
    StorageClosed,
)


@pytest.fixture
def names(actor_id: str) -> list[tuple[Kind, str]]:
    """Actors of every kind, in no order of tables or keys."""
    return [(kind, f"{actor_id}-{n}") for n in (2, 0, 1) for kind in KINDS.values()]


def stored(door: Door, names: list[tuple[Kind, str]]) -> list[int | None]:
    found = door.get_many([(kind.actor_type, name) for kind, name in names])
    found.raise_errors()
    return [
        kind.number(one.state) if one else None for (kind, _), one in zip(names, found, strict=True)
    ]


def puts(names: list[tuple[Kind, str]], start: int = 0, **options: object) -> list[Put]:
    return [
        Put(kind.actor_type, name, kind.make(start + n), **options)  # type: ignore[arg-type]
        for n, (kind, name) in enumerate(names)
    ]


@pytest.mark.parametrize("atomic", [False, True])
def test_all_kinds_in_one_call(
    shared_door: Door, names: list[tuple[Kind, str]], atomic: bool
) -> None:
    assert stored(shared_door, names) == [None] * len(names)
    etags = shared_door.put_many(puts(names, expect=ABSENT), atomic=atomic)
    assert len(set(etags)) == len(names)
    assert stored(shared_door, names) == list(range(len(names)))
    again = [
        Put(kind.actor_type, name, kind.make(100 + n), expect=etag)
        for n, ((kind, name), etag) in enumerate(zip(names, etags, strict=True))
    ]
    newer = shared_door.put_many(again, atomic=atomic)
    assert not set(newer) & set(etags)
    found = shared_door.get_many([(kind.actor_type, name) for kind, name in names])
    assert [one.etag for one in found] == newer
    assert {one.version for one in found} == {2}
    shared_door.put_many(puts(names, 200), atomic=atomic)
    assert stored(shared_door, names) == list(range(200, 200 + len(names)))
    gone = shared_door.delete_many([(kind.actor_type, name) for kind, name in names])
    assert gone == [None] * len(names)
    assert stored(shared_door, names) == [None] * len(names)


def test_each_item_has_a_result_of_its_own(
    shared_door: Door, shared_engine: sa.Engine, kind: Kind, actor_id: str
) -> None:
    there = shared_door.put(kind.actor_type, f"{actor_id}-there", kind.make(1))
    kind_of = kind.actor_type
    shared_door.put(kind_of, f"{actor_id}-new", kind.make(1))
    kind.update(shared_engine, f"{actor_id}-new", schema_version=9)
    results = shared_door.put_many(
        [
            (kind_of, f"{actor_id}-a", kind.make(1)),
            (kind_of, f"{actor_id}-there", kind.make(2), ABSENT),
            (kind_of, f"{actor_id}-there", kind.make(3), Etag(uuid4())),
            (kind_of, f"{actor_id}-none", kind.make(4), Etag(uuid4())),
            (kind_of, "x" * 600, kind.make(5)),
            (kind_of, f"{actor_id}-b", object()),
            (kind_of, f"{actor_id}-new", kind.make(6)),
            Put(kind_of, f"{actor_id}-there", kind.make(7), expect=there),
        ]
    )
    kinds = [r.kind if isinstance(r, Conflict) else type(r) for r in results]
    assert kinds == [UUID, "exists", "stale", "gone", InvalidId, InvalidState, StateTooNew, UUID]
    assert results.errors == results[1:7]
    with pytest.raises(ExceptionGroup) as group:
        results.raise_errors()
    assert list(group.value.exceptions) == results.errors
    found = shared_door.get_many(
        [(kind_of, f"{actor_id}-there"), (kind_of, f"{actor_id}-new"), (kind_of, 5.5)]
    )
    assert kind.number(found[0].state) == 7
    assert [type(error) for error in found[1:]] == [StateTooNew, InvalidId]
    gone = shared_door.delete_many(
        [Delete(kind_of, f"{actor_id}-there", there), (kind_of, f"{actor_id}-there"), (kind_of, "")]
    )
    assert isinstance(gone[0], Conflict)
    assert gone[1:] == [None, None]
    with pytest.raises(Conflict):
        gone.raise_errors()


def test_an_item_that_is_none_is_refused_before_anything_is_sent(
    shared_door: Door, actor_id: str
) -> None:
    good = ("nobody.Knows", actor_id, 1)
    for bad in (("nobody.Knows",), "text", None, (1, 2, 3, 4, 5, 6)):
        for atomic in (False, True):
            with pytest.raises(ConfigurationError):
                shared_door.put_many([good, bad], atomic=atomic)
        with pytest.raises(ConfigurationError):
            shared_door.get_many([good[:2], bad])
    assert shared_door.get("nobody.Knows", actor_id) is NOT_PRESENT


# --- all or nothing -------------------------------------------------------------------------


def test_all_conflicts_are_told_together_and_nothing_is_written(
    shared_door: Door, names: list[tuple[Kind, str]]
) -> None:
    etags = shared_door.put_many(puts(names))
    batch = [
        Put(kind.actor_type, name, kind.make(50), expect=etag)
        for (kind, name), etag in zip(names, etags, strict=True)
    ]
    batch[3] = batch[3]._replace(expect=Etag(uuid4()))
    batch[7] = batch[7]._replace(expect=ABSENT)
    batch[8] = batch[8]._replace(expect=OVERWRITE)
    shared_door.delete(names[11][0].actor_type, names[11][1])
    with pytest.raises(BatchConflict) as caught:
        shared_door.put_many(batch, atomic=True)
    conflicts = sorted(caught.value.conflicts, key=lambda c: names.index(by_name(names, c)))
    assert [conflict.kind for conflict in conflicts] == ["stale", "exists", "gone"]
    assert [conflict.actual for conflict in conflicts] == [etags[3], etags[7], None]
    assert "nothing was written" in str(caught.value)
    expected = [n if n != 11 else None for n in range(len(names))]
    assert stored(shared_door, names) == expected


def by_name(names: list[tuple[Kind, str]], conflict: Conflict) -> tuple[Kind, str]:
    [found] = [
        (kind, name)
        for kind, name in names
        if (kind.actor_type, name) == (conflict.actor_type, conflict.actor_id)
    ]
    return found


def test_conflicts_are_in_the_order_of_the_batch(shared_door: Door, actor_id: str) -> None:
    ids = [f"{actor_id}-{n}" for n in (3, 1, 2)]
    with pytest.raises(BatchConflict) as caught:
        shared_door.put_many(
            [("shop.Cart", one, KINDS["derived"].make(1), uuid4()) for one in ids], atomic=True
        )
    assert [conflict.actor_id for conflict in caught.value.conflicts] == ids
    assert caught.value.actor_id == ids[0]


@pytest.mark.parametrize("wrong", ["state", "id", "new", "twice"])
def test_what_is_wrong_with_one_leaves_the_others_alone(
    shared_door: Door, shared_engine: sa.Engine, kind: Kind, actor_id: str, wrong: str
) -> None:
    bad = f"{actor_id}-bad"
    item = Put(kind.actor_type, bad, kind.make(2))
    error: type[Exception] = InvalidId
    if wrong == "state":
        item, error = item._replace(state=object()), InvalidState
    elif wrong == "id":
        item = item._replace(actor_id="x" * 600)
    elif wrong == "twice":
        item = item._replace(actor_id=f"{actor_id}-1")
    else:
        shared_door.put(kind.actor_type, bad, kind.make(1))
        kind.update(shared_engine, bad, schema_version=9)
        error = StateTooNew
    batch = [Put(kind.actor_type, f"{actor_id}-{n}", kind.make(n)) for n in range(3)]
    with pytest.raises(error):
        shared_door.put_many([*batch, item], atomic=True)
    assert stored(shared_door, [(kind, f"{actor_id}-{n}") for n in range(3)]) == [None] * 3


def test_racing_batches_are_all_or_nothing(shared_door: Door, actor_id: str) -> None:
    kind = KINDS["derived"]
    ids = [f"{actor_id}-{n}" for n in range(10)]

    def batch(writer: int) -> Call:
        rows = [(kind.actor_type, one, kind.make(writer), ABSENT) for one in ids]
        return Call(shared_door, "put_many", rows[writer % 3 :] + rows[: writer % 3], atomic=True)

    for _ in range(5):
        results = shared_door.together([batch(writer) for writer in range(8)])
        assert sum(isinstance(result, list) for result in results) == 1
        assert sum(isinstance(result, BatchConflict) for result in results) == 7
        [winner] = [n for n, result in enumerate(results) if isinstance(result, list)]
        assert set(stored(shared_door, [(kind, one) for one in ids])) == {winner}
        shared_door.delete_many([(kind.actor_type, one) for one in ids]).raise_errors()


def test_racing_overwrites_all_win_and_none_is_torn(shared_door: Door, actor_id: str) -> None:
    kind = KINDS["generic_typed"]
    ids = [f"{actor_id}-{n}" for n in range(5)]
    calls = [
        Call(
            shared_door,
            "put_many",
            [(kind.actor_type, one, kind.make(w)) for one in ids],
            atomic=True,
        )
        for w in range(6)
    ]
    for result in shared_door.together(calls):
        assert isinstance(result, list), result
    assert len(set(stored(shared_door, [(kind, one) for one in ids]))) == 1
    assert shared_door.get(kind.actor_type, ids[0]).version == 6


# --- constraints of the user's --------------------------------------------------------------


class Base(DeclarativeBase):
    pass


class SeatRow(ActorRow, Base):
    __tablename__ = "many_seat"
    __table_args__ = (
        sa.CheckConstraint("number < 1000", name="seat_number"),
        sa.UniqueConstraint("number", name="seat_once", deferrable=True, initially="DEFERRED"),
    )
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]
    code: Mapped[int] = mapped_column(unique=True)


SEATS = ActorRegistry(Base.metadata)
SEATS.register("Seat", model=SeatRow)


def seat(number: int) -> SeatRow:
    return SeatRow(number=number, code=number)


def test_a_constraint_names_the_row_that_violates_it(url: str, make_door: MakeDoor) -> None:
    with make_door(url, SEATS) as door:
        create_seats(url)
        door.put("Seat", "taken", seat(5))
        for wrong in (5, 2000):
            batch = [("Seat", f"s{n}", seat(n)) for n in range(10, 40)]
            batch.insert(17, ("Seat", "wrong", seat(wrong)))
            with pytest.raises(ConstraintViolation) as caught:
                door.put_many(batch, atomic=True)
            assert caught.value.actor_id == "wrong"
            assert door.count("Seat") == 1
            results = door.put_many(batch)
            assert [type(error) for error in results.errors] == [ConstraintViolation]
            assert door.count("Seat") == 31
            door.delete_many([item[:2] for item in batch])


def create_seats(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        deferred = "" if engine.dialect.name == "sqlite" else " DEFERRABLE INITIALLY DEFERRED"
        table = str(sa.schema.CreateTable(SeatRow.__table__).compile(engine))  # type: ignore[arg-type]
        connection.execute(sa.text(table.replace(" DEFERRABLE INITIALLY DEFERRED", deferred)))
        SEATS.routes.create(connection)
        SEATS.generic.table.create(connection)
    engine.dispose()


def test_a_conflict_comes_before_a_constraint(url: str, make_door: MakeDoor) -> None:
    # PostgreSQL finds the unique column taken before it finds the key.
    with make_door(url, SEATS) as door:
        create_seats(url)
        door.put("Seat", "a", seat(1))
        with pytest.raises(BatchConflict) as caught:
            door.put_many(
                [("Seat", "b", seat(2), ABSENT), ("Seat", "a", seat(1), ABSENT)], atomic=True
            )
        assert [conflict.actor_id for conflict in caught.value.conflicts] == ["a"]
        assert door.count("Seat") == 1


# --- many, and how many ---------------------------------------------------------------------


@pytest.mark.parametrize("atomic", [False, True])
def test_ten_thousand_in_one_call(url: str, make_door: MakeDoor, atomic: bool) -> None:
    kinds = [KINDS["derived"], KINDS["unregistered"]]
    names = [(kinds[n % 2], f"a{n:05}") for n in range(10_000)]
    with make_door(url, ACTORS, timeout=60.0) as door:
        door.create_all()
        etags = door.put_many(puts(names, expect=ABSENT), atomic=atomic)
        assert etags.errors == []
        assert stored(door, names) == list(range(10_000))
        door.put_many(
            [put._replace(expect=etag) for put, etag in zip(puts(names, 1), etags, strict=True)],
            atomic=atomic,
        ).raise_errors()
        assert stored(door, names) == list(range(1, 10_001))
        assert [door.count(kind.actor_type) for kind in kinds] == [5000, 5000]
        assert door.list_ids("shop.Cart", limit=10_000) == [name for _, name in names[::2]]
        door.delete_many([(k.actor_type, name) for k, name in names]).raise_errors()
        assert door.count("shop.Cart") == 0


IDS: dict[str, list[Any]] = {
    "text": ["", " ", "A", "B", "a", "b", "é", "\u65e5", "\U0001f3ad"],
    "number": [-(2**63), -5, 0, 9, 10, 2**63 - 1],
    "uuid": sorted(UUID(int=n * 0x1111_2222_3333_4444_5555) for n in range(9)),
    "bytes": [b"", b"\x00", b"\x00\x01", b"\xff"],
    "pair": [("a", 1), ("a", 2), ("b", -1), ("b", 10)],
}


def id_registry() -> ActorRegistry:
    actors = ActorRegistry()
    types: dict[str, Any] = {
        "text": str,
        "number": int,
        "uuid": UUID,
        "bytes": bytes,
        "pair": (str, int),
    }
    for name, id_type in types.items():
        actors.register(f"typed.{name}", state=GaugeState, table=f"by_{name}", id_type=id_type)
        actors.register(f"generic.{name}", state=GaugeState, table=GENERIC)
    return actors


def test_lists_go_on_after_an_id_of_any_kind(url: str, make_door: MakeDoor) -> None:
    with make_door(url, id_registry()) as door:
        door.create_all()
        for name, ids in IDS.items():
            for home in ("typed", "generic"):
                actor_type = f"{home}.{name}"
                assert door.list_ids(actor_type) == []
                door.put_many([(actor_type, one, GaugeState(1)) for one in ids]).raise_errors()
                whole = door.list_ids(actor_type)
                assert sorted(map(repr, whole)) == sorted(map(repr, ids))
                if home == "typed":
                    assert whole == ids
                for size in (1, 2, 3):
                    assert list(pages(door, actor_type, size)) == whole
                assert door.list_ids(actor_type, after=whole[-1]) == []
                assert door.list_ids(actor_type, after=whole[0], limit=1) == whole[1:2]
                assert door.count(actor_type) == len(ids)


def pages(door: Door, actor_type: str, size: int) -> Iterator[Any]:
    after = None
    while page := door.list_ids(actor_type, after=after, limit=size):
        assert len(page) <= size
        yield from page
        after = page[-1]


def test_lists_of_a_type_have_no_other_types_actors(shared_door: Door, actor_id: str) -> None:
    types = [f"{actor_id}.A", f"{actor_id}.AB", f"{actor_id}.a", f"{actor_id}."]
    for n, one in enumerate(types):
        shared_door.put_many([(one, m, m) for m in range(n + 1)]).raise_errors()
    assert [shared_door.count(one) for one in types] == [1, 2, 3, 4]
    assert [sorted(shared_door.list_ids(one)) for one in types] == [
        list(range(n + 1)) for n in range(4)
    ]


def test_rows_under_former_names_are_listed_and_counted(url: str, make_door: MakeDoor) -> None:
    old, new = ActorRegistry(), ActorRegistry()
    new.register("shop.Now", table=GENERIC, aliases=("shop.Then", "shop.Before"))
    with make_door(url, old) as before, make_door(url, new) as after:
        before.create_all()
        before.put_many([("shop.Then", f"t{n}", n) for n in range(5)]).raise_errors()
        before.put_many([("shop.Before", f"b{n}", n) for n in range(5)]).raise_errors()
        after.put_many([("shop.Now", f"n{n}", n) for n in range(5)]).raise_errors()
        wanted = [f"{letter}{n}" for letter in "bnt" for n in range(5)]
        assert after.list_ids("shop.Now") == wanted
        assert list(pages(after, "shop.Now", 4)) == wanted
        assert after.count("shop.Now") == 15
        # and are written where they stand, also by a batch that is all or nothing
        with pytest.raises(BatchConflict):
            after.put_many([("shop.Now", "x", 1), ("shop.Now", "t1", 1, ABSENT)], atomic=True)
        etag = after.get("shop.Now", "b1").etag
        after.put_many([("shop.Now", "t1", 7), ("shop.Now", "b1", 8, etag)], atomic=True)
        assert [before.get("shop.Then", "t1").state, before.get("shop.Before", "b1").state] == [
            7,
            8,
        ]
        assert after.count("shop.Now") == 15


def test_a_list_is_stable_while_rows_come_and_go(shared_door: Door, actor_id: str) -> None:
    actor_type = f"{actor_id}.Type"
    there = list(range(0, 400, 2))
    shared_door.put_many([(actor_type, n, n) for n in there]).raise_errors()
    stop = threading.Event()

    def churn() -> None:
        for n in itertools.cycle(range(1, 400, 2)):
            if stop.is_set():
                return
            shared_door.put(actor_type, n, n)
            shared_door.delete(actor_type, n)
            time.sleep(0.001)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(3):
            seen = list(pages(shared_door, actor_type, 17))
            assert len(seen) == len(set(seen))
            assert sorted(n for n in seen if n % 2 == 0) == there
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("limit", [0, -1, 1.5, "1", None, True])
def test_a_limit_that_is_none_is_refused(shared_door: Door, limit: object) -> None:
    with pytest.raises(ConfigurationError):
        shared_door.list_ids("shop.Cart", limit=limit)


def test_after_has_to_be_an_id_of_the_type(shared_door: Door) -> None:
    for wrong in (5, ("a", "b"), 1.5, "\0"):
        with pytest.raises(InvalidId):
            shared_door.list_ids("shop.Cart", after=wrong)


def test_an_id_written_by_hand_that_is_none_is_an_error(
    shared_door: Door, shared_engine: sa.Engine, actor_id: str
) -> None:
    kind, actor_type = KINDS["unregistered"], f"{actor_id}.Type"
    for n, text in enumerate(("no tag", "i:007", "i:x", "u:1", "t:s:a")):
        shared_door.put(actor_type, n, 1)
        with shared_engine.begin() as connection:
            where = (kind.table.c.actor_type == actor_type) & (kind.table.c.actor_id == f"i:{n}")
            connection.execute(sa.update(kind.table).where(where).values(actor_id=text))
        with pytest.raises(CorruptState, match="no actor id"):
            shared_door.list_ids(actor_type)
        with shared_engine.begin() as connection:
            connection.execute(sa.delete(kind.table).where(kind.table.c.actor_type == actor_type))


def test_a_closed_storage_refuses_many(url: str, make_door: MakeDoor) -> None:
    with make_door(url, ACTORS) as door:
        door.create_all()
        raw = door.raw
        door.put("shop.Cart", "a", KINDS["derived"].make(1))
        if asyncio.iscoroutinefunction(raw.close):
            door.get_many([])
            asyncio.run(raw.close())
        else:
            raw.close()
        results = door.get_many([("shop.Cart", "a"), ("shop.Cart", "b")])
        assert [type(error) for error in results] == [StorageClosed] * 2
        with pytest.raises(StorageClosed):
            door.put_many([("shop.Cart", "a", KINDS["derived"].make(2))], atomic=True)
        with pytest.raises(StorageClosed):
            door.count("shop.Cart")
