"""Group commit: concurrent operations of many actors share a statement and a commit."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any, Final

from theater_sql.backends.base import Action, Backend, Fault
from theater_sql.errors import StorageClosed, Unavailable
from theater_sql.lanes.bounds import Bounds
from theater_sql.lanes.delivery import Delivery
from theater_sql.lanes.held import hold, holds
from theater_sql.lanes.lane import Lane
from theater_sql.lanes.operation import Operation, Outcome, Place
from theater_sql.lanes.queue import Queue, QueueClosed

__all__ = ["Bounds", "Lanes", "Operation", "Outcome", "hold"]

_TICK: Final = 0.05
"""Seconds between two looks at the deadlines."""
_GRACE: Final = 1.0
"""Seconds that a statement may last beyond the server's own limit for it."""
_abandoned: list[Any] = []
"""Lanes that a fork copied. Their connections are the parent's: closing one here, even by
garbage collection, would end the parent's session."""
_CLOSED: Final = Outcome(
    None, Fault(Action.RAISE, StorageClosed, "the storage is closed; nothing was sent")
)
_HELD: Final = Outcome(
    None,
    Fault(
        Action.RAISE,
        Unavailable,
        "a transaction that this thread or task has open holds the database's only turn to write; "
        "nothing was written: write through in_transaction(), or end it first",
    ),
)
_open: weakref.WeakSet[Lanes] = weakref.WeakSet()


class Lanes:
    """The lanes of one storage: for writes, for reads, and for rows that somebody holds.

    Threads and connections start with the first operation that needs them, and anew in a
    process that was forked.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        writers: int,
        bounds: Bounds,
        timeout: float,
    ) -> None:
        self._backend = backend
        self._file = backend.file
        self._writers = 1 if backend.shared_connection else writers
        self._bounds = bounds
        self._limit = timeout + _GRACE
        self._closed = False
        self.rests_for_fork = not (backend.batches or backend.shared_connection)
        self._lock = threading.Lock()
        self._start_afresh()
        _open.add(self)

    @property
    def is_closed(self) -> bool:
        return self._closed

    def _start_afresh(self) -> None:
        backend, delivery = self._backend, Delivery()
        writes = Queue(self._bounds, delivery)
        reads = writes if backend.shared_connection else Queue(self._bounds, delivery)
        self._stopped = threading.Event()
        self._writes, self._reads = writes, reads
        self._writing = [
            Lane(f"theater_sql write {n}", backend, writes, self._limit)
            for n in range(self._writers)
        ]
        self._patient = Lane("theater_sql patient", backend, writes, self._limit, patient=True)
        self._reading = (
            self._writing
            if reads is writes
            else [Lane("theater_sql read", backend, reads, self._limit)]
        )
        self._watchdog = threading.Thread(target=self._watch, name="theater_sql watch", daemon=True)
        self._turns: dict[asyncio.AbstractEventLoop, list[Operation]] = {}
        self._started = False

    def _submit(self, operations: list[Operation]) -> None:
        """Queue operations; on closed lanes settle them so, at once."""
        try:
            if not self._started:
                self._start()
        except RuntimeError as error:  # no thread can be started
            fault = Fault(Action.RAISE, Unavailable, "no thread can be started", error)
            self._writes.settle_early(operations, Outcome(None, fault))
            return
        writes = [one for one in operations if one.statement.among_writes]
        reads = [one for one in operations if not one.statement.among_writes]
        self._put(self._writes, writes)
        self._put(self._reads, reads)

    def _put(self, queue: Queue, operations: list[Operation]) -> None:
        if not operations:
            return
        try:
            queue.put(operations)
        except QueueClosed:
            queue.settle_early(operations, _CLOSED)

    def run(self, operation: Operation) -> Outcome:
        """Carry an operation out, or queue it, and block until its outcome is there."""
        if self._would_wait_for_itself(operation):
            return _HELD
        operation.expect_wait()
        try:
            lane = self._writing[0] if operation.statement.among_writes else self._reading[0]
            if not lane.run_here(operation):
                self._submit([operation])
            return operation.wait()
        except BaseException:  # KeyboardInterrupt: nobody waits any more
            self.withdraw(operation)
            raise

    def run_all(self, operations: list[Operation]) -> list[Outcome]:
        """Queue operations together, and block until all their outcomes are there."""
        if any(map(self._would_wait_for_itself, operations)):
            return [_HELD] * len(operations)
        for operation in operations:
            operation.expect_wait()
        try:
            self._submit(operations)
            return [operation.wait() for operation in operations]
        except BaseException:  # KeyboardInterrupt: nobody waits any more
            for operation in operations:
                self.withdraw(operation)
            raise

    def _would_wait_for_itself(self, operation: Operation) -> bool:
        return self._file is not None and operation.statement.writes and holds(self._file)

    def enqueue(self, operation: Operation) -> asyncio.Future[Outcome]:
        """Queue an operation and return the future of its outcome; who gives up withdraws it."""
        loop = asyncio.get_running_loop()
        operation.future = future = loop.create_future()
        if self._would_wait_for_itself(operation):
            operation.place = Place.DONE
            future.set_result(_HELD)
            return future
        # What the coroutines of one turn of the loop ask for is queued together, behind
        # them: else a lane would start with the first alone.
        turn = self._turns.get(loop)
        if turn is None:
            turn = self._turns[loop] = []
            loop.call_soon(self._end_turn, loop)
        turn.append(operation)
        return future

    def _end_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._submit(self._turns.pop(loop))

    def withdraw(self, operation: Operation) -> None:
        """Settle an operation that nobody waits for; before a lane took it, it is not sent."""
        queue = self._writes if operation.statement.among_writes else self._reads
        queue.withdraw(operation, Outcome(None))

    def _start(self) -> None:
        with self._lock:
            if not (self._started or self._closed):
                for thread in (self._watchdog, *(lane.thread for lane in self._lanes())):
                    if thread.ident is None:  # the last try may have failed half way
                        thread.start()
                self._started = True

    def abandon(self) -> None:
        """Forget, in a forked child, what belongs to the parent; nothing of it is touched."""
        _abandoned.append((self._writing, self._reading, self._patient))
        self._lock = threading.Lock()
        self._start_afresh()
        if self._closed:
            self._writes.close()
            self._reads.close()

    def _lanes(self) -> Iterator[Lane]:
        yield from self._writing
        if self._reads is not self._writes:
            yield from self._reading
        if self._backend.batches:
            yield self._patient

    def _watch(self) -> None:
        lanes = list(self._lanes())
        while not self._stopped.wait(_TICK):
            now = time.monotonic()
            for lane in lanes:
                lane.expire(now)

    def close(self) -> None:
        """Refuse new operations, finish what is queued, and close the connections."""
        with self._lock:
            self._closed = True
            self._writes.close()
            self._reads.close()
        if not self._started:
            return
        for lane in self._lanes():
            lane.thread.join()
        self._stopped.set()
        self._watchdog.join()


def _close_all() -> None:
    for lanes in list(_open):
        lanes.close()


_resting: list[Lane] = []
_forking = threading.RLock()
"""Held over a fork: two threads that fork at once would wait for each other's lanes."""


def _rest_all() -> None:
    """Before a fork, close what a child could not live beside: SQLite's open files.

    SQLite keeps a process's file locks in its memory. A child inherits that memory and not
    the locks: it would believe that it holds them, and write to a log that others delete.
    """
    _forking.acquire()
    for lanes in list(_open):
        if lanes.rests_for_fork:
            _resting.extend(lanes._lanes())
    for lane in _resting:
        lane.rest()


def _resume_all() -> None:
    while _resting:
        _resting.pop().resume()
    _forking.release()


def _abandon_all() -> None:
    global _forking
    _resting.clear()
    _forking = threading.RLock()
    for lanes in list(_open):
        lanes.abandon()


# Daemon threads die with the interpreter; what they had accepted must not.
atexit.register(_close_all)
os.register_at_fork(before=_rest_all, after_in_parent=_resume_all, after_in_child=_abandon_all)
