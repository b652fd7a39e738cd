"""Threads use the same Theater, and none of them waits for ever."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from tests.faults.support import create_tables, direct, found
from tests.faults.test_processes import in_child
from tests.host.memory import Failures, MemoryStorage, Puppet, crash, increment, peek, returning
from theater_sql.host import (
    Actor,
    AskTimeout,
    NoUpdate,
    Outcome,
    Persist,
    Stop,
    SyncTheater,
    Theater,
    TheaterClosed,
)


def test_threads_send_ask_activate_and_are_told_what_fails() -> None:
    storage = MemoryStorage()
    failures = Failures()
    with SyncTheater(Theater(storage, on_error=failures)) as theater:
        assert not theater.activate(Puppet, "a")
        theater.send(Puppet, "a", increment)
        assert theater.ask(Puppet, "a", increment) == 2
        assert theater.activate(Puppet, "a")
        with pytest.raises(ValueError, match="can't go on with 2"):
            theater.ask(Puppet, "a", crash)
        theater.send(Puppet, "a", crash)
        assert theater.ask(Puppet, "a", peek) == ("process", 2)
        assert theater.ask(Puppet, "a", returning(Stop.delete(reply="gone"))) == "gone"
    assert failures.errors == [ValueError]
    assert not storage.rows


def test_many_threads_lose_nothing() -> None:
    storage = MemoryStorage()
    with SyncTheater(Theater(storage, max_activations=3)) as theater:

        def work(number: int) -> None:
            for turn in range(50):
                (theater.send, theater.ask)[turn % 2](Puppet, turn % 5, increment)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(work, range(16)))
    assert [storage.state(Puppet, n) for n in range(5)] == [16 * 10] * 5


def test_close_processes_what_was_accepted_refuses_the_rest_and_ends_the_thread() -> None:
    storage = MemoryStorage()
    before = threading.active_count()
    theater = SyncTheater(Theater(storage))
    for number in range(100):
        theater.send(Puppet, number, increment)
    theater.close()
    theater.close()
    assert len(storage.rows) == 100
    assert threading.active_count() == before
    for door in (theater.send, theater.ask):
        with pytest.raises(TheaterClosed, match="not accepted"):
            door(Puppet, "a", increment)
    with pytest.raises(TheaterClosed):
        theater.drain()


def test_after_a_drain_nothing_is_left_to_do() -> None:
    storage = MemoryStorage()
    with SyncTheater(Theater(storage)) as theater:
        theater.send(Puppet, "a", increment)
        theater.drain()
        assert storage.state(Puppet, "a") == 1
        with pytest.raises(TheaterClosed):
            theater.send(Puppet, "a", increment)


def test_calls_that_race_with_close_are_all_answered() -> None:
    for _ in range(20):
        storage = MemoryStorage()
        theater = SyncTheater(Theater(storage))
        counts = [0] * 4

        def work(number: int, theater: SyncTheater = theater, counts: list[int] = counts) -> None:
            with suppress(TheaterClosed):
                while True:
                    theater.ask(Puppet, "a", increment)
                    counts[number] += 1

        threads = [threading.Thread(target=work, args=[n], daemon=True) for n in range(4)]
        closers = [threading.Thread(target=theater.close, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.005)
        for thread in closers:
            thread.start()
        for thread in (*threads, *closers):
            thread.join(10)
            assert not thread.is_alive(), "a call was never answered"
        assert storage.rows
        assert storage.state(Puppet, "a") == sum(counts)


def test_an_ask_that_times_out_leaves_the_message_to_be_processed() -> None:
    storage = MemoryStorage()
    gate = storage.gates["put"] = asyncio.Event()
    with SyncTheater(Theater(storage)) as theater:
        with pytest.raises(AskTimeout):
            theater.ask(Puppet, "a", increment, timeout=0.05)
        theater._loop.call_soon_threadsafe(gate.set)
    assert storage.state(Puppet, "a") == 1


def test_an_actor_that_would_wait_for_its_own_thread_is_told() -> None:
    theater = SyncTheater(Theater(MemoryStorage()))
    doors: list[Callable[..., Any]] = [
        lambda: theater.ask(Puppet, "b", increment),
        lambda: theater.send(Puppet, "b", increment),
        theater.close,
    ]

    class Waits(Actor[int]):
        def process(self, state: int | None, actor_id: str, message: int) -> Outcome[int]:
            doors[message]()
            return NoUpdate()

    with theater:
        for number in range(len(doors)):
            with pytest.raises(RuntimeError, match="would wait for"):
                theater.ask(Waits, "a", number)
        assert theater.ask(Puppet, "a", increment) == 1


def test_actors_ask_others_as_ever() -> None:
    class Asker(Actor[int]):
        async def process(self, state: int | None, actor_id: str, message: Any) -> Outcome[int]:
            return Persist(await self.theater.ask(Puppet, "b", message))

    storage = MemoryStorage()
    with SyncTheater(Theater(storage)) as theater:
        theater.ask(Asker, "a", increment)
    assert storage.state(Asker, "a") == 1


def test_a_forked_child_is_refused_and_its_parent_goes_on() -> None:
    storage = MemoryStorage()

    def child() -> None:
        with pytest.raises(TheaterClosed):
            theater.ask(Puppet, "a", increment)
        theater.close()

    with SyncTheater(Theater(storage)) as theater:
        theater.send(Puppet, "a", increment)
        assert in_child(child) == 0
        assert theater.ask(Puppet, "a", increment) == 2


def test_a_child_forked_while_others_hand_messages_over_is_refused_too() -> None:
    def child() -> None:
        signal.alarm(5)  # which ends it, if it waits
        with pytest.raises(TheaterClosed):
            theater.ask(Puppet, "a", increment)
        theater.close()

    def work(number: int) -> None:
        while not done.is_set():
            theater.ask(Puppet, number, peek)

    done = threading.Event()
    with SyncTheater(Theater(MemoryStorage())) as theater, ThreadPoolExecutor(4) as pool:
        working = [pool.submit(work, number) for number in range(4)]
        try:
            assert [in_child(child) for _ in range(20)] == [0] * 20
        finally:
            done.set()
        for each in working:
            each.result()


UNCLOSED = """
import sys
from tests.faults.support import ACTORS
from tests.faults.workers import Counter
from theater_sql import AsyncSQLStorage
from theater_sql.host import SyncTheater, Theater

theater = SyncTheater(Theater(AsyncSQLStorage(sys.argv[1], ACTORS)))
for n in range(500):
    theater.send(Counter, str(n % 10), "up")
"""


def test_what_was_sent_before_the_end_of_the_interpreter_is_stored(url: str) -> None:
    create_tables(url)
    done = subprocess.run(
        [sys.executable, "-c", UNCLOSED, url], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    with direct(url) as storage:
        assert [found(storage, str(n)).state.count for n in range(10)] == [50] * 10


ENDED = """
import threading
from tests.host.memory import MemoryStorage, Puppet, increment
from theater_sql.host import SyncTheater, Theater, TheaterClosed


class Exits(Puppet):
    __actor_name__ = "Exits"

    def init(self, actor_id, message):
        raise SystemExit


def ask(actor):
    try:
        while True:
            theater.ask(actor, "a", increment)
    except TheaterClosed:
        pass


for _ in range(30):
    theater = SyncTheater(Theater(MemoryStorage()))
    actors = Puppet, Puppet, Puppet, Exits
    threads = [threading.Thread(target=ask, args=[actor], daemon=True) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    theater.close()
    print("waits" if any(thread.is_alive() for thread in threads) else "told")
"""


def test_an_actor_that_ends_the_thread_leaves_nobody_waiting() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDED], stdout=subprocess.PIPE, text=True, timeout=60
    )
    assert done.stdout.split() == ["told"] * 30
