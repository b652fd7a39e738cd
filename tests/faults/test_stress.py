"""64 threads and 256 tasks on one storage, doing everything at once.

``THEATER_SQL_STRESS_SECONDS`` is how long they do it on each database: 60 by default.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Figure
from tests.faults.audit import ACTORS, audited, prepare
from tests.faults.stress import DEADLINE, allow, allow_for_time, hammer
from tests.faults.support import eventually, scalar
from theater_sql import OVERWRITE, AsyncSQLStorage, SQLStorage
from theater_sql.backends.base import Statement
from theater_sql.backends.sqlite_sessions import SQLiteSession
from theater_sql.core import Core
from theater_sql.testing import History, Told, Write

pytestmark = pytest.mark.timed

Rows = Sequence[tuple[Any, ...]]
Run = Callable[[Statement, Rows], list[Any]]

SECONDS = float(os.environ.get("THEATER_SQL_STRESS_SECONDS", "60"))
CALLERS = (64, 256)
"""Threads and tasks."""
OUTCOMES = {
    "acknowledged",
    "Conflict stale",
    "Conflict exists",
    "Conflict gone",
    "ConstraintViolation",
    "InvalidState",
    "StorageError",
    "Unavailable",
    "cancelled",
}
"""What a run has to meet: one that does not has tested less than it says."""


def one_storage(url: str) -> tuple[SQLStorage, AsyncSQLStorage]:
    """Return two doors to one set of lanes."""
    writers = 2 if url.startswith("postgresql") else 1
    threads = SQLStorage(url, ACTORS, timeout=DEADLINE, writers=writers)
    tasks = AsyncSQLStorage(url, ACTORS)
    tasks._core = threads._core
    return threads, tasks


def is_idle(core: Core) -> bool:
    """Tell whether the queues are empty, with no actor busy."""
    queues = (core.lanes._writes, core.lanes._reads)
    return not any(q._busy or q._taken or q._length or q._outside for q in queues)


def open_files() -> list[str]:
    """Return what the open file descriptors of this process are."""
    gc.collect()
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(link.readlink()))
        except FileNotFoundError:  # the descriptor that lists them
            continue
    return sorted(found)


def sessions(url: str) -> int:
    """Count who else is connected to a PostgreSQL database."""
    count: int = scalar(
        url,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()",
    )
    return count


def summary(history: History, changes: int) -> tuple[Counter[str], str]:
    answers = Counter(write.error or write.told.value for write in history.writes)
    answers["cancelled before it started"] = sum(
        write.error == "cancelled" and write.told is Told.REFUSED for write in history.writes
    )
    told = ", ".join(f"{count} {answer}" for answer, count in answers.most_common())
    return answers, f"{len(history.reads)} reads, {len(history.writes)} writes: {told}; {changes=}"


def test_sixty_four_threads_and_256_tasks_at_once(url: str, figure: Figure) -> None:
    prepare(url)
    asyncio.run(asyncio.sleep(0))
    threads, files = set(threading.enumerate()), open_files()
    doors = one_storage(url)
    with doors[0]:
        history = hammer(*doors, CALLERS, SECONDS)
        eventually(lambda: is_idle(doors[0]._core))
    assert set(threading.enumerate()) <= threads
    assert Counter(open_files()) <= Counter(files)
    if url.startswith("postgresql"):
        eventually(lambda: sessions(url) == 0, 3)
    stored, changes = audited(url)
    answers, line = summary(history, len(changes))
    figure(line)
    faults = history.faults(stored, changes)
    assert not faults, f"{len(faults)} faults, such as " + "; ".join(faults[:10])
    assert answers.keys() >= OUTCOMES


def lose(run: Run, statement: Statement, rows: Rows) -> list[Any]:
    return [True] * len(rows)


def refuse_what_was_applied(run: Run, statement: Statement, rows: Rows) -> list[Any]:
    run(statement, rows)
    raise sqlite3.IntegrityError("CHECK constraint failed: a lie")


@pytest.mark.parametrize(
    ("lie", "named"), [(lose, "lost, though"), (refuse_what_was_applied, "though it was refused")]
)
def test_a_storage_that_lies_is_found_out(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, lie: Callable[..., Any], named: str
) -> None:
    prepare(sqlite_url)
    honest = SQLiteSession.run
    chance = random.Random(1)

    def run(session: SQLiteSession, statement: Statement, rows: Rows) -> list[Any]:
        if statement.token is not None and chance.random() < 0.1:
            lied: list[Any] = lie(partial(honest, session), statement, rows)
            return lied
        return honest(session, statement, rows)

    monkeypatch.setattr(SQLiteSession, "run", run)
    doors = one_storage(sqlite_url)
    with doors[0]:
        history = hammer(*doors, (2, 4), 3)
    faults = history.faults(*audited(sqlite_url))
    assert [fault for fault in faults if named in fault], faults[:10]


def test_an_overwrite_may_give_up_at_its_deadline_and_not_before() -> None:
    write = Write(("Box", "a"), "t", OVERWRITE, told=Told.REFUSED, error="Unavailable")
    allow(write, "Conflict")
    write.end = int(DEADLINE * 10**9) - 1
    allow_for_time(write)
    history = History([write])
    assert [fault for fault in history.faults() if "answered Unavailable" in fault]
    write.end += 1
    allow_for_time(write)
    assert history.faults() == []
