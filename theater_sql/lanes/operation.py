"""One operation on its way through a lane, and who waits for it."""

from __future__ import annotations

import asyncio
import enum
import threading
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from theater_sql.backends.base import Fault
from theater_sql.statements import Kind, Statements


class Outcome(NamedTuple):
    """What became of an operation.

    ``answer`` is whether a write matched, or the row that was read. ``doubtful`` tells that
    the statement was sent before on a connection that broke, so that an earlier sending may
    have been applied as well.
    """

    answer: Any
    fault: Fault | None = None
    doubtful: bool = False


class Place(enum.Enum):
    """Where an operation is: not queued yet, behind another of its actor, ready, in a lane, or
    through.
    """

    OUTSIDE = "outside"
    BEHIND = "behind"
    READY = "ready"
    TAKEN = "taken"
    DONE = "done"


class Operation:
    """One actor's share of a flush, from the queue to its outcome.

    ``row`` holds the statement's parameters, ``deadline`` is on the monotonic clock. ``actor``
    is what no two operations in flight may share (``None`` for a read), ``token`` the etag by
    which a write's row is told from the others of its batch. Who waits is a thread (in
    ``wait``) or a coroutine (on ``future``).
    """

    __slots__ = (
        "_arrived",
        "actor",
        "deadline",
        "doubtful",
        "fault",
        "future",
        "key",
        "kind",
        "outcome",
        "patient",
        "place",
        "row",
        "size",
        "statements",
        "token",
    )

    def __init__(
        self, kind: Kind, statements: Statements, row: tuple[Any, ...], deadline: float
    ) -> None:
        layout, token = statements.layout, statements[kind].token
        self.kind = kind
        self.statements = statements
        self.row = row
        self.deadline = deadline
        self.key = row[: len(layout.keys)]
        self.actor = (layout, self.key) if kind.writes else None
        self.token: UUID | None = None if token is None else row[token]
        self.size = sum([len(value) for value in row if type(value) in (str, bytes)])
        self.place = Place.OUTSIDE
        self.patient = False
        self.doubtful = False
        self.fault: Fault | None = None
        self.outcome: Outcome | None = None
        self.future: asyncio.Future[Outcome] | None = None
        self._arrived: threading.Lock | None = None

    def expect_wait(self) -> None:
        """Prepare for a thread that will ``wait``; call it before the operation is queued."""
        self._arrived = threading.Lock()
        self._arrived.acquire()

    def wait(self) -> Outcome:
        """Block until the outcome is there, and return it."""
        assert self._arrived is not None
        self._arrived.acquire()
        assert self.outcome is not None
        return self.outcome

    def settle(self, outcome: Outcome) -> bool:
        """Keep the first outcome; tell whether it was this one. Callers hold the queue's lock."""
        if self.outcome is not None:
            return False
        self.outcome = outcome
        return True

    def wake(self) -> None:
        """Release the waiting thread, if it is one that waits."""
        if self._arrived is not None:
            self._arrived.release()


def deliver(operations: Iterable[Operation]) -> None:
    """Tell the waiters of settled operations: threads at once, an event loop by one call."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Operation]] = defaultdict(list)
    for operation in operations:
        if operation.future is None:
            operation.wake()
        else:
            by_loop[operation.future.get_loop()].append(operation)
    for loop, arrived in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, arrived)
        except RuntimeError:  # the loop is closed: nobody waits any more
            continue


def _resolve(operations: list[Operation]) -> None:
    for operation in operations:
        future, outcome = operation.future, operation.outcome
        if future is not None and outcome is not None and not future.done():
            future.set_result(outcome)
