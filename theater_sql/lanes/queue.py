"""What waits for a lane: grouped by statement, in order, one write in flight per actor."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from theater_sql.backends.base import AnyStatement
from theater_sql.lanes.bounds import LARGE, Bounds
from theater_sql.lanes.delivery import Delivery
from theater_sql.lanes.operation import MATCHED, Operation, Outcome, Place

Group = tuple[AnyStatement, bool]
"""Operations that may share a flush: of one statement, and all of them large or none."""
Groups = dict[Group, deque[Operation]]
_READY: Final = Place.READY
_TAKEN: Final = Place.TAKEN
_DONE: Final = Place.DONE
_MISSED: Final = Outcome(False)


class QueueClosed(Exception):
    """The queue takes no more operations."""


class Queue:
    """A queue that gives out batches: operations of one statement, of an actor each.

    Groups take turns; within a group, and for one actor over all groups, order is kept.
    Operations that a lock held up wait apart: a patient lane takes them, one by one. Beyond
    its bound, operations wait outside until there is room.
    """

    def __init__(self, bounds: Bounds, delivery: Delivery) -> None:
        self.bounds: Final = bounds
        self._deliver = delivery
        lock = threading.Lock()
        self._changed = {patient: threading.Condition(lock) for patient in (False, True)}
        self._lock = lock
        self._groups: dict[bool, Groups] = {False: {}, True: {}}
        self._busy: dict[Any, Operation] = {}  # by actor: the write that others wait behind
        self._outside: deque[Operation] = deque()
        self._length = 0
        self._taken = 0
        self._earliest = float("inf")
        self._closed = False

    def put(self, operations: Iterable[Operation]) -> None:
        """Append operations; one whose actor is busy waits behind it."""
        with self._lock:
            if self._closed:
                raise QueueClosed
            for operation in operations:
                if operation.outcome is not None:
                    continue
                if operation.deadline < self._earliest:
                    self._earliest = operation.deadline
                if self._length < self.bounds.max_length and not self._outside:
                    self._put(operation)
                else:
                    self._outside.append(operation)

    def _put(self, operation: Operation) -> None:
        if operation.actor is None:
            self._ready(operation, 1)
            return
        first = self._busy.setdefault(operation.actor, operation)
        if first is operation:
            self._ready(operation, 1)
            return
        operation.place = Place.BEHIND
        if first.behind is None:
            first.behind = deque()
        # Next to each other: no signal handler can raise between the two.
        self._length += 1
        first.behind.append(operation)

    def _ready(self, operation: Operation, new: int = 0, *, front: bool = False) -> None:
        groups = self._groups[operation.patient]
        if not groups:
            self._changed[operation.patient].notify()
        group = (operation.statement, operation.size >= LARGE)
        waiting = groups.get(group)
        if waiting is None:
            waiting = groups[group] = deque()
        add = waiting.appendleft if front else waiting.append
        operation.place = _READY
        self._length += new
        add(operation)

    def put_back(self, operations: Sequence[Operation], *, patient: bool | None = None) -> None:
        """Return operations that were taken, in front; their actors stay busy.

        With ``patient``, they go to the end of that side of the queue instead.
        """
        with self._lock:
            self._taken -= len(operations)
            for operation in reversed(operations):
                if operation.outcome is not None:  # too late while the lane had it
                    operation.place = _DONE
                    self._release(operation)
                    continue
                if patient is not None:
                    operation.patient = patient
                self._earliest = min(self._earliest, operation.deadline)
                self._ready(operation, 1, front=patient is None)
            self._notify_if_done()

    @property
    def patient(self) -> int:
        """How many operations wait for rows that somebody holds."""
        with self._lock:
            return sum(len(waiting) for waiting in self._groups[True].values())

    def wait(self, patient: bool) -> bool:
        """Block until something is ready; return False once closed and nothing is left."""
        with self._lock:
            while not self._groups[patient]:
                if self._is_done():
                    return False
                self._changed[patient].wait()
            return True

    def pass_on(self, patient: bool) -> None:
        """Wake another lane of this side, for what this one can't take at once."""
        with self._lock:
            if self._groups[patient]:
                self._changed[patient].notify()

    def take(self, patient: bool) -> list[Operation]:
        """Return the next batch; its actors are busy until ``finish``."""
        with self._lock:
            groups = self._groups[patient]
            if not groups:
                return []
            group = next(iter(groups))
            waiting = groups.pop(group)
            before = len(waiting)
            batch = self._fill(waiting, 1 if patient else self.bounds.rows(group[0], before))
            self._length -= before - len(waiting)
            self._taken += len(batch)
            if waiting:
                groups[group] = waiting
            if groups:
                self._changed[patient].notify()
            self._admit()
            self._notify_if_done()
        return batch

    def take_alone(self, operation: Operation) -> bool:
        """Take this operation at once if nothing else is here, as ``put`` and ``take`` would."""
        with self._lock:
            if self._closed or self._taken or self._length or self._outside:
                return False
            if operation.actor is not None:
                self._busy[operation.actor] = operation
            self._taken = 1
            operation.place = _TAKEN
            return True

    def _fill(self, waiting: deque[Operation], max_rows: int) -> list[Operation]:
        """Move operations from ``waiting`` to a batch, up to its bounds."""
        batch: list[Operation] = []
        tokens: set[Any] = set()
        size = 0
        while waiting and len(batch) < max_rows:
            operation = waiting[0]
            if operation.outcome is None:
                size += operation.size
                if batch and size > self.bounds.max_bytes:
                    break
                if operation.token is not None:
                    # Two writes with one etag of the callers' own could not be told apart.
                    if operation.token in tokens:
                        break
                    tokens.add(operation.token)
                operation.place = _TAKEN
                batch.append(operation)
            waiting.popleft()
        return batch

    def finish(self, batch: Sequence[Operation], outcomes: Sequence[Outcome]) -> None:
        """Settle operations that were taken, and let the next ones of their actors go."""
        told = []
        with self._lock:
            self._taken -= len(batch)
            for operation, outcome in zip(batch, outcomes, strict=True):
                operation.place = _DONE
                if operation.settle(outcome):
                    told.append(operation)
                if operation.behind and outcome is MATCHED and operation.expects is not None:
                    told += self._settle_beaten(operation)
                self._release(operation)
            self._admit()
            self._notify_if_done()
        self._deliver(told)

    def _settle_beaten(self, operation: Operation) -> list[Operation]:
        """Settle the writes behind one that matched, where they expect what it replaced."""
        assert operation.behind is not None
        beaten = [op for op in operation.behind if op.expects == operation.expects]
        return [op for op in beaten if op.settle(_MISSED)]

    def _release(self, operation: Operation) -> None:
        """Let the next write of an actor go."""
        if operation.actor is None:
            return
        behind = operation.behind
        while behind:
            follower = behind.popleft()
            if follower.outcome is None:
                follower.behind = behind
                self._busy[operation.actor] = follower
                self._ready(follower)
                return
            self._length -= 1
        del self._busy[operation.actor]

    def _admit(self) -> None:
        """Let in who waits outside, as far as there is room."""
        while self._outside and self._length < self.bounds.max_length:
            operation = self._outside.popleft()
            if operation.outcome is None:
                self._put(operation)

    def withdraw(self, operation: Operation, outcome: Outcome) -> None:
        """Settle an operation that nobody waits for; one that no lane has taken is not sent."""
        with self._lock:
            holds = self._busy.get(operation.actor) is operation
            if operation.settle(outcome) and holds and operation.place in (_READY, Place.OUTSIDE):
                self._release(operation)

    def expire(self, now: float, outcome_of: Callable[[Operation], Outcome]) -> None:
        """Settle what waits past its deadline."""
        with self._lock:
            for patient, groups in self._groups.items():
                if groups:  # else one wake-up that was lost would be the last
                    self._changed[patient].notify()
            if now < self._earliest:
                return
            told = []
            for operation in self._waiting():
                if operation.deadline <= now and operation.settle(outcome_of(operation)):
                    told.append(operation)
                    if operation.place is _READY:
                        self._release(operation)
            self._purge()
            rest = [op.deadline for op in self._waiting() if op.outcome is None]
            self._earliest = min(rest, default=float("inf"))
            self._admit()
            self._notify_if_done()
        self._deliver(told)

    def _purge(self) -> None:
        """Drop what is settled: with no connection no lane would come to do it."""
        for groups in self._groups.values():
            for group, waiting in list(groups.items()):
                groups[group] = deque(op for op in waiting if op.outcome is None)
                self._length -= len(waiting) - len(groups[group])
                if not groups[group]:
                    del groups[group]
        self._outside = deque(op for op in self._outside if op.outcome is None)

    def _waiting(self) -> list[Operation]:
        groups = [g for groups in self._groups.values() for g in groups.values()]
        behind = [first.behind for first in self._busy.values() if first.behind]
        return [operation for ops in (*groups, *behind, self._outside) for operation in ops]

    def settle_early(self, operations: Iterable[Operation], outcome: Outcome) -> None:
        """Settle operations that are not queued, or that a lane still holds.

        The actors of the latter stay busy until the lane is done with them.
        """
        places = (Place.OUTSIDE, Place.TAKEN)
        with self._lock:
            free = [operation for operation in operations if operation.place in places]
            told = [operation for operation in free if operation.settle(outcome)]
        self._deliver(told)

    def close(self) -> None:
        """Take no more; what waits is still given out."""
        with self._lock:
            self._closed = True
            for changed in self._changed.values():
                changed.notify_all()

    def _is_done(self) -> bool:
        waiting = self._outside or any(self._groups.values())
        return self._closed and not self._taken and not waiting

    def _notify_if_done(self) -> None:
        if self._closed and self._is_done():
            for changed in self._changed.values():
                changed.notify_all()
