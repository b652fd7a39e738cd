"""Two processes that compare and swap for as long as a test wants, and record every answer."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from multiprocessing import parent_process
from typing import Any
from uuid import uuid4

from tests.faults.audit import ACTORS, Actor, audited, prepare, state_of
from tests.faults.workers import CONTEXT, PATIENCE, run_many
from theater_sql import ABSENT, AsyncSQLStorage, StorageError
from theater_sql.contract import Etag, Expect
from theater_sql.testing import History, Row, Told, Write

PROCESSES, WRITERS = 2, 6
HOT = 8
"""Actors that all writers share."""
LAWFUL = frozenset({"Conflict", "Unavailable", "OutcomeUnknown"})
"""What a write may be answered while nobody leads."""
LONGEST = 600.0
"""Seconds after which no load goes on."""


class Writer:
    """Somebody who writes an actor of its own by etags, and a shared one by a handle."""

    def __init__(self, name: str, storage: AsyncSQLStorage, history: History) -> None:
        self._name = name
        self._storage = storage
        self._history = history
        self._chance = random.Random(name)
        self._numbers = itertools.count(1)
        self._own = Actor("Note", f"own {name}")
        self._known: Etag | Expect | None = None

    async def work(self, stop: Any) -> None:
        while not _is_over(stop):
            await self.take_turn()

    async def take_turn(self) -> None:
        await self._swap()
        await self._use_handle(Actor("Loose", f"hot {self._chance.randrange(HOT)}"))

    async def _swap(self) -> None:
        actor = self._own
        expect = self._known or await self._look(actor, partial(self._storage.get, *actor))
        if expect is None:
            return
        write = self._new(actor, expect)
        write.etag = etag = Etag(uuid4())
        state = self._state(write)
        await self._record(
            write,
            lambda: self._storage.put(*actor, state, expect=expect, etag=etag),
        )
        self._known = write.etag if write.told is Told.DONE else None

    async def _use_handle(self, actor: Actor) -> None:
        handle = self._storage.handle(*actor)
        expect = await self._look(actor, handle.get)
        if expect is not None:
            write = self._new(actor, expect)
            await self._record(write, partial(handle.put, self._state(write)))

    def _new(self, actor: Actor, expect: Etag | Expect) -> Write:
        return Write(actor, f"{self._name}.{next(self._numbers)}", expect, lawful=LAWFUL)

    def _state(self, write: Write) -> Any:
        return state_of(write.actor[0], write.tag, self._chance, contested=False)

    async def _look(self, actor: Actor, get: Callable[[], Awaitable[Any]]) -> Etag | Expect | None:
        """Read, record what was seen, and return what to expect; ``None`` where nobody leads."""
        try:
            with self._history.read(actor) as read:
                if found := await get():
                    read.row = Row(found.etag, found.version, _tag_of(found.state))
        except StorageError:
            return None
        return found.etag if found else ABSENT

    async def _record(self, write: Write, put: Callable[[], Awaitable[Etag]]) -> None:
        with self._history.write(write):
            write.etag = await put()


def _tag_of(state: Any) -> str:
    return str(state["tag"] if isinstance(state, dict) else state.tag)


def _is_over(stop: Any) -> bool:
    """Tell whether the test has ended, in whatever way."""
    tests = parent_process()
    return stop.is_set() or tests is None or not tests.is_alive()


def _hammer(
    go: Callable[[], object], number: int, begun: Any, stop: Any, url: str, timeout: float
) -> History:
    return asyncio.run(_write_until(go, number, begun, stop, url, timeout))


async def _write_until(
    go: Callable[[], object], number: int, begun: Any, stop: Any, url: str, timeout: float
) -> History:
    history = History()
    async with AsyncSQLStorage(url, ACTORS, timeout=timeout) as storage:
        names = [f"s{number * WRITERS + n}" for n in range(WRITERS)]
        writers = [Writer(name, storage, history) for name in names]
        go()
        await asyncio.gather(*[writer.take_turn() for writer in writers])
        begun.release()
        await asyncio.gather(*[writer.work(stop) for writer in writers])
    return history


class Load:
    """What the processes did: complete when the block of ``load`` has ended."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._forgiven = range(0)
        self.history = History()

    @contextmanager
    def two_leaders(self) -> Iterator[None]:
        """Forgive, while the block runs, what a leader does that does not know its successor.

        It acknowledges no write, but it can answer reads with what was true before.
        """
        start = time.monotonic_ns()
        yield
        self._forgiven = range(start, time.monotonic_ns())

    def judge(self) -> tuple[list[str], str]:
        """Return what can't be true of the history, and its figures."""
        stored, changes = audited(self._url)
        reads = [read for read in self.history.reads if read.end not in self._forgiven]
        faults = History(self.history.writes, reads).faults(stored, changes)
        forgiven = len(self.history.faults(stored, changes)) - len(faults)
        answers = Counter(write.told for write in self.history.writes)
        errors = Counter(write.error.partition(" ")[0] for write in self.history.writes)
        lost = sum("lost, though" in fault for fault in faults)
        doubled = sum(" times" in fault for fault in faults)
        return faults, (
            f"attempted {len(self.history.writes)}, acknowledged {answers[Told.DONE]}, {lost=}, "
            f"{doubled=}, unknown {answers[Told.UNKNOWN]}, conflicts {errors['Conflict']}, "
            f"unavailable {errors['Unavailable']}, not permitted {errors['NotPermitted']}, "
            f"violations {len(faults)}, {forgiven=}, reads {len(self.history.reads)}, "
            f"longest gap {self._longest_gap():.1f} s"
        )

    def _longest_gap(self) -> float:
        """Return how long nobody, in either process, was told that a write is done."""
        ends = sorted(write.end for write in self.history.writes if write.told is Told.DONE)
        return max((after - before) / 1e9 for before, after in pairwise(ends))


@contextmanager
def load(url: str, timeout: float) -> Iterator[Load]:
    """Have the processes write while the block runs; ``timeout`` is what each call is given."""
    prepare(url)
    made = Load(url)
    begun, stop = CONTEXT.Semaphore(0), CONTEXT.Event()
    work = partial(run_many, _hammer, PROCESSES, begun, stop, url, timeout, patience=LONGEST)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        try:
            for _ in range(PROCESSES):
                assert begun.acquire(timeout=PATIENCE), "a process did not begin to write"
            yield made
        finally:
            stop.set()
        for history in running.result():
            made.history.writes += history.writes
            made.history.reads += history.reads
