"""A renamed type: rows under its former name are read, written and deleted where they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool

from tests.contract.doors import Call, Door, MakeDoor
from theater_sql import (
    ABSENT,
    GENERIC,
    NOT_PRESENT,
    ActorRegistry,
    ActorRow,
    Conflict,
)


@dataclass
class Visits:
    n: int = 0


OLD, NEW, TYPED = ActorRegistry(), ActorRegistry(), ActorRegistry()
OLD.register("old.Session", state=Visits, table=GENERIC)
NEW.register("Session", state=Visits, table=GENERIC, aliases=("older.Session", "old.Session"))
TYPED.register("Visitor", state=Visits, aliases=("old.Visitor",))


Rows = Callable[[], list[str]]


@pytest.fixture
def doors(
    make_door: MakeDoor, shared_url: str, shared_engine: sa.Engine
) -> Iterator[tuple[Door, Door]]:
    """A storage that knows the type by its former name only, and one that knows both."""
    with make_door(shared_url, OLD) as old, make_door(shared_url, NEW) as new:
        yield old, new


@pytest.fixture
def names(shared_engine: sa.Engine, actor_id: str) -> Rows:
    """Return the type names of the actor's generic rows."""

    def read() -> list[str]:
        with shared_engine.connect() as connection:
            query = sa.text("SELECT actor_type FROM theater_actor WHERE actor_id = :id")
            return list(connection.execute(query, {"id": f"s:{actor_id}"}).scalars())

    return read


def test_row_under_a_former_name_is_read(doors: tuple[Door, Door], actor_id: str) -> None:
    old, new = doors
    etag = old.put("old.Session", actor_id, Visits(1))
    assert new.get("Session", actor_id)[:3] == (Visits(1), etag, 1)
    assert new.get("old.Session", actor_id)[:3] == (Visits(1), etag, 1)  # the name is known as well
    assert new.get("Session", f"{actor_id}-other") is NOT_PRESENT


def test_swap_and_overwrite_of_a_row_under_a_former_name(
    doors: tuple[Door, Door], names: Rows, actor_id: str
) -> None:
    old, new = doors
    etag = old.put("old.Session", actor_id, Visits(1))
    etag = new.put("Session", actor_id, Visits(2), expect=etag)
    assert old.get("old.Session", actor_id)[:3] == (Visits(2), etag, 2)
    new.put("Session", actor_id, Visits(3))
    assert old.get("old.Session", actor_id).version == 3
    assert names() == ["old.Session"]


def test_create_conflicts_with_a_row_under_a_former_name(
    doors: tuple[Door, Door], names: Rows, actor_id: str
) -> None:
    old, new = doors
    etag = old.put("old.Session", actor_id, Visits(1))
    with pytest.raises(Conflict) as caught:
        new.put("Session", actor_id, Visits(2), expect=ABSENT)
    assert (caught.value.kind, caught.value.actual) == ("exists", etag)
    assert names() == ["old.Session"]


def test_stale_swap_of_a_row_under_a_former_name(doors: tuple[Door, Door], actor_id: str) -> None:
    old, new = doors
    first = old.put("old.Session", actor_id, Visits(1))
    second = old.put("old.Session", actor_id, Visits(2))
    for call in (
        Call(new, "put", "Session", actor_id, Visits(3), expect=first),
        Call(new, "delete", "Session", actor_id, expect=first),
    ):
        (error,) = new.together([call])
        assert isinstance(error, Conflict)
        assert (error.kind, error.actual) == ("stale", second)


@pytest.mark.parametrize("expected", [True, False])
def test_delete_of_a_row_under_a_former_name(
    doors: tuple[Door, Door], names: Rows, actor_id: str, expected: bool
) -> None:
    old, new = doors
    etag = old.put("old.Session", actor_id, Visits(1))
    options: dict[str, Any] = {"expect": etag} if expected else {}
    new.delete("Session", actor_id, **options)
    assert old.get("old.Session", actor_id) is NOT_PRESENT
    assert names() == []
    new.put("Session", actor_id, Visits(5), expect=ABSENT)
    assert names() == ["Session"]


def test_new_actors_get_the_new_name(doors: tuple[Door, Door], names: Rows, actor_id: str) -> None:
    _, new = doors
    new.put("old.Session", actor_id, Visits(1))
    assert names() == ["Session"]


def test_handle_on_a_row_under_a_former_name(
    doors: tuple[Door, Door], names: Rows, actor_id: str
) -> None:
    old, new = doors
    old.put("old.Session", actor_id, Visits(1))
    handle = new.handle("Session", actor_id)
    handle.put(Visits(2))
    handle.delete()
    handle.put(Visits(3))
    assert names() == ["Session"]


def test_racing_creators_under_a_former_name_make_one_actor(
    doors: tuple[Door, Door], actor_id: str
) -> None:
    _, new = doors
    calls = [
        Call(new, "put", name, actor_id, Visits(n), expect=ABSENT)
        for n in range(4)
        for name in ("Session", "old.Session")
    ]
    results = new.together(calls)
    assert len([r for r in results if not isinstance(r, BaseException)]) == 1


def test_alias_of_a_type_with_a_table_of_its_own(make_door: MakeDoor, url: str) -> None:
    with make_door(url, TYPED) as door:
        door.create_all()
        etag = door.put("old.Visitor", "a", Visits(1))
        assert door.get("Visitor", "a").etag == etag
        with pytest.raises(Conflict):
            door.put("Visitor", "a", Visits(2), expect=ABSENT)
        door.delete("old.Visitor", "a", expect=etag)
        assert door.get("Visitor", "a") is NOT_PRESENT


class Base(DeclarativeBase):
    pass


class EventRow(ActorRow, Base):
    __tablename__ = "event"
    actor_type: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]


def test_alias_of_a_model_whose_key_is_called_actor_type(make_door: MakeDoor, url: str) -> None:
    actors = ActorRegistry(Base.metadata if "theater_actor" not in Base.metadata.tables else None)
    actors.register("Event", model=EventRow, state=Visits, aliases=("old.Event",))
    with make_door(url, actors) as door:
        engine = sa.create_engine(url, poolclass=NullPool)
        Base.metadata.create_all(engine)
        door.put("Event", ("old.Event", 1), Visits(1))
        assert door.get("Event", ("mine", 1)) is NOT_PRESENT
        door.put("Event", ("mine", 1), Visits(2), expect=ABSENT)
        assert door.get("Event", ("old.Event", 1)).state == Visits(1)
