"""What flushes together, what waits outside of a full queue, and who runs a lone call."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from tests.faults.support import (
    ACTORS,
    BADGE,
    BOX,
    OTHER,
    AsyncDoor,
    Badge,
    Call,
    Count,
    Door,
    SyncDoor,
    bounded,
    create,
    direct,
    eventually,
    found,
    in_flight,
    opened,
    put,
    queued,
    scalar,
    transaction,
    waiting,
)
from theater_sql import ABSENT, ConstraintViolation, Etag, SQLStorage, Unavailable
from theater_sql.backends.base import Statement
from theater_sql.backends.postgresql_sessions import PostgreSQLSession
from theater_sql.backends.sqlite_sessions import SQLiteSession
from theater_sql.testing import FaultProxy

pytestmark = pytest.mark.timed

KILO = 2**10


@dataclass
class Flushes:
    """What went to the database: for each flush whether it wrote, its rows, and its thread."""

    log: list[tuple[bool, list[tuple[Any, ...]], threading.Thread]] = field(default_factory=list)

    def writes(self) -> list[list[tuple[Any, ...]]]:
        return [rows for writes, rows, _ in self.log if writes]

    def reads(self) -> list[list[tuple[Any, ...]]]:
        return [rows for writes, rows, _ in self.log if not writes]

    def threads(self) -> list[threading.Thread]:
        return [thread for _, _, thread in self.log]


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> Flushes:
    """A record of all flushes, which go to the database as ever."""
    seen = Flushes()
    for kind in (PostgreSQLSession, SQLiteSession):
        monkeypatch.setattr(kind, "run", _noting(kind.run, seen))
    return seen


def _noting(run: Any, seen: Flushes) -> Callable[..., Any]:
    def noted(session: Any, statement: Statement, rows: Any) -> Any:
        seen.log.append((statement.writes, list(rows), threading.current_thread()))
        return run(session, statement, rows)

    return noted


@pytest.fixture
def stopped(proxy: FaultProxy) -> Iterator[AsyncDoor]:
    """A door to a frozen server, with room for three writes in its queue beside one in flight."""
    with opened(AsyncDoor, proxy.url, max_queue=3, timeout=20) as door:
        assert isinstance(door, AsyncDoor)
        assert door.run(put("warm", Count()))[0].error is None
        with proxy.frozen():
            wait = door.start(create("first", Count()))
            eventually(lambda: in_flight(door) == 1)
            yield door
        assert wait()[0].error is None


def test_a_full_queue_is_unavailable_at_the_deadline(stopped: AsyncDoor, pg: str) -> None:
    stopped.start(*[create(f"in {n}", Count()) for n in range(3)])
    eventually(lambda: queued(stopped) == 3)
    answers = stopped.run(
        *[
            lambda s, n=n: s.put(BOX, f"out {n}", Count(), expect=ABSENT, timeout=0.3)
            for n in range(2)
        ]
    )
    assert all(isinstance(a.error, Unavailable) for a in answers), answers
    assert all("overloaded" in str(a.error) and a.seconds < 1.3 for a in answers), answers
    assert queued(stopped) == 3
    with direct(pg) as other:
        assert not other.get(BOX, "out 0")


def test_who_waits_outside_is_let_in_and_in_order(proxy: FaultProxy, pg: str) -> None:
    """A compare and swap that names the one before as expected tells every wrong order."""
    with direct(pg) as other, opened(AsyncDoor, proxy.url, max_queue=3) as door:
        etag = other.put(BOX, "a", Count())
        assert door.run(put("warm", Count()))[0].error is None
        with proxy.frozen():
            calls: list[Call] = []
            for n in range(20):
                new = Etag(UUID(int=n + 1))
                calls += [_swap(n, etag, new), create(f"b {n}", Count(n))]
                etag = new
            wait = door.start(*calls)
            eventually(lambda: in_flight(door) > 0)
        assert [answer.error for answer in wait() if answer.error] == []
        assert found(other, "a").version == 21


def test_closing_lets_in_who_waits_outside(proxy: FaultProxy, pg: str) -> None:
    with opened(AsyncDoor, proxy.url, max_queue=2) as door:
        assert door.run(put("warm", Count()))[0].error is None
        with proxy.frozen():
            wait = door.start(*[create(f"{n}", Count()) for n in range(10)])
            eventually(lambda: in_flight(door) > 0)
            closing = threading.Thread(target=door.storage._core.lanes.close)
            closing.start()
        assert [answer.error for answer in wait() if answer.error] == []
        closing.join()
    assert scalar(pg, "SELECT count(*) FROM box") == 11


def test_small_states_do_not_wait_for_large_ones(
    proxy: FaultProxy, pg: str, door_type: type[Door], flushes: Flushes
) -> None:
    large = Count(0, "x" * 300 * KILO)
    with opened(door_type, proxy.url) as door:
        assert door.run(put("warm", Count()))[0].error is None
        with proxy.frozen():
            first = door.start(create("first", Count()))
            eventually(lambda: in_flight(door) == 1)
            flushes.log.clear()
            wait = door.start(*[create(f"large {n}", large) for n in range(12)])
            eventually(lambda: queued(door) == 12)
            rest = door.start(*[create(f"small {n}", Count()) for n in range(12)])
            eventually(lambda: queued(door) == 24)
        answers = [*first(), *wait(), *rest()]
        assert [answer.error for answer in answers if answer.error] == []
    sizes = [len(rows) for rows in flushes.writes() if rows[0][0] != "first"]
    assert sizes == [3, 12, 3, 3, 3]


@pytest.mark.parametrize("size", [10 * KILO, KILO * KILO])
def test_reads_take_no_more_than_fits(
    db: str, door_type: type[Door], flushes: Flushes, size: int
) -> None:
    with opened(door_type, db) as door:
        ids = [f"{n:03}" for n in range(24)]
        for actor_id in ids:
            assert door.run(create(actor_id, Count(0, "x" * size)))[0].error is None
        assert door.run(lambda s: s.get(BOX, "000"))[0].error is None
        flushes.log.clear()
        answers = door.run(*[lambda s, i=i: s.get(BOX, i) for i in ids * 8])
        assert [answer.error for answer in answers if answer.error] == []
    assert max(map(len, flushes.reads())) <= max(1, KILO * KILO // size)


def test_the_row_that_the_server_names_is_flushed_alone(
    proxy: FaultProxy, pg: str, door_type: type[Door], flushes: Flushes
) -> None:
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        other.put(BADGE, "other", Badge(7))
        assert door.run(put("warm", Count()))[0].error is None
        with proxy.frozen():
            first = door.start(create("first", Count()))
            eventually(lambda: in_flight(door) == 1)
            flushes.log.clear()
            wait = door.start(
                *[lambda s, n=n: s.put(BADGE, f"{n}", Badge(n), expect=ABSENT) for n in range(40)]
            )
            eventually(lambda: queued(door) == 40)
        errors = [answer.error for answer in [*first(), *wait()]]
    assert [type(error) for error in errors if error] == [ConstraintViolation]
    assert isinstance(errors[8], ConstraintViolation)
    sizes = [len(rows) for rows in flushes.writes() if rows[0][0] != "first"]
    assert sizes == [40, 39, 1], "halving takes eleven"


def test_a_lone_sync_call_runs_in_its_own_thread(db: str, flushes: Flushes) -> None:
    with direct(db) as storage:
        storage.put(BOX, "a", Count())  # the lanes open their connections themselves
        storage.get(BOX, "a")
        flushes.log.clear()

        def calls() -> None:
            etag = storage.put(BOX, "a", Count(1))
            storage.put(OTHER, "a", Count(1), expect=storage.get(OTHER, "a").etag)
            storage.delete(BOX, "a", expect=etag)

        alone = threading.Thread(target=calls)
        alone.start()
        alone.join()
        assert set(flushes.threads()) == {alone}


ENDING = """
import signal, sys
from tests.faults.support import ACTORS, BOX, Count
from theater_sql import SQLStorage

def end(*_):
    sys.exit(3)

signal.signal(signal.SIGALRM, end)
with SQLStorage(sys.argv[1], ACTORS) as storage:
    storage.put(BOX, "a", Count())
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    while True:
        storage.put(BOX, "a", Count())
"""


@pytest.mark.parametrize("_", range(3))
def test_a_signal_that_ends_the_program_closes_the_storage(db: str, _: int) -> None:
    done = subprocess.run([sys.executable, "-c", ENDING, db], timeout=30, stderr=subprocess.PIPE)
    assert done.returncode == 3, done.stderr.decode()


def test_a_slow_lone_call_leaves_the_other_writers_to_others(pg: str) -> None:
    """Whichever writer is woken for them, an idle one serves them."""
    with direct(pg) as other, SQLStorage(pg, ACTORS, writers=2) as storage:
        etags = [other.put(BOX, str(n), Count()) for n in range(8)]
        for n in range(8):
            storage.put(BOX, str(n), Count(1), expect=etags[n], etag=Etag(UUID(int=n + 1)))
        with transaction(pg) as holder:
            holder.execute("LOCK TABLE other IN ACCESS EXCLUSIVE MODE")
            slow = threading.Thread(target=storage.put, args=(OTHER, "a", Count()))
            slow.start()
            eventually(lambda: waiting(pg) > 0)
            for n in range(8):
                storage.put(BOX, str(n), Count(2), expect=Etag(UUID(int=n + 1)), timeout=2)
        slow.join()


def test_calls_of_many_threads_run_in_the_lane(
    proxy: FaultProxy, pg: str, flushes: Flushes
) -> None:
    with opened(SyncDoor, proxy.url) as door:
        assert door.run(put("warm", Count()))[0].error is None
        with proxy.frozen():
            first = door.start(create("first", Count()))
            eventually(lambda: in_flight(door) == 1)
            flushes.log.clear()
            wait = door.start(*[create(f"{n}", Count()) for n in range(20)])
            eventually(lambda: queued(door) == 20)
        assert [answer.error for answer in [*first(), *wait()] if answer.error] == []
        assert [len(rows) for rows in flushes.writes()] == [20]
        assert flushes.threads() == [door.storage._core.lanes._writing[0].thread]


def test_close_waits_for_a_call_in_its_own_thread(proxy: FaultProxy, pg: str) -> None:
    storage = SQLStorage(proxy.url, ACTORS)
    etag = storage.put(BOX, "a", Count())
    with proxy.frozen():
        alone = threading.Thread(
            target=lambda: storage.put(BOX, "a", Count(1), expect=etag), daemon=True
        )
        alone.start()
        eventually(lambda: bool(storage._core.lanes._writing[0]._in_flight))
        closing = threading.Thread(target=storage.close, daemon=True)
        closing.start()
        assert not bounded(closing.join, 0.2), "it is under way"
    assert bounded(closing.join, 10)
    alone.join()
    with direct(pg) as other:
        assert found(other, "a").version == 2


def _swap(n: int, old: Etag, new: Etag) -> Call:
    return lambda storage: storage.put(BOX, "a", Count(n), expect=old, etag=new)
