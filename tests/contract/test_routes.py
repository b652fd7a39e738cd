"""What a process believes of the homes of types, and what it does when it is wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.pool import NullPool

from theater_sql import (
    ABSENT,
    GENERIC,
    NOT_PRESENT,
    ActorMoved,
    ActorRegistry,
    Conflict,
    InvalidEtag,
    SQLStorage,
    TransactionAborted,
    homes,
)
from theater_sql.homes import Home, marker
from theater_sql.migrations.promotion import Promotion
from theater_sql.migrations.renaming import Renaming
from theater_sql.migrations.stages import own_connection
from theater_sql.migrations.turns import take_turn


@dataclass
class Order:
    total: int = 0


OLD, NEW, AGAIN = ActorRegistry(), ActorRegistry(), ActorRegistry()
NEW.register("Order", state=Order, table="orders", aliases=("OldOrder",))
NEW.register("Number", state=Order, table="numbers", id_type=int)
AGAIN.register("New", table=GENERIC, aliases=("Old",))


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(homes, "LIFETIME", 0.1)
    with SQLStorage(url, NEW) as storage:
        storage.create_all()


def engine(url: str, **options: Any) -> sa.Engine:
    return sa.create_engine(url, poolclass=NullPool, **options)


def migrate(url: str, act: Any) -> Any:
    """Do on a connection what a revision does."""
    if url.startswith("sqlite"):
        with engine(url).connect() as connection:
            take_turn(connection)
            with connection.begin():
                return act(connection)
    with own_connection(engine(url)) as connection:
        return act(connection)


def move(url: str, what: str, name: str = "Order") -> Any:
    return migrate(url, lambda c: getattr(Promotion(c, NEW, NEW.match(name)), what)())


def rename(url: str, old: str, new: str) -> Any:
    return migrate(url, lambda c: Renaming(c, AGAIN, old, new).rename())


def test_rows_under_a_name_of_before_decide_the_home(url: str) -> None:
    with SQLStorage(url, OLD) as old, SQLStorage(url, NEW) as new:
        etag = old.put("OldOrder", "x", {"total": 5})
        found: Any = new.get("Order", "x")
        assert (found.state, found.etag) == (Order(5), etag)
        with pytest.raises(Conflict):
            new.put("Order", "x", Order(), expect=ABSENT)
        assert move(url, "promote") == []
        found = new.get("Order", "x")
        assert (found.state, found.etag) == (Order(5), etag)
        old._core.router.routes.forget()
        for name in ("OldOrder", "Order"):
            with pytest.raises(ActorMoved):
                old.get(name, "x")
            with pytest.raises(ActorMoved):
                old.put(name, "y", {"total": 1})
        assert new.check() == []


def test_a_name_of_before_that_others_claimed_first_decides_as_well(url: str) -> None:
    with SQLStorage(url, OLD) as old, SQLStorage(url, NEW) as new:
        old.put("OldOrder", "x", {"total": 5})
        old.delete("OldOrder", "x")
        new.put("Order", "y", Order(1))
        old.put("OldOrder", "y", {"total": 9})  # its home is the generic table for both
        assert new.list_ids("Order") == ["y"]
    with SQLStorage(url, NEW) as first, SQLStorage(url, OLD) as old:
        first.put("Number", 1, Order())
        with pytest.raises(ActorMoved):
            old.put("Number", 1, {"total": 1})


def test_rows_that_were_left_in_the_generic_table_are_taken_along(url: str) -> None:
    with SQLStorage(url, NEW) as new:
        new.put("Number", 1, Order(1))
        with SQLStorage(url, OLD) as old:
            with engine(url).begin() as connection:
                connection.execute(sa.delete(NEW.routes))
            old.put("Number", 2, {"total": 2})
        with engine(url).begin() as connection:
            connection.execute(sa.update(NEW.routes).values(home=Home.TABLE.value))
        assert new.get("Number", 2) is NOT_PRESENT
        assert any("rows of Number" in line for line in new.check())
        assert move(url, "promote", "Number") == []
        assert new.count("Number") == 2


def test_a_snapshot_of_before_the_move_creates_no_second_row(pg_url: str) -> None:
    snapshot = engine(pg_url, isolation_level="REPEATABLE READ")
    with SQLStorage(pg_url, NEW) as new, SQLStorage(pg_url, OLD) as old:
        new.create_all()
        old.put("Order", "a", {"total": 1})
        with snapshot.connect() as connection, old.in_transaction(connection) as tx:
            assert tx.get("Order", "a")
            connection.rollback()
        with snapshot.connect() as connection:
            connection.exec_driver_sql("SELECT 1 FROM theater_actor").all()
            assert move(pg_url, "promote") == []
            new.put("Order", "x", Order(50))
            with old.in_transaction(connection) as tx:
                found: Any = tx.get("Order", "a")  # as the snapshot has it
                assert found.state == {"total": 1}
                with pytest.raises(ActorMoved):
                    tx.put("Order", "x", {"total": 7}, expect=ABSENT)
                with pytest.raises(TransactionAborted):
                    tx.put("Order", "a", {"total": 7})
        assert new.count("Order") == 2


def test_a_claim_that_went_with_a_savepoint_is_made_again(url: str) -> None:
    with SQLStorage(url, NEW) as new, SQLStorage(url, OLD) as old:
        with engine(url).begin() as connection, new.in_transaction(connection) as tx:
            savepoint = connection.begin_nested()
            tx.put("Order", "undone", Order(1))
            savepoint.rollback()
            tx.put("Order", "x", Order(7))
        with pytest.raises(ActorMoved):
            old.put("Order", "x", {"total": 1})
        found: Any = new.get("Order", "x")
        assert found.state == Order(7)


def test_a_call_that_is_frozen_does_not_trust_what_others_learn_meanwhile(url: str) -> None:
    with SQLStorage(url, NEW) as new, SQLStorage(url, OLD) as old:
        old.put("Order", "a", {"total": 1})
        assert new.get("Order", "b") is NOT_PRESENT
        steps = new._core.get("Order", "c", None)
        operation = next(steps)  # and here it stops for long
        assert move(url, "promote") == []
        new.put("Order", "c", Order(3))
        assert new.get("Order", "none") is NOT_PRESENT  # which reads the routes anew
        time.sleep(0.2)
        assert new.get("Order", "none") is NOT_PRESENT
        found: Any = None
        while found is None:
            try:
                operation = steps.send(new._core.lanes.run(operation))
            except StopIteration as done:
                found = done.value
        assert found.state == Order(3)


def test_an_id_that_the_table_can_not_have_is_listed(url: str) -> None:
    with SQLStorage(url, OLD) as old, SQLStorage(url, NEW) as new:
        for one in (7, "abc", 8):
            old.put("Number", one, {"total": 1})
        [stay] = move(url, "promote", "Number")
        assert stay.actor_id == "abc"
        new._core.router.routes.forget()
        assert new.list_ids("Number") == ["abc", 7, 8]
        assert new.list_ids("Number", after="abc", limit=1) == [7]
        assert new.list_ids("Number", after=7) == [8]
        assert new.count("Number") == 3


def test_a_name_and_back(url: str) -> None:
    with SQLStorage(url, OLD) as old, SQLStorage(url, AGAIN) as new:
        old.put("Old", "x", 5)
        assert new.get("New", "x")
        assert rename(url, "Old", "New") == rename(url, "Old", "New") == 0
        time.sleep(0.2)
        with pytest.raises(ActorMoved):
            old.put("Old", "y", 1)
        assert rename(url, "New", "Old") == 0
        time.sleep(0.2)
        old._core.router.routes.forget()
        old.put("Old", "y", 1)
        assert old.count("Old") == 2


def test_a_name_whose_rows_are_elsewhere_takes_no_rows(url: str) -> None:
    with SQLStorage(url, OLD) as old, SQLStorage(url, NEW) as new:
        new.put("Number", 1, Order())
        old.put("Old", "x", {"total": 5})
        with pytest.raises(CommandError, match="Old is generic, Number is table"):
            rename(url, "Old", "Number")
        found = old.get("Old", "x")
        assert found


def test_a_type_that_was_renamed_is_not_promoted(url: str) -> None:
    with SQLStorage(url, OLD) as old:
        old.put("Number", 1, {"total": 5})
    assert rename(url, "Number", "Other") == 0
    for what in ("promote", "demote"):
        with pytest.raises(CommandError, match="Number: the type has another name"):
            move(url, what, "Number")


def test_an_etag_that_marks_what_has_moved_is_refused(url: str) -> None:
    with SQLStorage(url, OLD) as old, pytest.raises(InvalidEtag, match="nothing was sent"):
        old.put("Any", "a", 1, etag=marker())  # type: ignore[arg-type]
