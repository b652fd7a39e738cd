"""A type moves to its own table and back while processes of old and new code write its actors."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.conftest import Figure
from tests.faults.movers import ACTORS_THERE, NEW, OLD, RENAMED, migrate
from tests.faults.support import admin
from tests.migrations.test_promote import Project
from theater_sql import OutcomeUnknown, SQLStorage, homes
from theater_sql.backends import engine_for
from theater_sql.migrations.promotion import Promotion
from theater_sql.migrations.turns import take_turn
from theater_sql.testing import Cut, FaultProxy, When


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.faults.movers", *arguments]
    told = subprocess.PIPE if arguments[0] == "write" else None
    return subprocess.Popen(command, stdout=told, text=True)


def filled(url: str) -> None:
    with SQLStorage(url, NEW) as storage:
        storage.create_all()
    with SQLStorage(url, OLD) as storage:
        puts = [("Tally", str(n), {"n": 1}) for n in range(ACTORS_THERE)]
        storage.put_many(puts).raise_errors()


@contextmanager
def writing(url: str, *kinds: str) -> Iterator[list[Any]]:
    """Have processes write during the block; what they counted is there behind it."""
    writers = [start("write", url, kind, str(seed)) for seed, kind in enumerate(kinds)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    told: list[Any] = []
    try:
        yield told
    finally:
        for writer in writers:
            writer.terminate()
        outputs = [writer.communicate(timeout=60)[0] for writer in writers]  # and close the pipes
    assert all(writer.returncode == 0 for writer in writers)
    told += [json.loads(output) for output in outputs]


def counts(told: list[Any]) -> Counter[str]:
    return sum((Counter(one["counts"]) for one in told), Counter())


def stored(url: str) -> dict[str, int]:
    """Return the sums of both tables, and how many actors are in both."""
    engine = sa.create_engine(url, poolclass=NullPool)
    generic = NEW.generic.table
    with engine.connect() as connection:
        text = sa.cast(generic.c.state, sa.Text)
        states = connection.scalars(sa.select(text).where(generic.c.state.is_not(None)))
        own = connection.execute(sa.text("SELECT coalesce(sum(n), 0), count(*) FROM tally")).one()
        numbers = [json.loads(state)["n"] for state in states]
        both = connection.scalar(
            sa.text(
                "SELECT count(*) FROM tally JOIN theater_actor AS g ON g.actor_id = 's:' || "
                "tally.actor_id WHERE g.state IS NOT NULL"
            )
        )
    return {
        "sum": sum(numbers) + int(own[0]),
        "generic": len(numbers),
        "own": int(own[1]),
        "both": int(both or 0),
    }


def check(url: str, told: list[Any], home: str, figure: Figure) -> None:
    total, there = counts(told), stored(url)
    figure(f"{dict(total)}; in the tables {there}")
    assert total["missing"] == there["both"] == 0
    assert there["sum"] == ACTORS_THERE + total["acknowledged"]
    assert there[home] == ACTORS_THERE + total["created"]
    assert there["generic"] + there["own"] == there[home]


@pytest.mark.parametrize("old", [0, 2])
def test_there_and_back_under_load(pg_url: str, old: int, figure: Figure) -> None:
    filled(pg_url)
    with writing(pg_url, *["new"] * 2, *["old"] * old) as told:
        time.sleep(1)
        for what in ("promote", "demote", "promote"):
            assert start("migrate", pg_url, what).wait(120) == 0
        time.sleep(0.5)
    check(pg_url, told, "own", figure)
    assert (counts(told)["moved"] > 0) is (old > 0)


TALLIES = """
from dataclasses import dataclass
from theater_sql import ActorRegistry

@dataclass
class Tally:
    n: int = 0

actors = ActorRegistry()
actors.register("Tally", state=Tally, table="tally")
"""


def test_the_story_by_the_commands(pg_url: str, tmp_path: Path, figure: Figure) -> None:
    """From an empty directory to a table of its own and back, while four processes write."""
    project = Project(tmp_path, pg_url)
    project.run("init", "shop:actors")
    project.run("revision", "-m", "first")
    project.run("upgrade")
    with SQLStorage(pg_url, OLD) as storage:
        puts = [("Tally", str(n), {"n": 1}) for n in range(ACTORS_THERE)]
        storage.put_many(puts).raise_errors()
    (tmp_path / "shop.py").write_text(TALLIES, encoding="utf-8")
    project.run("revision", "-m", "tally")
    [script] = (tmp_path / "alembic" / "versions").glob("*_tally.py")
    assert "op.promote_actor('Tally')" in script.read_text(encoding="utf-8")
    with writing(pg_url, *["new"] * 4) as told:
        time.sleep(0.5)
        project.run("upgrade")
        time.sleep(0.5)
    check(pg_url, told, "own", figure)
    with writing(pg_url, *["new"] * 4) as more:
        time.sleep(0.5)
        project.run("downgrade", "-1")
        time.sleep(0.5)
    both = counts(told + more)
    figure(f"and back: {dict(both)}")
    assert both["missing"] == 0
    with SQLStorage(pg_url, NEW) as storage:
        ids = storage.list_ids("Tally", limit=100_000)
        found: list[Any] = storage.get_many([("Tally", one) for one in ids]).raise_errors()
    assert len(found) == ACTORS_THERE + both["created"]
    assert sum(one.state.n for one in found) == ACTORS_THERE + both["acknowledged"]


@pytest.mark.parametrize("what", ["promote", "demote"])
def test_a_move_that_is_killed_is_gone_on_with(
    pg_url: str, what: str, figure: Figure, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(pg_url)
    if what == "demote":
        assert start("migrate", pg_url, "promote").wait(120) == 0
    moment = random.Random(what)
    with writing(pg_url, "new", "new") as told:
        for _ in range(10):
            migrator = start("migrate", pg_url, what)
            time.sleep(0.4 + moment.random() * 1.6)
            migrator.kill()
            migrator.wait()
        assert start("migrate", pg_url, what).wait(120) == 0
    check(pg_url, told, "own" if what == "promote" else "generic", figure)


def test_a_type_gets_another_name_under_load(pg_url: str, figure: Figure) -> None:
    filled(pg_url)
    with writing(pg_url, "renamed", "renamed", "old") as told:
        time.sleep(1)
        assert start("migrate", pg_url, "rename").wait(120) == 0
        time.sleep(0.5)
    check(pg_url, told, "generic", figure)
    assert counts(told)["moved"] > 0
    with SQLStorage(pg_url, RENAMED) as storage:
        assert storage.count("shop.Tally") == ACTORS_THERE + counts(told)["created"]
        names = sa.select(NEW.generic.table.c.actor_type).distinct()
        with sa.create_engine(pg_url, poolclass=NullPool).connect() as connection:
            assert connection.scalars(names).all() == ["shop.Tally"]


def test_a_lock_follows_a_row_that_moves(pg_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homes, "LIFETIME", 0.05)
    filled(pg_url)
    with (
        SQLStorage(pg_url, NEW) as storage,
        engine_for(pg_url).connect() as connection,
        storage.in_transaction(connection) as tx,
        admin(pg_url) as other,
    ):
        tx.get("Tally", "7")
        migrate(pg_url, "promote")
        tx.lock([("Tally", "7")])
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("SELECT 1 FROM tally WHERE actor_id = '7' FOR UPDATE NOWAIT")


@pytest.mark.parametrize("what", ["promote", "demote"])
def test_a_delete_whose_answer_is_lost_while_the_type_moves(
    pg_url: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that goes out again finds no row in the other table either: it was applied."""
    monkeypatch.setattr(homes, "LIFETIME", 0.05)
    filled(pg_url)
    if what == "demote":
        migrate(pg_url, "promote")
    with FaultProxy(pg_url) as proxy, SQLStorage(proxy.url, NEW) as storage:
        etag: Any = storage.get("Tally", "7").etag
        cut = proxy.arm(Cut("^DELETE", When.AFTER, then=lambda: migrate(pg_url, what)))
        storage.delete("Tally", "7", expect=etag)
        assert cut.fired.is_set()
        assert not storage.get("Tally", "7")


def test_a_delete_in_doubt_whose_row_moved_and_was_written(
    pg_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not applied; what is there is somebody else's, who may have come before or after."""
    monkeypatch.setattr(homes, "LIFETIME", 0.05)
    filled(pg_url)
    migrate(pg_url, "promote")

    def meddle() -> None:
        migrate(pg_url, "demote")
        with SQLStorage(pg_url, OLD) as old:
            old.put("Tally", "7", {"n": 70})

    with FaultProxy(pg_url) as proxy, SQLStorage(proxy.url, NEW) as storage:
        etag: Any = storage.get("Tally", "7").etag
        cut = proxy.arm(Cut("^DELETE", When.BEFORE, then=meddle))
        with pytest.raises(OutcomeUnknown):
            storage.delete("Tally", "7", expect=etag)
        assert cut.fired.is_set()
        found: Any = storage.get("Tally", "7")
        assert found.state.n == 70


def test_sqlite_moves_between_two_writes(sqlite_url: str, figure: Figure) -> None:
    filled(sqlite_url)
    with writing(sqlite_url, "new", "new", "old") as told:
        time.sleep(1)
        for what in ("promote", "demote", "promote"):
            migrate_in_one_transaction(sqlite_url, what)
            time.sleep(0.3)
    check(sqlite_url, told, "own", figure)


def migrate_in_one_transaction(url: str, what: str) -> None:
    with engine_for(url).connect() as connection:
        take_turn(connection)
        with connection.begin():
            assert getattr(Promotion(connection, NEW, NEW.match("Tally")), what)() == []
