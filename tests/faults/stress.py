"""Callers that do everything there is to do, and record what they were told.

One text serves threads and tasks: a thread runs its coroutine against a door that never waits.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from tests.faults.audit import KINDS, POISON, Actor, state_of
from theater_sql import (
    ABSENT,
    OVERWRITE,
    AsyncSQLStorage,
    SQLStorage,
)
from theater_sql.contract import Expect
from theater_sql.testing import History, Row, Told, Write

HOT = 5
"""Actors of each kind that all callers share."""
SHORT = (0.0005, 0.03)
"""Deadlines that may pass, in seconds."""
DEADLINE = 30.0
"""Seconds that calls are given which are not hasty."""
LATE = ("Unavailable", "OutcomeUnknown")
"""The errors of a deadline that has passed."""
VIOLATIONS = ("ConstraintViolation", "InvalidState")


def allow(write: Write, *errors: str) -> None:
    """Let a write be answered by these errors as well."""
    write.lawful = frozenset({*(write.lawful or ()), *errors})


def allow_for_time(write: Write) -> None:
    """An overwrite may give up at its deadline, if others kept writing all that time."""
    contested = "Conflict" in (write.lawful or ())
    if contested and write.expect is OVERWRITE and write.end - write.start >= DEADLINE * 10**9:
        allow(write, *LATE)


class Blocking:
    """A storage for threads, in the words of the one for tasks."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    async def get(self, *args: Any, **options: Any) -> Any:
        return self._storage.get(*args, **options)

    async def put(self, *args: Any, **options: Any) -> Any:
        return self._storage.put(*args, **options)

    async def delete(self, *args: Any, **options: Any) -> Any:
        return self._storage.delete(*args, **options)

    async def get_many(self, *args: Any) -> Any:
        return self._storage.get_many(*args)

    async def put_many(self, *args: Any, **options: Any) -> Any:
        return self._storage.put_many(*args, **options)

    def handle(self, *args: Any) -> Any:
        return Blocking(self._storage.handle(*args))


class NeverStartedError(Exception):
    """The call was cancelled before its first step."""


class Caller:
    """Somebody who does one thing after the other, and remembers what was answered.

    ``_known`` is what an actor of its own has for certain; ``None`` after an unknown outcome.
    """

    def __init__(self, name: str, door: Any, history: History, tasks: bool) -> None:
        self._name = name
        self._door = door
        self._history = history
        self._tasks = tasks
        self._chance = random.Random(name)
        self._calls = itertools.count(1)
        self._known: dict[Any, UUID | Expect | None] = {}
        self._seen: dict[Any, UUID | Expect] = {}
        for kind in KINDS:
            self._known[Actor(kind, f"own {name}")] = ABSENT

    async def work(self, until: float) -> None:
        deeds: list[Callable[[], Awaitable[object]]] = [self._look, self._swap, self._swap]
        deeds += [self._overwrite, self._create, self._stale, self._delete, self._session]
        deeds += [self._poison, self._insist]
        if self._tasks:
            deeds.append(self._queue_up)
        while time.monotonic() < until:
            await self._chance.choice(deeds)()

    def _actor(self, kind: str | None = None, *, own: bool | None = None) -> Actor:
        kind = kind or self._chance.choice(KINDS)
        own = self._chance.random() < 0.5 if own is None else own
        return Actor(kind, f"own {self._name}" if own else f"hot {self._chance.randrange(HOT)}")

    def _new(
        self, actor: Actor, expect: UUID | Expect, *, alone: bool = False, **options: Any
    ) -> Write:
        """Return a write; one of a caller that is alone, or knows what is there, can't conflict."""
        known = self._known.get(actor)
        alone |= known is not None and expect in (known, OVERWRITE)
        tag = f"{self._name}.{next(self._calls)}"
        write = Write(actor, tag, expect, caller=self._name, **options)
        allow(write, "cancelled", *([] if alone else ["Conflict"]))
        return write

    # What callers do.

    async def _look(self) -> None:
        actor = self._actor()
        if self._tasks and self._chance.random() < 0.1:
            with suppress(asyncio.CancelledError, TimeoutError, NeverStartedError):
                await self._cancelled(self._door.get(*actor))
        else:
            await self._get(actor, lambda: self._door.get(*actor))

    async def _swap(self) -> None:
        actor = self._actor()
        expect = await self._expected(actor)
        if expect is not None:
            await self._put(self._new(actor, expect, etag=uuid4()))

    async def _overwrite(self) -> None:
        await self._put(self._new(self._actor(), OVERWRITE, etag=uuid4()))

    async def _create(self) -> None:
        await self._put(self._new(self._actor(), ABSENT, etag=uuid4()))

    async def _stale(self) -> None:
        wrong = uuid4()
        write = self._new(self._actor(), wrong, etag=uuid4(), must_fail=True)
        await (self._put(write) if self._chance.random() < 0.7 else self._remove(write))

    async def _delete(self) -> None:
        actor = self._actor()
        expect = await self._expected(actor) if self._chance.random() < 0.5 else OVERWRITE
        if expect is not None and expect is not ABSENT:
            await self._remove(self._new(actor, expect))

    async def _session(self) -> None:
        """Write through a handle, and go on after an error, which a handle must not."""
        actor = self._actor()
        handle = self._door.handle(*actor)
        expect = await self._get(actor, handle.get)
        for _ in range(self._chance.randrange(1, 4)):
            if expect is None:
                return
            write = self._new(actor, expect)
            await self._call(write, self._through(handle, write))
            if write.told is not Told.DONE:
                late = self._new(actor, OVERWRITE, must_fail=True)
                await self._call(late, self._through(handle, late))
                return
            expect = write.etag
        if expect is not None and self._chance.random() < 0.3:
            await self._call(self._new(actor, expect, deletes=True), handle.delete)

    async def _poison(self) -> None:
        """Write what a constraint, a column or a codec refuses."""
        kind, state = self._chance.choice(POISON)
        actor = self._actor(kind)
        expect = await self._expected(actor) if self._chance.random() < 0.5 else OVERWRITE
        if expect is not None:
            write = self._new(actor, expect, etag=uuid4(), must_fail=True)
            await self._call(
                write,
                lambda: self._door.put(*actor, state(write.tag), expect=expect, etag=write.etag),
            )

    async def _insist(self) -> None:
        """Send one write until it is certain, under one etag."""
        actor = self._actor(own=True)
        expect = self._known[actor]
        if expect is None:
            return
        write = self._new(actor, expect, etag=uuid4())
        for _ in range(3):
            await self._put(write)
            if write.told is not Told.UNKNOWN:
                return
            write = replace(write, told=Told.UNKNOWN, error="", start=0, end=0)

    async def _queue_up(self) -> None:
        """Queue writes of one actor, each expecting the one before it, and wait for none."""
        actor = Actor(self._chance.choice(KINDS), f"chain {self._name}")
        etags = [uuid4() for _ in range(self._chance.randrange(2, 12))]
        expects: list[UUID | Expect] = [ABSENT, *etags]
        writes = [
            self._new(actor, expect, etag=etag, alone=True)
            for expect, etag in zip(expects, etags, strict=False)
        ]
        calls = [self._call(write, self._putting(write)) for write in writes]
        last = self._new(actor, etags[-1], alone=True, deletes=True)
        calls.append(self._call(last, lambda: self._door.delete(*actor, expect=etags[-1])))
        await asyncio.gather(*[asyncio.create_task(call) for call in calls])

    # How they do it.

    async def _expected(self, actor: Actor) -> UUID | Expect | None:
        """Return an etag to expect: the right one of an own actor, one of a while ago, or new."""
        known = self._known.get(actor)
        if known is None and (actor not in self._seen or self._chance.random() < 0.7):
            return await self._get(actor, lambda: self._door.get(*actor))
        return known if known is not None else self._seen[actor]

    def _state(self, write: Write) -> Any:
        kind, name = write.actor
        contested = kind == "Medal" and self._chance.random() < 0.1
        contested &= not str(name).startswith("chain")
        if contested:
            allow(write, *VIOLATIONS)
        return state_of(kind, write.tag, self._chance, contested=contested)

    def _putting(self, write: Write, **options: Any) -> Callable[[], Any]:
        state = self._state(write)
        options |= {"expect": write.expect, "etag": write.etag}
        return lambda: self._door.put(*write.actor, state, **options)

    def _through(self, handle: Any, write: Write) -> Callable[[], Any]:
        state = self._state(write)
        return lambda: handle.put(state)

    async def _put(self, write: Write) -> None:
        await self._call(write, self._putting(write, **self._haste(write)), may_cancel=True)

    async def _remove(self, write: Write) -> None:
        write.deletes, write.etag = True, None
        options = {"expect": write.expect, **self._haste(write)}
        await self._call(write, lambda: self._door.delete(*write.actor, **options), may_cancel=True)

    def _haste(self, write: Write) -> dict[str, float]:
        if self._chance.random() >= 0.1:
            return {}
        allow(write, *LATE)
        return {"timeout": self._chance.uniform(*SHORT)}

    async def _call(
        self, write: Write, call: Callable[[], Any], *, may_cancel: bool = False
    ) -> None:
        """Make a call and record what its caller was told."""
        try:
            with self._history.write(write):
                cancel = may_cancel and self._tasks and self._chance.random() < 0.15
                result = await (self._cancelled(call()) if cancel else call())
                if write.etag not in (None, result):
                    self._history.surprises.append(f"{write}: answered another etag")
                write.etag = result
        except (asyncio.CancelledError, TimeoutError):
            write.error = "cancelled"
        except NeverStartedError:
            write.told, write.error = Told.REFUSED, "cancelled"
        except Exception as error:
            self._history.surprises.append(f"{write}: {error!r}")
        allow_for_time(write)
        self._learn(write)

    def _learn(self, write: Write) -> None:
        if write.told is Told.DONE:
            self._seen[write.actor] = write.etag or ABSENT
        if write.actor not in self._known or write.told is Told.REFUSED:
            return
        self._known[write.actor] = self._seen[write.actor] if write.told is Told.DONE else None

    async def _cancelled(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Start a call and cancel it at some moment, or before its first step."""
        if self._chance.random() < 0.5:
            return await asyncio.wait_for(call, self._chance.uniform(*SHORT))
        task = asyncio.create_task(call)
        turns = self._chance.choice((0, 1, 2, 4))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        if turns:
            return await task
        with suppress(asyncio.CancelledError):
            await task
        raise NeverStartedError

    async def _get(self, actor: Actor, get: Callable[[], Any]) -> UUID | Expect | None:
        """Read, record what was seen, and return its etag."""
        try:
            with self._history.read(actor) as read:
                found = await get()
                if found:
                    read.row = Row(found.etag, found.version, _tag_of(found.state))
        except Exception as error:
            self._history.surprises.append(f"a read of {actor}: {error!r}")
            return None
        known = self._known.get(actor)
        if known not in (None, found.etag):
            self._history.surprises.append(f"{self._name}: its own {actor} changed")
        self._seen[actor] = found.etag
        return found.etag if found else ABSENT


def _tag_of(state: Any) -> str:
    return str(state["tag"] if isinstance(state, dict) else state.tag)


def hammer(
    threads: SQLStorage, tasks: AsyncSQLStorage, counts: tuple[int, int], seconds: float
) -> History:
    """Have callers of both kinds do everything for a while; return what they were told."""
    history = History()
    until = time.monotonic() + seconds
    blocking = Blocking(threads)
    callers = [Caller(f"s{n}", blocking, history, False) for n in range(counts[0])]
    workers = [threading.Thread(target=finish, args=[caller.work(until)]) for caller in callers]

    async def all_tasks() -> None:
        waiting = [Caller(f"a{n}", tasks, history, True) for n in range(counts[1])]
        await asyncio.gather(*[caller.work(until) for caller in waiting])

    for worker in workers:
        worker.start()
    asyncio.run(asyncio.wait_for(all_tasks(), seconds + 90))
    for worker in workers:
        worker.join(90)
        assert not worker.is_alive(), "a caller was never answered"
    return history


def finish(coroutine: Coroutine[Any, Any, None]) -> None:
    with suppress(StopIteration):
        coroutine.send(None)
        raise AssertionError("a blocking call waited")
