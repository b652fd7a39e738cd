"""One interface to both doors, so that one text tests them: blocking calls, and calls at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, Self

from sqlalchemy.engine import Engine

from theater_sql import ActorRegistry, AsyncSQLStorage, SQLStorage

LIMIT = 30.0
"""Seconds after which a call that hangs fails its test."""


class AnyHandle(Protocol):
    def get(self) -> Any: ...
    def put(self, state: Any) -> Any: ...
    def delete(self) -> None: ...


class Call:
    """A method and its arguments, for ``Door.together``."""

    def __init__(self, target: Any, method: str, *args: Any, **options: Any) -> None:
        self.target, self.method, self.args, self.options = target, method, args, options

    def start(self) -> Any:
        return getattr(self.target, self.method)(*self.args, **self.options)


class Door(Protocol):
    """A storage, whichever way its calls are made; ``raw`` is the storage itself."""

    raw: Any

    def get(self, actor_type: Any, actor_id: Any, **options: Any) -> Any: ...
    def put(self, actor_type: Any, actor_id: Any, state: Any, **options: Any) -> Any: ...
    def delete(self, actor_type: Any, actor_id: Any, **options: Any) -> None: ...
    def handle(self, actor_type: Any, actor_id: Any) -> AnyHandle: ...
    def get_many(self, actors: Any, **options: Any) -> Any: ...
    def put_many(self, puts: Any, **options: Any) -> Any: ...
    def delete_many(self, deletes: Any, **options: Any) -> Any: ...
    def list_ids(self, actor_type: Any, **options: Any) -> list[Any]: ...
    def count(self, actor_type: Any) -> int: ...
    def create_all(self) -> None: ...
    def close(self) -> None: ...

    def together(self, calls: Sequence[Call]) -> list[Any]:
        """Make all calls at once; give each one's result or exception."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...


class SyncDoor:
    """SQLStorage; calls at once are made by a thread each."""

    def __init__(self, url: str | Engine, actors: ActorRegistry, **options: Any) -> None:
        self.raw = SQLStorage(url, actors, **options)
        self.get: Callable[..., Any] = self.raw.get
        self.put: Callable[..., Any] = self.raw.put
        self.delete: Callable[..., None] = self.raw.delete
        self.handle: Callable[..., AnyHandle] = self.raw.handle
        self.get_many: Callable[..., Any] = self.raw.get_many
        self.put_many: Callable[..., Any] = self.raw.put_many
        self.delete_many: Callable[..., Any] = self.raw.delete_many
        self.list_ids: Callable[..., list[Any]] = self.raw.list_ids
        self.count: Callable[..., int] = self.raw.count
        self.create_all = self.raw.create_all

    def close(self) -> None:
        self.raw.close()

    def together(self, calls: Sequence[Call]) -> list[Any]:
        barrier = threading.Barrier(len(calls))

        def one(call: Call) -> Any:
            barrier.wait(LIMIT)
            try:
                return call.start()
            except Exception as error:
                return error

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(one, calls, timeout=LIMIT))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class AsyncDoor:
    """AsyncSQLStorage on an event loop of its own; calls at once are made by a task each."""

    def __init__(self, url: str | Engine, actors: ActorRegistry, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self.raw = AsyncSQLStorage(url, actors, **options)
        except BaseException:
            self._end_loop()
            raise

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(LIMIT)

    def get(self, actor_type: Any, actor_id: Any, **options: Any) -> Any:
        return self._run(self.raw.get(actor_type, actor_id, **options))

    def put(self, actor_type: Any, actor_id: Any, state: Any, **options: Any) -> Any:
        return self._run(self.raw.put(actor_type, actor_id, state, **options))

    def delete(self, actor_type: Any, actor_id: Any, **options: Any) -> None:
        self._run(self.raw.delete(actor_type, actor_id, **options))

    def handle(self, actor_type: Any, actor_id: Any) -> AnyHandle:
        return _Blocking(self._run, self.raw.handle(actor_type, actor_id))

    def get_many(self, actors: Any, **options: Any) -> Any:
        return self._run(self.raw.get_many(actors, **options))

    def put_many(self, puts: Any, **options: Any) -> Any:
        return self._run(self.raw.put_many(puts, **options))

    def delete_many(self, deletes: Any, **options: Any) -> Any:
        return self._run(self.raw.delete_many(deletes, **options))

    def list_ids(self, actor_type: Any, **options: Any) -> list[Any]:
        found: list[Any] = self._run(self.raw.list_ids(actor_type, **options))
        return found

    def count(self, actor_type: Any) -> int:
        return int(self._run(self.raw.count(actor_type)))

    def create_all(self) -> None:
        self._run(self.raw.create_all())

    def together(self, calls: Sequence[Call]) -> list[Any]:
        async def all_of_them() -> list[Any]:
            started = [_awaitable(call).start() for call in calls]
            return await asyncio.gather(*started, return_exceptions=True)

        found: list[Any] = self._run(all_of_them())
        return found

    def close(self) -> None:
        if self._loop.is_running():
            self._run(self.raw.close())
            self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _awaitable(call: Call) -> Call:
    target = call.target.raw
    return Call(target, call.method, *call.args, **call.options)


class _Blocking:
    """An async handle whose calls block."""

    def __init__(self, run: Callable[[Coroutine[Any, Any, Any]], Any], handle: Any) -> None:
        self._run, self.raw = run, handle

    def get(self) -> Any:
        return self._run(self.raw.get())

    def put(self, state: Any) -> Any:
        return self._run(self.raw.put(state))

    def delete(self) -> None:
        self._run(self.raw.delete())


MakeDoor = Callable[..., Door]
DOORS: dict[str, MakeDoor] = {"sync": SyncDoor, "async": AsyncDoor}
