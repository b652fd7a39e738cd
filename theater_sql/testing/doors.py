"""One way to call a storage for threads and one for coroutines, so that one text tests both."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final, Self

LIMIT: Final = 60.0
"""Seconds after which a call that hangs fails its test."""


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """Return the one loop of all doors: what was opened on a loop may work on no other."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="theater_sql.testing", daemon=True).start()
    return loop


class Blocking:
    """An object whose coroutines are run to their end; ``raw`` is the object itself."""

    def __init__(self, raw: Any) -> None:
        self.raw: Any = raw

    def settled(self, result: Any) -> Any:
        """Return what a call gave, awaited where it has to be."""
        if not inspect.isawaitable(result):
            return result

        async def awaited() -> Any:
            return await result

        return asyncio.run_coroutine_threadsafe(awaited(), _loop()).result(LIMIT)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.raw, name)
        return lambda *args, **options: self.settled(method(*args, **options))


class Call:
    """A method of a door or of a handle, and its arguments: for ``Door.together``."""

    def __init__(self, target: Blocking, method: str, *args: Any, **options: Any) -> None:
        self.target, self.method, self.args, self.options = target, method, args, options

    @property
    def is_coroutine(self) -> bool:
        """Whether the call is made on the loop, and not in a thread of its own."""
        return inspect.iscoroutinefunction(getattr(self.target.raw, self.method))

    def start(self) -> Any:
        """Make the call, blocking."""
        return getattr(self.target, self.method)(*self.args, **self.options)

    async def make(self) -> Any:
        """Make the call, awaited."""
        return await getattr(self.target.raw, self.method)(*self.args, **self.options)


class Door(Blocking):
    """A storage whose calls block, whether it is one for threads or for coroutines.

    ``raw`` is the storage, or an awaitable of one. Coroutines run on one loop, which all doors
    share; methods are called as they are.
    """

    def __init__(self, raw: Any) -> None:
        super().__init__(self.settled(raw))

    def handle(self, actor_type: Any, actor_id: Any) -> Blocking:
        """Return a handle whose calls block."""
        return Blocking(self.raw.handle(actor_type, actor_id))

    def together(self, calls: Sequence[Call]) -> list[Any]:
        """Make all calls at once; give each one's result, or the exception that it raised.

        Every call for threads has a thread, and all start at a barrier; coroutines are
        gathered. The calls may be on several doors.
        """
        tasks = [call for call in calls if call.is_coroutine]
        threads = len(calls) - len(tasks)
        start = threading.Barrier(threads + 1)
        with ThreadPoolExecutor(max(1, threads)) as pool:
            futures = [
                pool.submit(_attempt, call, start) for call in calls if not call.is_coroutine
            ]
            start.wait(LIMIT)
            awaited = iter(self.settled(_gathered(tasks)) if tasks else [])
            blocked = iter([future.result(LIMIT) for future in futures])
        return [next(awaited if call.is_coroutine else blocked) for call in calls]

    def stop(self) -> None:
        """Leave the storage to itself: open, as it is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def _attempt(call: Call, start: threading.Barrier) -> Any:
    start.wait(LIMIT)
    try:
        return call.start()
    except Exception as error:
        return error


async def _gathered(calls: Sequence[Call]) -> list[Any]:
    return await asyncio.gather(*[call.make() for call in calls], return_exceptions=True)
