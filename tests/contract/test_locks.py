"""What others hold, rows or tables or the whole file: it is waited for, and no longer than that."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.contract.doors import Call, Door, MakeDoor
from theater_sql import ActorRegistry, OutcomeUnknown, Unavailable


@contextmanager
def held(url: str, statement: str, seconds: float) -> Iterator[None]:
    """Hold the locks of a statement in a transaction of somebody else's for some seconds."""
    engine = sa.create_engine(url, poolclass=NullPool)
    taken = threading.Event()

    def hold() -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
            taken.set()
            time.sleep(seconds)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert taken.wait(10)
        yield
    finally:
        thread.join()


@pytest.fixture
def door(make_door: MakeDoor, pg_url: str) -> Iterator[Door]:
    with make_door(pg_url, ActorRegistry(), timeout=4.0) as door:
        door.create_all()
        for n in range(16):
            door.put("A", f"a{n}", 0)
        yield door


ALL = "LOCK TABLE theater_actor IN ACCESS EXCLUSIVE MODE"


@pytest.mark.parametrize("callers", [1, 16])
def test_reads_go_on_once_a_locked_table_is_free(door: Door, pg_url: str, callers: int) -> None:
    # A migration's ALTER TABLE, for half a second
    with held(pg_url, ALL, 0.3):
        start = time.monotonic()
        results = door.together([Call(door, "get", "A", f"a{n}") for n in range(callers)])
        assert [r for r in results if isinstance(r, BaseException)] == []
        assert time.monotonic() - start < 3


@pytest.mark.parametrize("callers", [1, 16])
def test_writes_go_on_once_a_locked_table_is_free(door: Door, pg_url: str, callers: int) -> None:
    with held(pg_url, ALL, 0.3):
        results = door.together([Call(door, "put", "A", f"a{n}", 1) for n in range(callers)])
        assert [r for r in results if isinstance(r, BaseException)] == []


def test_neighbours_of_a_held_row_are_served_at_once_and_it_once_it_is_free(
    door: Door, pg_url: str
) -> None:
    etags = [door.get("A", f"a{n}").etag for n in range(16)]
    done: dict[int, float] = {}
    with held(pg_url, "SELECT * FROM theater_actor WHERE actor_id = 's:a5' FOR UPDATE", 0.8):
        start = time.monotonic()

        def put_all() -> None:
            calls = [
                Call(door, "put", "A", f"a{n}", 1, expect=etags[n]) for n in range(16) if n != 5
            ]
            results = door.together(calls)
            assert [r for r in results if isinstance(r, BaseException)] == []
            done[0] = time.monotonic() - start

        thread = threading.Thread(target=put_all)
        thread.start()
        door.put("A", "a5", 1, expect=etags[5])
        assert time.monotonic() - start > 0.5
        thread.join()
    assert done[0] < 0.7
    assert door.get("A", "a5").version == 2


def test_closing_does_not_hang_after_a_call_that_a_lock_outlasted(
    make_door: MakeDoor, pg_url: str
) -> None:
    with make_door(pg_url, ActorRegistry(), timeout=0.4) as door:
        door.create_all()
        door.put("A", "a", 0)
        with held(pg_url, ALL, 3.0):
            with pytest.raises(Unavailable):
                door.get("A", "a")
            with pytest.raises((Unavailable, OutcomeUnknown)):
                door.put("A", "a", 1)
        core = door.raw._core
        closer = threading.Thread(target=core.lanes.close, daemon=True)
        closer.start()
        closer.join(5)
        assert not closer.is_alive(), "close() hangs"


def test_an_actor_whose_write_was_given_up_can_be_written_again(
    make_door: MakeDoor, pg_url: str
) -> None:
    with make_door(pg_url, ActorRegistry(), timeout=0.4) as door:
        door.create_all()
        etag = door.put("A", "a", 0)
        with (
            held(pg_url, "SELECT * FROM theater_actor FOR UPDATE", 0.7),
            pytest.raises((Unavailable, OutcomeUnknown)),
        ):
            door.put("A", "a", 1, expect=etag)
        time.sleep(0.3)
        door.put("A", "a", 2, timeout=5.0)
        assert door.get("A", "a").state == 2


def test_a_writer_of_another_process_is_waited_for(make_door: MakeDoor, sqlite_url: str) -> None:
    with make_door(sqlite_url, ActorRegistry(), timeout=5.0) as door:
        door.create_all()
        door.put("A", "a", 0)
        with other_writer(sqlite_url, 0.5):
            assert door.get("A", "a").state == 0  # readers are not held up
            door.put("A", "a", 1)
        assert door.get("A", "a").version == 2


def test_a_writer_that_outlasts_the_deadline_is_unavailable(
    make_door: MakeDoor, sqlite_url: str
) -> None:
    with make_door(sqlite_url, ActorRegistry(), timeout=5.0) as door:
        door.create_all()
        etag = door.put("A", "a", 0)
        with other_writer(sqlite_url, 1.0):
            start = time.monotonic()
            with pytest.raises((Unavailable, OutcomeUnknown), match="somebody else writes"):
                door.put("A", "a", 1, expect=etag, timeout=0.5)
            assert 0.4 < time.monotonic() - start < 0.9
        time.sleep(0.3)
        assert door.get("A", "a").etag == etag


@contextmanager
def other_writer(url: str, seconds: float) -> Iterator[None]:
    connection = sqlite3.connect(str(sa.make_url(url).database), check_same_thread=False)
    connection.isolation_level = None
    connection.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(seconds, lambda: connection.execute("COMMIT"))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        connection.close()
