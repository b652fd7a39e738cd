"""One operation on its way through a lane, and who waits for it."""

from __future__ import annotations

import asyncio
import enum
import threading
from collections import deque
from typing import Any, Final, NamedTuple

from theater_sql.backends.base import Action, AnyStatement, Fault, Phase
from theater_sql.errors import OutcomeUnknown, Unavailable


class Outcome(NamedTuple):
    """What became of an operation.

    ``answer`` is whether a write matched, or the row that was read. ``doubtful`` tells that
    the statement was sent before on a connection that broke, so that an earlier sending may
    have been applied as well.
    """

    answer: Any
    fault: Fault | None = None
    doubtful: bool = False


MATCHED: Final = Outcome(True)
"""What became of a write that was sent once and found what it expected."""


class Place(enum.Enum):
    """Where an operation is: not queued (yet), behind another of its actor, ready, in a lane,
    or through.
    """

    OUTSIDE = "outside"
    BEHIND = "behind"
    READY = "ready"
    TAKEN = "taken"
    DONE = "done"


_OUTSIDE: Final = Place.OUTSIDE


class Operation:
    """One actor's share of a flush, from the queue to its outcome.

    ``row`` holds the statement's parameters, of which ``key`` comes first; ``deadline`` is on
    the monotonic clock. ``actor`` is what no two writes in flight may share (``None`` for a
    read). ``token`` is the etag by which a write's row is told from the others of its batch,
    where another may carry the same. ``expects`` is the etag that a write needs to find, or
    ``ABSENT``. ``behind`` are later writes of its actor. Who waits is a
    thread (in ``wait``) or a coroutine (on ``future``).
    """

    __slots__ = (
        "_arrived",
        "actor",
        "behind",
        "deadline",
        "doubtful",
        "expects",
        "fault",
        "future",
        "key",
        "outcome",
        "patient",
        "place",
        "row",
        "size",
        "statement",
        "token",
    )

    def __init__(
        self,
        statement: AnyStatement,
        key: tuple[Any, ...],
        row: tuple[Any, ...],
        deadline: float,
        token: Any = None,
        expects: Any = None,
    ) -> None:
        self.statement = statement
        self.row = row
        self.deadline = deadline
        self.token = token
        self.expects = expects
        self.key = key
        self.actor = (statement.layout, key) if statement.writes else None
        size = 0
        for value in row:
            if type(value) is str or type(value) is bytes:
                size += len(value)
        self.size = size
        self.place = _OUTSIDE
        self.behind: deque[Operation] | None = None
        self.patient = False
        self.doubtful = False
        self.fault: Fault | None = None
        self.outcome: Outcome | None = None
        self.future: asyncio.Future[Outcome] | None = None
        self._arrived: threading.Lock | None = None

    @property
    def phase(self) -> Phase:
        return Phase.WRITE if self.statement.writes else Phase.READ

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

    def meet(self, fault: Fault) -> None:
        """Remember a fault that came up when this was sent."""
        self.fault = fault
        if fault.action is Action.RESEND:
            self.doubtful = self.statement.writes

    def has_met(self, fault: Fault) -> bool:
        """Tell whether it was sent before, and ended in the same way."""
        return self.fault is not None and self.fault.action is fault.action

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


def overdue(operation: Operation, fault: Fault | None, *, sent: bool = False) -> Outcome:
    """Return the outcome of an operation whose deadline passed, after ``fault``, its own or all's.

    ``sent`` tells that it is in flight.
    """
    last = operation.fault or fault
    why = last.reason if last else "the database did not answer in time"
    if operation.place is Place.OUTSIDE:
        why = f"overloaded, the queue is full; {why}"
    doubtful = operation.statement.writes and (sent or operation.doubtful)
    cause = last.cause if last else None
    if doubtful:
        reason = f"not answered in time ({why})"
        return Outcome(None, Fault(Action.RAISE, OutcomeUnknown, reason, cause), doubtful)
    reason = f"not served in time ({why})"
    return Outcome(None, Fault(Action.RAISE, Unavailable, reason, cause))
