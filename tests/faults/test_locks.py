"""Rows that somebody holds on PostgreSQL: the others go on, and nobody waits in a circle."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import make_url

from tests.conftest import Figure
from tests.faults import workers
from tests.faults.support import (
    BOX,
    Count,
    Door,
    SyncDoor,
    admin,
    create,
    direct,
    eventually,
    found,
    opened,
    put,
    queued,
    scalar,
    swap,
    transaction,
    waiting,
)
from theater_sql import ABSENT, NOT_PRESENT, Conflict, Unavailable

pytestmark = pytest.mark.timed

IDS = [f"{n:03}" for n in range(256)]


def filled(url: str) -> None:
    with opened(SyncDoor, url) as door:
        for start in range(0, len(IDS), 64):
            door.run(*[put(i, Count()) for i in IDS[start : start + 64]])


def milliseconds(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return f"median {ordered[len(ordered) // 2] * 1000:.0f}, last {ordered[-1] * 1000:.0f} ms"


@pytest.mark.parametrize(("held", "allowed"), [(1, 1.5), (8, 1.2)], ids=["one row", "eight rows"])
def test_neighbours_of_held_rows_go_on(
    pg: str, door_type: type[Door], held: int, allowed: float, figure: Figure
) -> None:
    """Within 500 ms for one; ``allowed`` leaves room for a machine that has other things to do."""
    holders = IDS[:: len(IDS) // held][:held]
    written = "SELECT count(*) FROM box WHERE version = 2"
    with direct(pg) as other, opened(door_type, pg) as door:
        filled(pg)
        etags = {i: found(other, i).etag for i in IDS}
        with transaction(pg) as holder:
            holder.execute("SELECT 1 FROM box WHERE actor_id = ANY(%s) FOR UPDATE", [holders])
            wait = door.start(*[swap(i, Count(1), etags[i]) for i in IDS])
            eventually(lambda: scalar(pg, written) == len(IDS) - held)
            time.sleep(0.2)
            holder.execute("COMMIT")
            answers = dict(zip(IDS, wait(), strict=True))
        assert not [a.error for a in answers.values() if a.error]
        free = [a.seconds for i, a in answers.items() if i not in holders]
        figure(f"{len(free)} neighbours: {milliseconds(free)}")
        assert max(free) < allowed
        assert {found(other, i).version for i in IDS} == {2}


def test_a_held_row_is_unavailable_at_the_deadline(pg: str, door_type: type[Door]) -> None:
    with direct(pg) as other, opened(door_type, pg) as door:
        etag = other.put(BOX, "a", Count())
        with transaction(pg) as holder:
            holder.execute("SELECT 1 FROM box WHERE actor_id = 'a' FOR UPDATE")
            answers = door.run(
                lambda s: s.put(BOX, "a", Count(1), expect=etag, timeout=1.5),
                lambda s: s.put(BOX, "b", Count(1)),
            )
            holder.execute("COMMIT")
        held, free = answers
        assert free.error is None
        assert isinstance(held.error, Unavailable), held.error
        assert "written" in str(held.error)
        assert 1.4 < held.seconds < 2.5
        time.sleep(0.3)
        assert found(other, "a").version == 1
        [after] = door.run(swap("a", Count(2), etag))
        assert after.error is None


def test_a_lock_that_goes_is_not_hidden_by_locks_that_stay(pg: str, figure: Figure) -> None:
    stay = IDS[:12]
    with opened(SyncDoor, pg, timeout=30) as door:
        filled(pg)
        with transaction(pg) as stays, transaction(pg) as goes:
            stays.execute("SELECT 1 FROM box WHERE actor_id = ANY(%s) FOR UPDATE", [stay])
            goes.execute("SELECT 1 FROM box WHERE actor_id = '200' FOR UPDATE")
            wait_stay = door.start(*[put(i, Count(1)) for i in stay])
            eventually(lambda: queued(door, patient=True) >= len(stay) - 1)
            wait = door.start(lambda s: s.put(BOX, "200", Count(1), timeout=6))
            eventually(lambda: queued(door, patient=True) >= len(stay))
            goes.execute("COMMIT")
            start = time.monotonic()
            [answer] = wait()
            seconds = time.monotonic() - start
            stays.execute("COMMIT")
            assert not [a.error for a in wait_stay() if a.error]
        figure(f"answered {seconds:.1f} s after its lock went, {len(stay)} others stayed")
        assert answer.error is None


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_create_waits_for_somebodys_insert_of_the_same_key(
    pg: str, door_type: type[Door], end: str
) -> None:
    with direct(pg) as other, opened(door_type, pg) as door:
        with transaction(pg) as holder:
            holder.execute(
                "INSERT INTO box (actor_id, count, note, version, etag, created_at, updated_at,"
                " schema_version) VALUES ('a', 5, '', 1, gen_random_uuid(), now(), now(), 1)"
            )
            wait = door.start(create("a", Count(1)))
            time.sleep(0.3)
            free = door.run(*[create(i, Count(1)) for i in IDS[:20]])
            holder.execute(end)
            [answer] = wait()
        assert not [a.error for a in free if a.error]
        if end == "COMMIT":
            assert isinstance(answer.error, Conflict) and answer.error.kind == "exists"
            assert found(other, "a").state == Count(5)
        else:
            assert answer.error is None
            assert found(other, "a").state == Count(1)


def test_a_create_that_stays_blocked_writes_nothing(pg: str) -> None:
    with direct(pg) as other, opened(SyncDoor, pg) as door:
        with transaction(pg) as holder:
            holder.execute(
                "INSERT INTO box (actor_id, count, note, version, etag, created_at, updated_at,"
                " schema_version) VALUES ('a', 5, '', 1, gen_random_uuid(), now(), now(), 1)"
            )
            [answer] = door.run(
                lambda s: s.put(BOX, "a", Count(1), expect=ABSENT, timeout=1.5),
            )
            holder.execute("ROLLBACK")
        assert isinstance(answer.error, Unavailable), answer.error
        time.sleep(0.3)
        assert other.get(BOX, "a") is NOT_PRESENT
        assert waiting(pg) == 0


@contextmanager
def detects_deadlocks_at_once(url: str) -> Iterator[None]:
    """Have the server look for deadlocks before a lane's lock_timeout ends them unseen."""
    database = make_url(url).database
    with admin(url) as connection:
        connection.execute(f"ALTER DATABASE {database} SET deadlock_timeout = '5ms'")
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {database} RESET deadlock_timeout")


@pytest.mark.parametrize(("rows", "batch"), [(60, 40), (2000, 100)], ids=["60", "2000"])
def test_overlapping_batches_do_not_deadlock(
    pg: str, rows: int, batch: int, figure: Figure
) -> None:
    overlap(pg, rows, batch, figure, url=pg)


def overlap(
    pg: str, rows: int, batch: int, figure: Figure, *, url: str, pooler: bool = False
) -> None:
    """Have 4 processes write batches that overlap, and find no deadlock."""
    with direct(pg) as other:
        with opened(SyncDoor, pg) as door:
            # Not in the order of the keys, so that a scan of the table has another order.
            ids = [f"{n:05}" for n in random.Random(1).sample(range(rows), rows)]
            for start in range(0, rows, 200):
                door.run(*[create(i, Count()) for i in ids[start : start + 200]])
        with admin(pg) as connection:
            connection.execute("ANALYZE box")
        before = workers.deadlocks(pg)
        with detects_deadlocks_at_once(pg):
            counts = workers.run_many(workers.overwrite, 4, url, rows, batch, 2.0, pooler)
        deadlocks = workers.deadlocks(pg) - before
        done = sum(acked for acked, _, _ in counts)
        errors = [error for _, found_errors, _ in counts for error in found_errors]
        retries = sum(reports for _, _, reports in counts)
        figure(f"{rows} rows, 4 processes: {done} swaps acknowledged, {deadlocks} deadlocks")
        assert deadlocks == 0
        assert not errors
        assert retries == 0, "a lane met a deadlock and tried again"
        assert done > 4 * batch
        assert other.get(BOX, "00000")
