"""Rows of every kind of type move there and back, by the operations of a revision."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.util import CommandError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool

from tests.migrations.project import scratch, write
from theater_sql import ABSENT, GENERIC, ActorMoved, ActorRegistry, ActorRow, SQLStorage, homes
from theater_sql.backends import engine_for
from theater_sql.homes import Home
from theater_sql.migrations import upgrade
from theater_sql.migrations.operations import PromoteActorOp, RenameActorTypeOp
from theater_sql.routes import Route, View

MANY = 450  # some pages


@dataclass
class State:
    n: int = 0


class Base(DeclarativeBase):
    metadata = sa.MetaData()


class SeatRow(ActorRow, Base):
    __tablename__ = "moves_seat"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(unique=True)
    note: Mapped[str | None] = mapped_column(default="from the model")


OLD, ACTORS = ActorRegistry(), ActorRegistry(Base.metadata)
ACTORS.register("Number", state=State, table="moves_number", id_type=int)
ACTORS.register("Pair", state=State, table="moves_pair", id_type=(str, int))
ACTORS.register("It's 100%", state=State, table="moves_odd", id_type=UUID)
ACTORS.register("Seat", model=SeatRow)
ACTORS.register("Named", state=State, table="moves_named", aliases=("Called",))
ACTORS.register("Other", table=GENERIC, aliases=("Former",))
TYPES = ["Number", "Pair", "It's 100%", "Seat", "Named"]
METADATA = ACTORS.metadata


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homes, "LIFETIME", 0.05)


@pytest.fixture
def home(url: str, tmp_path: Path) -> Path:
    """An environment; the generic table has actors of every type."""
    with SQLStorage(url, ACTORS) as storage:
        storage.create_all()
    with SQLStorage(url, OLD) as storage:
        puts: list[Any] = [("Number", n, {"n": n}) for n in range(MANY)]
        puts += [("Pair", (f"a,{n}", n), {"n": n}) for n in range(9)]
        puts += [("It's 100%", UUID(int=n), {"n": n}) for n in range(9)]
        puts += [("Seat", f"s{n}", {"n": n, "note": "mine"}) for n in range(9)]
        puts += [(name, f"{name}{n}", {"n": n}) for name in ("Named", "Called") for n in range(9)]
        storage.put_many(puts).raise_errors()
    imports = "from tests.migrations.test_moves import ACTORS, METADATA"
    home = scratch(tmp_path, options="{'actors': ACTORS}", imports=imports)
    lines = [f"op.promote_actor({name!r})" for name in TYPES]
    write(home, "0001", None, "\n".join(lines))
    write(home, "0002", "0001", "\n".join(line.replace("promote", "demote") for line in lines))
    return home


def in_tables(url: str) -> dict[str, int]:
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return {
            table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in METADATA.sorted_tables
            if table.name.startswith(("moves_", "theater_actor")) and table is not ACTORS.routes
        }


def test_all_kinds_there_and_back(url: str, home: Path) -> None:
    with SQLStorage(url, OLD) as old:
        before = old.get("Pair", ("a,3", 3))
    upgrade(url, home, "0001")
    own = {"number": MANY, "pair": 9, "odd": 9, "seat": 9, "named": 18}
    assert in_tables(url) == {f"moves_{name}": n for name, n in own.items()} | {"theater_actor": 0}
    with SQLStorage(url, ACTORS) as new:
        found: Any = new.get("Pair", ("a,3", 3))
        assert before
        assert (found.state, found.etag, found.version) == (State(3), before.etag, 1)
        assert found.updated_at == before.updated_at
        row: Any = new.get("Seat", "s3")
        seat = row.state
        assert (seat.actor_id, seat.n, seat.note) == ("s3", 3, "mine")
        assert [new.count(name) for name in TYPES] == [MANY, 9, 9, 9, 18]
        called: Any = new.get("Named", "Called3")
        new.put("Named", "Called3", State(30), expect=called.etag)
    upgrade(url, home, "0002")
    assert in_tables(url) == {f"moves_{name}": 0 for name in own} | {"theater_actor": MANY + 45}
    with SQLStorage(url, OLD) as old:
        assert old.get("Pair", ("a,3", 3)) == before
        called = old.get("Named", "Called3")
        assert (called.state, called.version) == ({"n": 30}, 2)
        assert (old.count("Named"), old.count("Called")) == (18, 0)


def test_what_a_constraint_or_an_id_refuses_stays(
    url: str, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with SQLStorage(url, OLD) as old:
        puts: list[Any] = [("Seat", f"t{n}", {"n": n % 3, "note": None}) for n in range(30)]
        puts += [("Number", "text", {"n": 1})]
        old.put_many(puts).raise_errors()
    upgrade(url, home, "0001")
    assert "and 10 more rows" in caplog.text
    assert "Number['text'] stays where it is: the id has to be int" in caplog.text
    with SQLStorage(url, ACTORS) as new:
        assert new.count("Seat") == 39
        assert new.get("Seat", "t29").state.n == 2  # type: ignore[union-attr]
        lines = new.check()
        assert any("rows of Seat are in the generic table" in line for line in lines)
        assert any(line.startswith("Number['text'] does not fit") for line in lines)
    upgrade(url, home, "0002")
    assert in_tables(url)["theater_actor"] == MANY + 45 + 31


def test_another_name(url: str, home: Path) -> None:
    write(home, "0003", "0002", "op.rename_actor_type('Former', 'Other')")
    with SQLStorage(url, OLD) as old, SQLStorage(url, ACTORS) as new:
        old.put_many([("Former", f"f{n}", {"n": n}) for n in range(9)]).raise_errors()
        etag = new.put("Other", "f1", {"n": 10})
        upgrade(url, home)
        found = new.get("Other", "f1")
        assert found
        assert found.etag == etag
        assert (new.count("Other"), old.count("Other")) == (9, 9)
        old._core.router.routes.forget()
        with pytest.raises(ActorMoved):
            old.put("Former", "late", {"n": 1})


def test_a_name_that_is_taken_stops_the_renaming(url: str, home: Path) -> None:
    write(home, "0003", "0002", "op.rename_actor_type('Former', 'Other')")
    with SQLStorage(url, OLD) as old:
        old.put_many([("Former", "x", 1), ("Former", "y", 1), ("Other", "x", 2)]).raise_errors()
        with pytest.raises(CommandError, match="1 rows stay, since Other has actors"):
            upgrade(url, home)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("op.promote_actor('Other')", "no table of its own"),
        ("op.promote_actor('Nobody')", "no table of its own"),
    ],
)
def test_what_has_no_table_can_not_be_promoted(
    url: str, home: Path, line: str, problem: str
) -> None:
    write(home, "0003", "0002", line)
    with pytest.raises(CommandError, match=problem):
        upgrade(url, home)


def test_an_environment_without_the_registry_is_told(url: str, tmp_path: Path) -> None:
    home = scratch(tmp_path, metadata="None", imports="")
    write(home, "0001", None, "op.promote_actor('Number')")
    with pytest.raises(CommandError, match=r"needs the registry"):
        upgrade(url, home)


def test_inside_a_transaction_of_the_callers(tmp_path: Path, pg_url: str) -> None:
    with SQLStorage(pg_url, ACTORS) as storage:
        storage.create_all()
    operations = Operations(MigrationContext.configure(engine_for(pg_url).connect()))
    operations.get_context().opts["theater_sql_actors"] = ACTORS
    connection = operations.get_bind()
    with connection.begin(), pytest.raises(CommandError, match="outside of yours"):
        operations.invoke(PromoteActorOp("Number"))
    connection.close()


COPY = """with op.batch_alter_table('theater_actor', recreate='always') as batch:
    batch.alter_column('version', nullable=False)"""


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_table_that_is_copied_keeps_its_fences(url: str, home: Path) -> None:
    write(home, "0003", "0001", COPY)
    upgrade(url, home, "0003")
    with SQLStorage(url, OLD) as old:
        old._core.router.routes._views = {"Number": View(Route(Home.GENERIC, 1), inf)}
        with pytest.raises(ActorMoved):
            old.put("Number", MANY + 1, {"n": 1}, expect=ABSENT)
    assert in_tables(url)["theater_actor"] == 0


class Extra(Base):
    __tablename__ = "seat_extra"
    actor_id: Mapped[str] = mapped_column(sa.ForeignKey(SeatRow.actor_id, ondelete="CASCADE"))
    line: Mapped[int] = mapped_column(primary_key=True)


def test_a_demote_that_would_lose_something_is_refused(url: str, home: Path) -> None:
    upgrade(url, home, "0001")
    before = in_tables(url)
    with engine_for(url).begin() as connection:
        connection.execute(sa.insert(Extra).values(actor_id="s3", line=1))
    with pytest.raises(CommandError, match=r"moves_seat: table seat_extra .* ON DELETE CASCADE"):
        upgrade(url, home, "0002")
    assert in_tables(url)["moves_seat"] == before["moves_seat"]
    with engine_for(url).connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(Extra)) == 1


def test_operations_know_their_way_back() -> None:
    back = PromoteActorOp("Seat").reverse()
    assert back.to_diff_tuple() == ("demote_actor", "Seat")
    assert back.reverse().to_diff_tuple() == ("promote_actor", "Seat")
    renamed: Any = RenameActorTypeOp("a", "b").reverse()
    assert (renamed.old, renamed.new) == ("b", "a")
