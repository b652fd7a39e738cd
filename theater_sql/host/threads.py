"""The Theater for threads: the same one, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future, InvalidStateError, wait
from contextlib import suppress
from typing import Any, Final, Self

from theater_sql.contract import ActorId
from theater_sql.host.actor import Actor, AwaitedTheater
from theater_sql.host.failures import NOT_ACCEPTED, TheaterClosed

ENDED: Final = "the Theater's event loop has ended; the message may have been processed"


class SyncTheater:
    """A ``Theater`` for any number of threads, which wait where tasks would await.

    Actors run in one thread, beside all of these, and ``await self.theater.ask(...)`` as ever.
    One that is not closed is closed when the interpreter ends. A forked process is refused.
    """

    def __init__(self, theater: AwaitedTheater) -> None:
        self._theater = theater
        self._lock = threading.Lock()
        self._closing = False
        self._calls: set[Future[Any]] = set()
        self._end = asyncio.Event()
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self._work, name="theater_sql.host", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def send(
        self,
        actor: type[Actor[Any]],
        actor_id: ActorId,
        message: Any,
        *,
        timeout: float | None = None,
    ) -> None:
        """See ``Theater.send``."""
        self._wait_for(self._theater.send(actor, actor_id, message, timeout=timeout))

    def ask(
        self,
        actor: type[Actor[Any]],
        actor_id: ActorId,
        message: Any,
        *,
        timeout: float | None = None,
    ) -> Any:
        """See ``Theater.ask``."""
        return self._wait_for(self._theater.ask(actor, actor_id, message, timeout=timeout))

    def activate(
        self, actor: type[Actor[Any]], actor_id: ActorId, *, timeout: float | None = None
    ) -> bool:
        """See ``Theater.activate``."""
        stored: bool = self._wait_for(self._theater.activate(actor, actor_id, timeout=timeout))
        return stored

    def drain(self) -> None:
        """See ``Theater.drain``."""
        self._wait_for(self._theater.drain())

    def close(self) -> None:
        """See ``Theater.close``; the thread ends too."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("an actor that closes its Theater would wait for itself")
        closing = None
        if self._thread.is_alive():  # a fork has none, and its lock may be shut for ever
            with self._lock:
                first, self._closing = not self._closing, True
                closing = self._run(self._theater.close()) if first else None
        if closing is not None:
            try:
                with suppress(CancelledError, TheaterClosed):  # the loop has ended by itself
                    closing.result()
            finally:
                wait(list(self._calls))
                with suppress(RuntimeError):  # as before
                    self._loop.call_soon_threadsafe(self._end.set)
        atexit.unregister(self.close)
        self._thread.join()

    def _wait_for(self, call: Coroutine[Any, Any, Any]) -> Any:
        try:
            future = self._start(call)
        except BaseException:
            call.close()
            raise
        try:
            return future.result()
        except BaseException:
            if future.cancelled():
                raise TheaterClosed(ENDED) from None
            future.cancel()  # Ctrl-C, say: nobody waits any more
            raise

    def _start(self, call: Coroutine[Any, Any, Any]) -> Future[Any]:
        if threading.current_thread() is self._thread:
            raise RuntimeError("an actor that waits in its own thread would wait for ever: await")
        if self._thread.is_alive():  # as in close
            with self._lock:  # whatever starts before the end of the loop is waited for
                if not self._closing:
                    return self._run(call)
        raise TheaterClosed(f"the Theater is closed; {NOT_ACCEPTED}")

    def _run(self, call: Coroutine[Any, Any, Any]) -> Future[Any]:
        try:
            future = asyncio.run_coroutine_threadsafe(call, self._loop)
        except RuntimeError:  # the loop is closed
            call.close()
            future = Future()
            future.set_exception(TheaterClosed(f"the Theater is closed; {NOT_ACCEPTED}"))
            return future
        self._calls.add(future)
        future.add_done_callback(self._calls.discard)
        return future

    def _work(self) -> None:
        try:
            with self._runner:
                self._runner.run(self._end.wait())
        finally:  # which an actor may have brought about, with a SystemExit
            with self._lock:
                self._closing = True
            for future in list(self._calls):
                with suppress(InvalidStateError):
                    future.set_exception(TheaterClosed(ENDED))
