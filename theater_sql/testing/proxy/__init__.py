"""A TCP proxy in front of PostgreSQL that fails at a chosen statement of a client."""

from __future__ import annotations

import asyncio
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final, Self, TypeVar

from sqlalchemy import make_url

from theater_sql.testing.proxy.cuts import BREAKS, Cut, How, When
from theater_sql.testing.proxy.link import Link, hang_up
from theater_sql.testing.proxy.wire import Flight

__all__ = ["BREAKS", "Cut", "FaultProxy", "How", "When"]

T = TypeVar("T")

_PATIENCE: Final = 30.0
"""Seconds after which a call that hangs fails its test."""


class FaultProxy:
    """Listens on a port of its own for clients of a PostgreSQL server.

    ``url`` is the given URL through the proxy, without TLS, since it reads what is said. It runs
    on an event loop in a thread of its own, which nothing blocks: each method takes a moment,
    so tests with threads and tests with coroutines call it alike.
    """

    def __init__(self, url: str) -> None:
        target = make_url(url)
        self._target = (target.host or "127.0.0.1", target.port or 5432)
        self._cuts: list[Cut] = []
        self._links: dict[asyncio.Task[None], Link] = {}
        self._refuses = False
        self._failures: list[BaseException] = []
        ready: Future[int] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="theater_sql.proxy", daemon=True
        )
        self._thread.start()
        plain = target.set(host="127.0.0.1", port=ready.result(_PATIENCE)).update_query_dict(
            {"sslmode": "disable", "gssencmode": "disable"}
        )
        self.url: Final = plain.render_as_string(hide_password=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def arm(self, cut: Cut) -> Cut:
        """Have the next matching flight cut."""
        self._do(lambda: self._cuts.append(cut))
        return cut

    def disarm(self, cut: Cut) -> bool:
        """Take a cut back; tell whether a flight met it already."""

        def disarm() -> bool:
            if cut not in self._cuts:
                return True
            self._cuts.remove(cut)
            return False

        return self._do(disarm)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let nothing through, in either direction, while connections stay open."""
        self._do(self._flows.clear)
        try:
            yield
        finally:
            self._do(self._flows.set)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Cut every connection, and every new one at once."""
        self._do(lambda: setattr(self, "_refuses", True))
        self.cut_all()
        try:
            yield
        finally:
            self._do(lambda: setattr(self, "_refuses", False))

    def cut_all(self, how: How = How.RESET) -> None:
        """Cut every connection there is, by a reset or a close."""
        self._await(self._cut_all(how))

    def close(self) -> None:
        """Cut every connection and stop; raise what a cut's ``then`` raised, if one did."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join(_PATIENCE)
        if self._failures:
            raise self._failures.pop()

    # --- in the loop --------------------------------------------------------------------------

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_PATIENCE)

    def _do(self, action: Callable[[], T]) -> T:
        """Do something where everything else happens, so that nothing needs a lock."""

        async def do() -> T:
            return action()

        return self._await(do())

    async def _serve(self, ready: Future[int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing, self._flows = asyncio.Event(), asyncio.Event()
        self._flows.set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        ready.set_result(server.sockets[0].getsockname()[1])
        await self._closing.wait()
        self._refuses = True
        server.close()
        await self._cut_all(How.RESET)

    def _accept(self, client: StreamReader, to_client: StreamWriter) -> None:
        if self._refuses:
            hang_up(to_client, How.RESET)
            return
        link = Link((client, to_client), self._flows, self._take)
        task = self._loop.create_task(link.run(self._target))
        self._links[task] = link
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._links[task]
        if not task.cancelled() and (failure := task.exception()):
            self._failures.append(failure)

    def _take(self, flight: Flight) -> Cut | None:
        cut = next((cut for cut in self._cuts if cut.matches(flight)), None)
        if cut is not None:
            self._cuts.remove(cut)
        return cut

    async def _cut_all(self, how: How) -> None:
        for task, link in self._links.items():
            link.cut(how)
            task.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
