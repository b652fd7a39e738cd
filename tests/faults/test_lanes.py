"""Group commit under fire: poison, cancellation, order, closing, forks, leaks."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import make_url

from tests.conftest import NewDatabase
from tests.faults.support import (
    ACTORS,
    BADGE,
    BOX,
    OTHER,
    AsyncDoor,
    Badge,
    Count,
    Door,
    SyncDoor,
    admin,
    create,
    create_tables,
    direct,
    eventually,
    found,
    in_flight,
    no_writer,
    opened,
    put,
    queued,
    scalar,
    swap,
)
from theater_sql import (
    ABSENT,
    NOT_PRESENT,
    AsyncSQLStorage,
    Conflict,
    ConstraintViolation,
    CorruptState,
    Etag,
    OutcomeUnknown,
    SQLStorage,
    StorageClosed,
)
from theater_sql.backends.base import Statement
from theater_sql.contract import Expect
from theater_sql.lanes import Operation
from theater_sql.testing import FaultProxy

pytestmark = pytest.mark.timed


def test_only_the_rows_to_blame_fail(db: str, door_type: type[Door]) -> None:
    bad = {3, 17, 18, 39}
    with direct(db) as other, opened(door_type, db) as door:
        for n in bad:
            other.put(BADGE, f"taken {n}", Badge(n))
        answers = door.run(
            *[lambda s, n=n: s.put(BADGE, f"{n:02}", Badge(n), expect=ABSENT) for n in range(40)]
        )
        refused = {n for n, a in enumerate(answers) if isinstance(a.error, ConstraintViolation)}
        assert refused == bad
        assert not [a.error for n, a in enumerate(answers) if n not in bad and a.error]
        for n in range(40):
            assert bool(other.get(BADGE, f"{n:02}")) == (n not in bad)
        swaps = door.run(
            *[
                lambda s, n=n: s.put(BADGE, f"{n:02}", Badge(3 if n == 5 else 100 + n))
                for n in range(40)
                if n not in bad
            ]
        )
        assert [type(a.error) for a in swaps if a.error] == [ConstraintViolation]
        assert found(other, "05", BADGE).state == Badge(5)


def test_writers_that_want_one_value_in_one_batch(db: str, door_type: type[Door]) -> None:
    with direct(db) as other, opened(door_type, db) as door:
        answers = door.run(
            *[lambda s, n=n: s.put(BADGE, f"{n}", Badge(n % 5), expect=ABSENT) for n in range(30)]
        )
        won = [n for n, a in enumerate(answers) if a.error is None]
        assert sorted(n % 5 for n in won) == [0, 1, 2, 3, 4]
        assert {n for n in range(30) if other.get(BADGE, f"{n}")} == set(won)


def test_a_trigger_that_rolls_back_everything(lite: str, door_type: type[Door]) -> None:
    """Rows behind the one to blame must not be applied outside of the transaction, then again."""
    with sqlite3.connect(str(make_url(lite).database)) as connection:
        connection.execute(
            "CREATE TRIGGER keep BEFORE DELETE ON box WHEN old.actor_id = '05'"
            " BEGIN SELECT RAISE(ROLLBACK, 'kept'); END"
        )
    connection.close()
    with direct(lite) as other, opened(door_type, lite) as door:
        etags = {f"{n:02}": other.put(BOX, f"{n:02}", Count(n)) for n in range(20)}
        with no_writer(lite):
            wait = door.start(
                *[lambda s, i=i, e=e: s.delete(BOX, i, expect=e) for i, e in etags.items()]
            )
            eventually(lambda: queued(door) + in_flight(door) >= len(etags))
        answers = dict(zip(etags, wait(), strict=True))
        assert isinstance(answers.pop("05").error, ConstraintViolation)
        assert {i: a.error for i, a in answers.items() if a.error} == {}
        assert [i for i in etags if other.get(BOX, i)] == ["05"]


@pytest.mark.parametrize("bad", ["text", "time"])
def test_a_row_that_can_not_be_read_fails_alone(db: str, door_type: type[Door], bad: str) -> None:
    postgres = db.startswith("postgresql")
    if postgres and bad == "text":
        return  # it stores no text that is not valid
    with direct(db) as other, opened(door_type, db) as door:
        for n in range(20):
            other.put(BOX, f"{n:02}", Count(n, "secret"))
        if postgres:
            with admin(db) as connection:
                connection.execute("UPDATE box SET updated_at='infinity' WHERE actor_id='07'")
        else:
            change = {
                "text": "note = CAST(x'736563726574ff' AS TEXT)",
                "time": "updated_at = 'never'",
            }[bad]
            with sqlite3.connect(str(make_url(db).database)) as lite:
                lite.execute(f"UPDATE box SET {change} WHERE actor_id = '07'")
            lite.close()
        answers = door.run(*[lambda s, n=n: s.get(BOX, f"{n:02}") for n in range(20)])
        broken = answers.pop(7)
        assert [a.error for a in answers if a.error] == []  # nobody else's read failed
        assert isinstance(broken.error, CorruptState), broken.error
        shown: BaseException | None = broken.error
        while shown is not None:
            assert "secret" not in str(shown)
            shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
        [refused] = door.run(put("07", Count()))
        assert isinstance(refused.error, CorruptState)
        [mended] = door.run(lambda s: s.put(BOX, "07", Count(), overwrite_corrupt=True))
        assert mended.error is None


def test_cancelled_in_the_queue_is_certainly_not_written(proxy: FaultProxy, pg: str) -> None:
    async def scenario() -> list[object]:
        async with AsyncSQLStorage(proxy.url, ACTORS) as storage:
            await storage.put(BOX, "warm", Count())
            lane = storage._core.lanes._writing[0]
            while lane._in_flight:
                await asyncio.sleep(0.01)
            with proxy.frozen():
                first = asyncio.create_task(storage.put(BOX, "00", Count(), expect=ABSENT))
                while not lane._in_flight:
                    await asyncio.sleep(0.01)
                # Of one actor too: what waits behind goes on when the one before it is gone.
                tasks = [
                    asyncio.create_task(storage.put(BOX, f"{n % 6:02}", Count(), expect=ABSENT))
                    for n in range(1, 18)
                ]
                await asyncio.sleep(0.05)
                for task in tasks[:11]:
                    task.cancel()
                await asyncio.sleep(0.05)
            return await asyncio.gather(first, *tasks, return_exceptions=True)

    first, *results = asyncio.run(scenario())
    assert not isinstance(first, Exception)
    assert all(isinstance(result, asyncio.CancelledError) for result in results[:11])
    # Behind them, each actor was created by the first that was left, save "00", which is there.
    assert [getattr(result, "kind", None) for result in results[11:]] == ["exists"] + [None] * 5
    with direct(pg) as other:
        assert scalar(pg, "SELECT count(*) FROM box WHERE version = 1") == 7
        assert found(other, "01").etag == results[12]


def test_cancelled_in_flight_leaves_its_actor_usable(proxy: FaultProxy, pg: str) -> None:
    mine = Etag(uuid4())

    async def scenario() -> Etag:
        async with AsyncSQLStorage(proxy.url, ACTORS) as storage:
            before = await storage.put(BOX, "a", Count())
            lane = storage._core.lanes._writing[0]
            while lane._in_flight:
                await asyncio.sleep(0.01)
            with proxy.frozen():
                task = asyncio.create_task(
                    storage.put(BOX, "a", Count(1), expect=before, etag=mine)
                )
                while not lane._in_flight:
                    await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await storage.put(BOX, "a", Count(2), timeout=3)
            got = await storage.get(BOX, "a")
            assert got and got.version == 3  # it was sent, so it was applied before the next
            return before

    asyncio.run(scenario())


def test_writes_of_one_actor_keep_their_order(db: str) -> None:
    async def scenario() -> None:
        async with AsyncSQLStorage(db, ACTORS) as storage:
            etags = [Etag(uuid4()) for _ in range(50)]
            before: list[Etag | Expect] = [ABSENT, *etags]
            chain = zip(before, etags, strict=False)
            tasks = [
                asyncio.create_task(storage.put(BOX, "a", Count(n), expect=e, etag=mine))
                for n, (e, mine) in enumerate(chain)
            ]
            noise = [asyncio.create_task(storage.put(BOX, f"{n}", Count())) for n in range(50)]
            assert await asyncio.gather(*tasks) == etags
            await asyncio.gather(*noise)
            handle = storage.handle(BOX, "b")
            await asyncio.gather(*[handle.put(Count(n)) for n in range(10)])
            got = await storage.get(BOX, "b")
            assert got and (got.version, got.state.count) == (10, 9)
            made = asyncio.create_task(storage.put(OTHER, "c", Count(), expect=ABSENT, etag=mine_))
            gone = asyncio.create_task(storage.delete(OTHER, "c", expect=mine_))
            await asyncio.gather(made, gone)
            assert await storage.get(OTHER, "c") is NOT_PRESENT

    mine_ = Etag(uuid4())
    asyncio.run(scenario())


def test_both_doors_at_once(db: str) -> None:
    with opened(SyncDoor, db) as sync_door, opened(AsyncDoor, db) as async_door:
        waits = [
            door.start(*[put(f"{n % 10}", Count(n)) for n in range(50)])
            for door in (sync_door, async_door)
        ]
        answers = [answer for wait in waits for answer in wait()]
    assert not [a.error for a in answers if a.error]
    with direct(db) as other:
        assert {found(other, f"{n}").version for n in range(10)} == {10}


def test_two_hundred_threads(db: str) -> None:
    with opened(SyncDoor, db) as door:
        answers = door.run(*[create(f"{n}", Count(n)) for n in range(200)])
        assert not [a.error for a in answers if a.error]
        etags = [a.value for a in answers]
        answers = door.run(*[swap(f"{n}", Count(n), etags[n]) for n in range(200)])
        assert not [a.error for a in answers if a.error]
        got = door.run(*[lambda s, n=n: s.get(BOX, f"{n}") for n in range(200)])
        # Everybody got the answer for their own row.
        assert [g.value.state.count for g in got] == list(range(200))
        assert [g.value.etag for g in got] == [a.value for a in answers]
        mixed = door.run(*[swap(f"{n}", Count(), etags[n]) for n in range(200)])
        assert {a.error.kind for a in mixed if isinstance(a.error, Conflict)} == {"stale"}
        assert all(isinstance(a.error, Conflict) for a in mixed)


def test_close_finishes_what_is_queued_and_then_refuses(
    proxy: FaultProxy, pg: str, door_type: type[Door]
) -> None:
    door = door_type(proxy.url)
    door.run(put("warm", Count()))
    with proxy.frozen():
        wait = door.start(*[create(f"{n}", Count()) for n in range(30)])
        eventually(lambda: queued(door) + in_flight(door) >= 30)
        closing = threading.Thread(target=door.storage._core.lanes.close)
        closing.start()
        time.sleep(0.1)
        late = door.run(create("late", Count()), lambda s: s.get(BOX, "warm"))
    closing.join(10)
    assert not closing.is_alive()
    assert not [a.error for a in wait() if a.error]
    assert all(isinstance(a.error, StorageClosed) for a in late)
    door.close()
    with direct(pg) as other:
        assert other.get(BOX, "late") is NOT_PRESENT
        assert scalar(pg, "SELECT count(*) FROM box") == 31


def test_close_never_says_nothing_was_sent_of_what_was(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn of the loop has a write and a read; the storage is closed between the two."""

    async def scenario() -> object:
        storage = AsyncSQLStorage(db, ACTORS)
        await storage.put(BOX, "warm", Count())
        lanes = storage._core.lanes
        session = lanes._writing[0]._session
        assert session is not None
        reads_put, run = lanes._reads.put, session.run

        def put_after_close(operations: Iterable[Operation]) -> None:
            eventually(lambda: scalar(db, "SELECT count(*) FROM box") == 2)
            lanes._reads.close()
            reads_put(operations)

        def answer_late(statement: Statement, rows: list[tuple[Any, ...]]) -> list[Any]:
            answers = run(statement, rows)
            time.sleep(0.3)
            return answers

        monkeypatch.setattr(lanes._reads, "put", put_after_close)
        monkeypatch.setattr(session, "run", answer_late)
        results = await asyncio.gather(
            storage.put(BOX, "a", Count(), expect=ABSENT),
            storage.get(BOX, "a"),
            return_exceptions=True,
        )
        monkeypatch.undo()
        await storage.close()
        assert isinstance(results[1], StorageClosed)
        return results[0]

    assert not isinstance(asyncio.run(scenario()), Exception)


def test_a_loop_that_is_closed_while_a_write_is_under_way(proxy: FaultProxy, pg: str) -> None:
    storage = AsyncSQLStorage(proxy.url, ACTORS)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(storage.put(BOX, "warm", Count()))
    lane = storage._core.lanes._writing[0]
    eventually(lambda: not lane._in_flight)
    with proxy.frozen():
        tasks = [
            loop.create_task(storage.put(BOX, f"{n}", Count(), expect=ABSENT)) for n in range(3)
        ]
        while not lane._in_flight:
            loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()
    eventually(lambda: not lane._in_flight)
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]

    async def go_on() -> None:
        await storage.put(BOX, "0", Count(2), timeout=5)
        await storage.close()

    asyncio.run(go_on())
    with direct(pg) as other:
        assert found(other, "0").version == 2


def test_an_interrupted_caller_leaves_the_storage_usable(proxy: FaultProxy, pg: str) -> None:
    with SQLStorage(proxy.url, ACTORS) as storage, direct(pg) as other:
        etag = storage.put(BOX, "a", Count())
        main = threading.main_thread().ident
        assert main is not None
        with proxy.frozen():
            threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
            with pytest.raises(KeyboardInterrupt):
                storage.put(BOX, "a", Count(1), expect=etag)
        storage.put(BOX, "a", Count(2), timeout=5)
        assert found(other, "a").version == 3


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_what_a_write_met_is_asked_where_it_was_sent(pg: str, new_pg: NewDatabase) -> None:
    """The reads may be with a leader that was deposed, for whom nothing has happened since."""
    with new_pg() as behind:
        create_tables(behind)
        with direct(pg) as leader, direct(behind) as former:
            before = leader.put(BOX, "a", Count())
            former.put(BOX, "a", Count(), etag=before)
            leader.put(BOX, "a", Count(1), expect=before)

        def connect() -> psycopg.Connection[Any]:
            is_reading = "read" in threading.current_thread().name
            url = make_url(behind if is_reading else pg).set(drivername="postgresql")
            return psycopg.connect(url.render_as_string(hide_password=False))

        engine = sa.create_engine("postgresql+psycopg://", creator=connect)
        with SQLStorage(engine, ACTORS) as storage:
            stale: Any = storage.get(BOX, "a")
            assert stale.etag == before
            with pytest.raises(Conflict) as caught:
                storage.put(BOX, "a", Count(2), expect=before)
            assert caught.value.kind == "stale"
            etag = storage.put(BOX, "a", Count(3))  # overwrites what is there, at once
            with direct(pg) as leader:
                assert found(leader, "a").etag == etag
                leader.put(BOX, "b", Count())
                with pytest.raises(Conflict):
                    storage.delete(BOX, "b", expect=ABSENT)
                storage.delete(BOX, "b")
                storage.delete(BOX, "a")
                assert not leader.get(BOX, "a") and not leader.get(BOX, "b")


def test_nothing_is_left_behind(db: str, door_type: type[Door]) -> None:
    threads = set(threading.enumerate())
    files = open_files()
    for _ in range(3):
        with opened(door_type, db, writers=2) as door:
            answers = door.run(*[put(f"{n}", Count()) for n in range(20)])
            assert not [a.error for a in answers if a.error]
    assert {t for t in threading.enumerate() if t.is_alive()} <= threads
    assert open_files() <= files + 1
    if db.startswith("postgresql"):
        others = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
        eventually(lambda: scalar(db, others) == 0, 3)


def test_two_writers_serve_an_actor_in_order(pg: str, door_type: type[Door]) -> None:
    with opened(door_type, pg, writers=3, max_batch_rows=4) as door:
        answers = door.run(*[put(f"{n % 7}", Count(n)) for n in range(140)])
        assert not [a.error for a in answers if a.error]
    with direct(pg) as other:
        assert {found(other, f"{n}").version for n in range(7)} == {20}


def test_a_defect_in_a_lane_leaves_nobody_waiting(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the actor of a caller whose deadline passed while the defect showed."""
    door = SyncDoor(db, timeout=5)
    door.run(put("a", Count()))
    lane = door.storage._core.lanes._writing[0]
    eventually(lambda: not lane._in_flight)

    def broken(*args: object) -> None:
        time.sleep(1.2)
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(lane, "_settle", broken)
        [hit] = door.run(lambda s: s.put(BOX, "a", Count(1), timeout=0.3))
        assert isinstance(hit.error, OutcomeUnknown)
        eventually(lambda: not lane._in_flight)
    [after] = door.run(lambda s: s.put(BOX, "a", Count(2), timeout=3))
    closing = threading.Thread(target=door.close, daemon=True)
    closing.start()
    closing.join(5)
    assert not closing.is_alive(), "close() waits for an operation that no lane holds"
    assert after.error is None


def test_the_watchdog_survives_a_connection_that_goes_under_it(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SQLStorage(db, ACTORS, timeout=0.5) as storage:
        storage.put(BOX, "a", Count())
        lanes = storage._core.lanes

        def kill() -> None:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")

        lane = lanes._writing[0]
        session = lane._session
        assert session is not None
        run = session.run

        def slowly(statement: Statement, rows: list[tuple[Any, ...]]) -> list[Any]:
            time.sleep(1.4)
            return run(statement, rows)

        with monkeypatch.context() as patch:
            patch.setattr(session, "kill", kill)
            patch.setattr(session, "run", slowly)
            with pytest.raises(OutcomeUnknown):
                storage.put(BOX, "a", Count(1))
            eventually(lambda: not lane._in_flight)
        assert lanes._watchdog.is_alive(), "no deadline is kept from now on"
