"""One way to call a storage for threads and one for coroutines, so that one text tests both."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, Self

LIMIT: Final = 60.0
"""Seconds after which a call that hangs fails its test."""


class Call(NamedTuple):
    """A method's name, its arguments and its keywords, for ``Door.together``."""

    method: str
    args: tuple[Any, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012


class Door:
    """A storage whose calls block, whether it is one for threads or for coroutines.

    ``raw`` is the storage, or an awaitable of one. Its coroutines run on a loop of this door's
    own, in a thread; its methods are called as they are.
    """

    def __init__(self, raw: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.raw: Any = self.settled(raw)

    def settled(self, result: Any) -> Any:
        """Return what a call gave, awaited where it has to be."""
        if not inspect.isawaitable(result):
            return result

        async def awaited() -> Any:
            return await result

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(LIMIT)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.raw, name)
        return lambda *args, **options: self.settled(method(*args, **options))

    def handle(self, actor_type: Any, actor_id: Any) -> Any:
        """Return a handle whose calls block."""
        return _Handle(self, self.raw.handle(actor_type, actor_id))

    def together(self, calls: Sequence[Call]) -> list[Any]:
        """Make all calls at once; give each one's result, or the exception that it raised."""
        if calls and inspect.iscoroutinefunction(getattr(self.raw, calls[0].method)):
            return list(self.settled(self._gathered(calls)))
        barrier = threading.Barrier(max(1, len(calls)))

        def one(call: Call) -> Any:
            barrier.wait(LIMIT)
            try:
                return getattr(self.raw, call.method)(*call.args, **call.options)
            except Exception as error:
                return error

        with ThreadPoolExecutor(max(1, len(calls))) as pool:
            return list(pool.map(one, calls, timeout=LIMIT))

    async def _gathered(self, calls: Sequence[Call]) -> list[Any]:
        started = [getattr(self.raw, c.method)(*c.args, **c.options) for c in calls]
        return await asyncio.gather(*started, return_exceptions=True)

    def stop(self) -> None:
        """End the loop; the storage stays as it is."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LIMIT)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


class _Handle:
    def __init__(self, door: Door, raw: Any) -> None:
        self._door, self.raw = door, raw

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.raw, name)
        return lambda *args: self._door.settled(method(*args))
