"""Bytes in batches, and edges where one row's answer could pass for another's."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INET, INT4RANGE, Range
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool

from tests.contract.doors import Call, MakeDoor
from theater_sql import ABSENT, ActorRegistry, ActorRow, Conflict, InvalidState


@dataclass
class Blob:
    data: bytes = b""


class Sparse(msgspec.Struct):
    x: int | msgspec.UnsetType
    y: int | msgspec.UnsetType = 5
    z: int | msgspec.UnsetType = msgspec.UNSET


class Base(DeclarativeBase):
    pass


class NetRow(ActorRow, Base):
    __tablename__ = "net"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    span: Mapped[Any] = mapped_column(INT4RANGE)
    host: Mapped[Any] = mapped_column(INET)


@dataclass
class Net:
    span: Any
    host: Any


def test_a_field_that_may_be_anything_gives_back_its_columns_own_values(
    make_door: MakeDoor, pg_url: str
) -> None:
    actors = ActorRegistry(Base.metadata)
    nets = actors.register("Net", model=NetRow, state=Net)
    with make_door(pg_url, actors) as door:
        door.create_all()
        state = Net(Range(1, 5), IPv4Address("10.0.0.1"))
        door.put(nets, "a", state)
        assert door.get(nets, "a").state == state


def test_bytes_ids_in_one_batch(make_door: MakeDoor, url: str) -> None:
    actors = ActorRegistry()
    blobs = actors.register("Blob", state=Blob, id_type=bytes)
    with make_door(url, actors) as door:
        door.create_all()
        ids = [bytes([n, 255 - n, 0]) for n in range(64)]
        calls = [Call(door, "put", blobs, i, Blob(i), expect=ABSENT) for i in (*ids, *ids)]
        answers = door.together(calls)
        assert (
            sorted(getattr(a, "kind", "etag") for a in answers) == ["etag"] * 64 + ["exists"] * 64
        )
        assert [door.get(blobs, i).state for i in ids] == [Blob(i) for i in ids]


def test_bytes_count_towards_a_flush(make_door: MakeDoor, url: str) -> None:
    actors = ActorRegistry()
    blobs = actors.register("Blob", state=Blob)
    with make_door(url, actors) as door:
        door.create_all()
        call = door.raw._core.call(blobs, "a", None)
        operation = next(call.put(Blob(b"x" * 100_000), ABSENT, None, overwrite_corrupt=False))
        assert operation.size >= 100_000


@pytest.mark.parametrize("field", ["x", "y"])
def test_what_is_not_set_and_would_not_come_back_is_invalid(
    make_door: MakeDoor, url: str, field: str
) -> None:
    actors = ActorRegistry()
    sparse = actors.register("Sparse", state=Sparse)
    with make_door(url, actors) as door:
        door.create_all()
        state = Sparse(x=1)
        setattr(state, field, msgspec.UNSET)
        with pytest.raises(InvalidState) as caught:
            door.put(sparse, "a", state)
        assert caught.value.path == f"$.{field}"
        assert not door.get(sparse, "a")
        door.put(sparse, "a", Sparse(x=1))
        assert door.get(sparse, "a").state == Sparse(x=1)


def test_an_inherited_row_does_not_answer_for_another(make_door: MakeDoor, pg_url: str) -> None:
    actors = ActorRegistry()
    blobs = actors.register("Blob", state=Blob)
    engine = sa.create_engine(pg_url, poolclass=NullPool)
    with make_door(pg_url, actors) as door:
        door.create_all()
        etags = [door.put(blobs, i, Blob(), expect=ABSENT) for i in ("a", "b")]
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE archive () INHERITS (blob)")
            connection.exec_driver_sql("INSERT INTO archive SELECT * FROM blob WHERE actor_id='a'")
        answers = door.together(
            [
                Call(door, "put", blobs, "a", Blob(b"1"), expect=etags[0]),
                Call(door, "put", blobs, "b", Blob(b"1"), expect=etags[0]),
            ]
        )
        assert isinstance(answers[1], Conflict), answers
        assert door.get(blobs, "b").state == Blob()


def test_an_engine_whose_connections_stay_in_their_thread(
    make_door: MakeDoor, tmp_path: Path
) -> None:
    def connect() -> Any:
        return sqlite3.connect(tmp_path / "theater.db")

    actors = ActorRegistry()
    blobs = actors.register("Blob", state=Blob)
    with make_door(
        sa.create_engine("sqlite://", creator=connect, poolclass=NullPool), actors
    ) as door:
        door.create_all()
        for n in range(3):
            door.put(blobs, "a", Blob(bytes([n])))
            assert door.get(blobs, "a").state == Blob(bytes([n]))
