"""What the host's tests share: storages in memory, actors that do as they are told."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections import defaultdict
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, ParamSpec
from uuid import uuid4

from theater_sql.contract import (
    ABSENT,
    NOT_PRESENT,
    ActorId,
    ActorTypeLike,
    AsyncStorage,
    Etag,
    Found,
    NotPresent,
)
from theater_sql.errors import Conflict
from theater_sql.host import Actor, Failure, NoUpdate, Persist
from theater_sql.identity import type_name

P = ParamSpec("P")


class _Clock(selectors.DefaultSelector):
    """Waits for nothing: where the event loop would sleep, its time jumps instead."""

    now = 0.0
    looks = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.looks += 1
        if timeout is None or self.looks > 300_000:
            raise AssertionError("the test waits for ever")
        self.now += max(timeout, 1e-5)
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes as fast as it can, and the same on a busy machine."""

    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def on_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on a ``JumpingLoop``; one that hangs or leaves errors to the loop fails."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        unhandled: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            loop = runner.get_loop()
            loop.set_exception_handler(lambda loop, context: unhandled.append(context))
            runner.run(test(*args, **kwargs))
        assert unhandled == []

    return run


class MemoryStorage(AsyncStorage):
    """Keeps rows, notes calls, fails and waits on demand.

    Attributes:
        calls: the names of the calls so far.
        errors: by name of the call: what the next calls raise, one each.
        gates: by name of the call: an event that it waits for before it does anything.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Found[Any]] = {}
        self.calls: list[str] = []
        self.errors: defaultdict[str, list[Exception]] = defaultdict(list)
        self.gates: dict[str, asyncio.Event] = {}

    def state(self, actor_type: ActorTypeLike[Any], actor_id: ActorId) -> Any:
        """Return the stored state, or ``NOT_PRESENT``."""
        found = self.rows.get(_key(actor_type, actor_id))
        return found.state if found else NOT_PRESENT

    def write(self, actor_type: ActorTypeLike[Any], actor_id: ActorId, state: Any) -> Etag:
        """Store a state, as somebody else would."""
        found = self.rows.get(_key(actor_type, actor_id))
        version = found.version + 1 if found else 1
        row = Found(state, Etag(uuid4()), version, datetime.now(UTC))
        self.rows[_key(actor_type, actor_id)] = row
        return row.etag

    async def called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.gates:
            await self.gates[name].wait()
        await asyncio.sleep(0)
        if self.errors[name]:
            raise self.errors[name].pop(0)

    async def until(self, name: str) -> None:
        """Wait for a call."""
        for _ in range(1000):
            if name in self.calls:
                return
            await asyncio.sleep(0)
        raise AssertionError(f"no {name}")

    async def get(self, actor_type: Any, actor_id: ActorId) -> Found[Any] | NotPresent:
        await self.called("get")
        return self.rows.get(_key(actor_type, actor_id), NOT_PRESENT)

    async def put(self, actor_type: ActorTypeLike[Any], actor_id: ActorId, state: Any) -> None:
        await self.called("put")
        self.write(actor_type, actor_id, state)

    async def delete(self, actor_type: ActorTypeLike[Any], actor_id: ActorId) -> None:
        await self.called("delete")
        self.rows.pop(_key(actor_type, actor_id), None)


class SwapStorage(MemoryStorage):
    """Has handles, which compare and swap."""

    def __init__(self) -> None:
        super().__init__()
        self.handles = 0

    def handle(self, actor_type: ActorTypeLike[Any], actor_id: ActorId) -> SwapHandle:
        self.handles += 1
        return SwapHandle(self, actor_type, actor_id)


class SwapHandle:
    def __init__(self, storage: SwapStorage, actor_type: Any, actor_id: ActorId) -> None:
        self.storage = storage
        self.address = (actor_type, actor_id)
        self.etag: Any = None

    async def get(self) -> Found[Any] | NotPresent:
        found = await self.storage.get(*self.address)
        self.etag = found.etag
        return found

    async def put(self, state: Any) -> None:
        await self.storage.called("put")
        self._compare()
        self.etag = self.storage.write(*self.address, state)

    async def delete(self) -> None:
        await self.storage.called("delete")
        self._compare()
        self.storage.rows.pop(_key(*self.address), None)
        self.etag = ABSENT

    def _compare(self) -> None:
        actual = self.storage.rows.get(_key(*self.address), NOT_PRESENT).etag
        if actual != self.etag:
            kind = "exists" if self.etag is ABSENT else "gone" if actual is ABSENT else "stale"
            expected, self.etag = self.etag, None
            raise Conflict("T", 1, "beaten", kind=kind, expected=expected, actual=actual)


def _key(actor_type: ActorTypeLike[Any], actor_id: ActorId) -> tuple[str, str]:
    return type_name(actor_type), repr(actor_id)


class Puppet(Actor[Any]):
    """Each message is a function of the method's name and the state; it returns the outcome."""

    def init(self, actor_id: ActorId, message: Any) -> Any:
        return message("init", None)

    def process(self, state: Any, actor_id: ActorId, message: Any) -> Any:
        return message("process", state)


class AsyncPuppet(Actor[Any]):
    """``Puppet``, but its methods suspend."""

    async def init(self, actor_id: ActorId, message: Any) -> Any:
        await asyncio.sleep(0)
        return await _maybe_awaited(message("init", None))

    async def process(self, state: Any, actor_id: ActorId, message: Any) -> Any:
        await asyncio.sleep(0)
        return await _maybe_awaited(message("process", state))


async def _maybe_awaited(outcome: Any) -> Any:
    return await outcome if asyncio.iscoroutine(outcome) else outcome


async def rest() -> None:
    """Let actors that have nothing to do become idle: they do at their next turn."""
    for _ in range(3):
        await asyncio.sleep(0)


def returning(outcome: Any) -> Callable[[str, Any], Any]:
    """A message that has this outcome."""
    return lambda method, state: outcome


def peek(method: str, state: Any) -> NoUpdate:
    """A message that tells which method got it, and with which state."""
    return NoUpdate(reply=(method, state))


def increment(method: str, state: int | None) -> Persist[int]:
    """A message that counts."""
    return Persist((state or 0) + 1, reply=(state or 0) + 1)


def crash(method: str, state: Any) -> NoUpdate:
    """A message that raises, with the state in the text."""
    raise ValueError(f"can't go on with {state!r}")


class Failures(list[Failure]):
    """An ``on_error`` that keeps what it is told."""

    def __call__(self, failure: Failure) -> None:
        self.append(failure)

    @property
    def errors(self) -> list[type[BaseException]]:
        return [type(failure.error) for failure in self]
