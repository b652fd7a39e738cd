"""Processes that end without closing, and processes that fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from tests.faults.support import (
    ACTORS,
    BOX,
    Count,
    bounded,
    direct,
    eventually,
    found,
    no_writer,
    scalar,
)
from theater_sql import ABSENT, NOT_PRESENT, SQLStorage, StorageClosed, StorageError

EXITS = """
import asyncio, sys, threading
from tests.faults.support import ACTORS, BOX, Count
from theater_sql import AsyncSQLStorage, SQLStorage

storage = SQLStorage(sys.argv[1], ACTORS)
storage.put(BOX, "acked", Count())
# Nobody waits for these: daemon threads, which end with the interpreter.
for n in range(30):
    call = lambda n=n: storage.put(BOX, str(n), Count())
    threading.Thread(target=call, daemon=True).start()

async def leave():
    other = AsyncSQLStorage(sys.argv[1], ACTORS)
    await asyncio.gather(*[other.put(BOX, f"a{n}", Count()) for n in range(30)])

asyncio.run(leave())
"""

UNREACHABLE = """
import sys
from tests.faults.support import ACTORS, BOX, Count
from theater_sql import SQLStorage, Unavailable

storage = SQLStorage("postgresql+psycopg://nobody@127.0.0.1:1/none", ACTORS, timeout=0.3)
try:
    storage.put(BOX, "a", Count())
except Unavailable:
    print("unavailable")
"""


def test_an_interpreter_that_ends_without_close(db: str) -> None:
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", EXITS, db], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start < 20
    assert "Traceback" not in done.stderr
    with direct(db) as other:
        for actor_id in ("acked", *[f"a{n}" for n in range(30)]):
            assert found(other, actor_id).version == 1


def test_an_interpreter_that_ends_while_the_server_is_away() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNREACHABLE], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "unavailable"), done.stderr


def in_child(action: Callable[[], object]) -> int:
    """Fork, run the action in the child, and return the child's exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    end = time.monotonic() + 15
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -9


def sessions(url: str) -> set[int]:
    sql = (
        "SELECT coalesce(array_agg(pid), '{}') FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    return set(scalar(url, sql))


def test_a_forked_child_uses_the_storage_and_leaves_the_parents_connections(db: str) -> None:
    postgres = db.startswith("postgresql")
    with SQLStorage(db, ACTORS) as storage:
        storage.put(BOX, "parent", Count(1))
        eventually(lambda: storage._core.lanes._started)
        before = sessions(db) if postgres else set()

        def child() -> None:
            storage.put(BOX, "child", Count(2))
            assert found(storage, "parent").state == Count(1)
            storage.close()
            try:
                storage.get(BOX, "child")
            except StorageClosed:
                return
            raise AssertionError("a closed storage served the child")

        for _ in range(3):
            assert in_child(child) == 0
        assert in_child(lambda: storage.close()) == 0  # that never used it
        storage.put(BOX, "parent", Count(3))
        assert found(storage, "parent").version == 2
        assert found(storage, "child").version == 3
        if postgres:
            assert before <= sessions(db)  # the very same sessions serve the parent


def test_a_fork_in_the_middle_of_everything(db: str) -> None:
    """Whatever lock a thread of the parent holds at that moment, the child is not stopped by it."""
    with SQLStorage(db, ACTORS) as storage:
        storage.put(BOX, "a", Count())
        lanes = storage._core.lanes
        for lock in (lanes._writes._lock, lanes._reads._lock, lanes._lock):
            with lock:

                def child() -> None:
                    storage.put(BOX, "a", Count(), timeout=5)
                    storage.close()

                assert in_child(child) == 0
            with lock:
                assert in_child(storage.close) == 0
        assert found(storage, "a").version == 4


def test_a_fork_while_writes_wait(lite: str) -> None:
    """They are the parent's: it writes them, once."""
    with SQLStorage(lite, ACTORS) as storage:
        storage.put(BOX, "a", Count())
        with no_writer(lite):
            ended: list[bool] = []

            def write() -> None:
                storage.put(BOX, "b", Count())
                ended.append(True)

            assert not bounded(write, 0.2)
            assert in_child(lambda: found(storage, "a")) == 0
            assert in_child(storage.close) == 0
            assert storage.get(BOX, "b") is NOT_PRESENT
        eventually(lambda: ended == [True])
        assert found(storage, "b").version == 1


@pytest.mark.parametrize("times", [1, 2])
def test_closing_is_final_and_may_be_repeated(db: str, times: int) -> None:
    storage = SQLStorage(db, ACTORS)
    storage.put(BOX, "a", Count())
    for _ in range(times):
        storage.close()
    with pytest.raises(StorageClosed):
        storage.put(BOX, "a", Count())
    unused = SQLStorage(db, ACTORS)
    unused.close()
    with pytest.raises(StorageClosed):
        unused.get(BOX, "a")


def test_a_first_call_while_the_storage_is_closed(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is served or refused; it never waits in a queue that no lane serves."""
    storage = SQLStorage(db, ACTORS)
    lanes = storage._core.lanes
    close = lanes._writes.close
    told: list[type[Exception]] = []

    def call() -> None:
        try:
            storage.put(BOX, "a", Count(), expect=ABSENT, timeout=2)
        except StorageError as error:
            told.append(type(error))

    caller = threading.Thread(target=call, daemon=True)

    def close_late() -> None:
        caller.start()
        caller.join(0.5)  # it comes between the decision to close and the end of the queue
        close()

    monkeypatch.setattr(lanes._writes, "close", close_late)
    assert bounded(storage.close, 10)
    caller.join(5)
    assert not caller.is_alive(), "the call waits for ever"
    assert told in ([], [StorageClosed])


def test_what_a_child_writes_after_its_parent_closed_is_there(lite: str) -> None:
    """SQLite keeps file locks in the memory of the process, which a fork copies without them."""
    parent_closed, child_ready = os.pipe(), os.pipe()
    storage = SQLStorage(lite, ACTORS)
    storage.put(BOX, "parent", Count())
    child = os.fork()
    if child == 0:
        status = 1
        try:
            storage.put(BOX, "first", Count())
            os.write(child_ready[1], b"x")
            os.read(parent_closed[0], 1)
            for n in range(20):
                storage.put(BOX, f"late{n}", Count(n))
            storage.close()
            status = 0
        finally:
            os._exit(status)
    os.read(child_ready[0], 1)
    storage.close()
    os.write(parent_closed[1], b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for end in (*parent_closed, *child_ready):
        os.close(end)
    with direct(lite) as other:
        assert [n for n in range(20) if other.get(BOX, f"late{n}") is NOT_PRESENT] == []


def test_children_that_were_forked_while_a_lane_wrote_can_write(lite: str) -> None:
    with SQLStorage(lite, ACTORS) as storage:
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                storage.put(BOX, "busy", Count())

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(6):
                assert in_child(lambda: storage.put(BOX, "child", Count())) == 0
        finally:
            stop.set()
            thread.join()
