"""Batches that are all or nothing, where their rows could be taken for others."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool

from tests.contract.doors import Door, MakeDoor
from theater_sql import (
    ABSENT,
    GENERIC,
    NOT_PRESENT,
    ActorRegistry,
    ActorRow,
    BatchConflict,
    ConstraintViolation,
    Etag,
    NotPermitted,
    Put,
)

OLD, NEW = ActorRegistry(), ActorRegistry()
NEW.register("batch.Now", table=GENERIC, aliases=("batch.Then", "batch.Before"))


class Base(DeclarativeBase):
    pass


class SeatRow(ActorRow, Base):
    __tablename__ = "batch_seat"
    __table_args__ = (
        sa.UniqueConstraint("number", name="seat_once", deferrable=True, initially="DEFERRED"),
    )
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]


SEATS = ActorRegistry(Base.metadata)
SEATS.register("Seat", model=SeatRow)


@pytest.mark.parametrize("creates", [False, True])
def test_two_writes_with_one_etag_are_not_taken_for_each_other(
    shared_door: Door, actor_id: str, creates: bool
) -> None:
    kind, ids, own = "batch.Twin", [f"{actor_id}-{n}" for n in range(2)], Etag(uuid4())
    for one in ids:
        shared_door.put(kind, one, 1)
    shared_door.delete(kind, ids[1])
    etag = shared_door.get(kind, ids[0]).etag
    wrong = Put(kind, ids[0], 2, ABSENT if creates else Etag(uuid4()), own)
    with pytest.raises(BatchConflict):
        shared_door.put_many([wrong, Put(kind, ids[1], 2, ABSENT, own)], atomic=True)
    assert shared_door.get(kind, ids[0]).etag == etag
    assert shared_door.get(kind, ids[1]) is NOT_PRESENT


def test_a_batch_with_etags_of_its_own_may_be_repeated(shared_door: Door, actor_id: str) -> None:
    batch = [Put("batch.Own", f"{actor_id}-{n}", n, ABSENT, Etag(uuid4())) for n in range(3)]
    first = shared_door.put_many(batch, atomic=True)
    assert list(shared_door.put_many(batch, atomic=True)) == list(first)


def both_names(url: str, make_door: MakeDoor, names: tuple[str, ...]) -> tuple[Door, Door]:
    old, new = make_door(url, OLD), make_door(url, NEW)
    old.create_all()
    for name in names:
        old.put(name, "x", name)
    return old, new


@pytest.mark.parametrize(
    "names", [("batch.Now", "batch.Then"), ("batch.Then", "batch.Before"), ("batch.Before",)]
)
def test_a_batch_writes_the_row_that_get_gives(
    url: str, make_door: MakeDoor, names: tuple[str, ...]
) -> None:
    old, new = both_names(url, make_door, names)
    with old, new:
        assert new.get("batch.Now", "x").state == names[0]
        new.put_many([("batch.Now", "x", "by batch")], atomic=True)
        found = new.get("batch.Now", "x")
        assert found.state == "by batch"
        new.put_many([("batch.Now", "x", "again", found.etag)], atomic=True)
        assert new.get("batch.Now", "x").state == "again"
        assert new.list_ids("batch.Now") == ["x"]
        assert [old.get(name, "x").state for name in names[1:]] == list(names[1:])


def test_what_fails_at_the_commit_blames_no_actor(pg_url: str, make_door: MakeDoor) -> None:
    with make_door(pg_url, SEATS) as door:
        door.create_all()
        door.put("Seat", "taken", SeatRow(number=1))
        batch = [("Seat", "a", SeatRow(number=1)), ("Seat", "innocent", SeatRow(number=2))]
        with pytest.raises(ConstraintViolation, match="nothing was written") as caught:
            door.put_many(batch, atomic=True)
        assert (caught.value.actor_id, caught.value.constraint) == (None, "seat_once")
        with pytest.raises(ConstraintViolation) as caught:
            door.put_many(batch[:1], atomic=True)
        assert caught.value.actor_id == "a"
        assert door.count("Seat") == 1


def test_an_overwrite_that_nobody_may_make_is_refused_at_once(
    pg_url: str, make_door: MakeDoor
) -> None:
    with make_door(pg_url, OLD) as door:
        door.create_all()
        door.put("batch.Fixed", "a", 1)
        run(
            pg_url,
            "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "CREATE TRIGGER skip BEFORE UPDATE ON theater_actor "
            "FOR EACH ROW EXECUTE FUNCTION skip()",
        )
        begun = time.monotonic()
        with pytest.raises(NotPermitted):
            door.put_many([("batch.Fixed", "a", 2), ("batch.Fixed", "b", 2)], atomic=True)
        assert time.monotonic() - begun < 5  # the deadline is ten
        assert door.count("batch.Fixed") == 1


def run(url: str, *statements: str) -> None:
    engine: Any = sa.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
