"""What waits for a lane: grouped by statement, in order, one write in flight per actor."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from theater_sql.lanes.operation import Operation, Outcome, Place, deliver

Groups = dict[tuple[Any, ...], deque[Operation]]


class QueueClosed(Exception):
    """The queue takes no more operations."""


class Queue:
    """A queue that gives out batches: operations of one statement, of an actor each.

    Groups take turns; within a group, and for one actor over all groups, order is kept.
    Operations that a lock held up wait apart: a patient lane takes them, one by one.
    """

    def __init__(self, max_rows: int, max_bytes: int) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        lock = threading.Lock()
        self._changed = {patient: threading.Condition(lock) for patient in (False, True)}
        self._lock = lock
        self._groups: dict[bool, Groups] = {False: {}, True: {}}
        self._busy: dict[Any, deque[Operation]] = {}
        self._taken = 0
        self._earliest = float("inf")
        self._closed = False

    def put(self, operations: Iterable[Operation]) -> None:
        """Append operations; one whose actor is busy waits behind it."""
        with self._lock:
            if self._closed:
                raise QueueClosed
            for operation in operations:
                if operation.outcome is None:
                    self._put(operation)

    def _put(self, operation: Operation) -> None:
        actor = operation.actor
        if actor is not None:
            behind = self._busy.get(actor)
            if behind is not None:
                operation.place = Place.BEHIND
                self._earliest = min(self._earliest, operation.deadline)
                behind.append(operation)
                return
            self._busy[actor] = deque()
        self._ready(operation)

    def put_back(self, operations: Iterable[Operation], *, patient: bool | None = None) -> None:
        """Return operations that were taken, in front; their actors stay busy.

        With ``patient``, they go to the end of that side of the queue instead.
        """
        with self._lock:
            for operation in reversed(list(operations)):
                self._taken -= 1
                if operation.outcome is not None:  # too late while the lane had it
                    operation.place = Place.DONE
                    self._release(operation)
                    continue
                if patient is not None:
                    operation.patient = patient
                self._ready(operation, front=patient is None)
            self._notify_if_done()

    def _ready(self, operation: Operation, *, front: bool = False) -> None:
        operation.place = Place.READY
        self._earliest = min(self._earliest, operation.deadline)
        group = self._groups[operation.patient].setdefault(
            (operation.statements, operation.kind), deque()
        )
        if front:
            group.appendleft(operation)
        else:
            group.append(operation)
        self._changed[operation.patient].notify()

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

    def take(self, patient: bool) -> list[Operation]:
        """Return the next batch; its actors are busy until ``finish``."""
        with self._lock:
            groups = self._groups[patient]
            if not groups:
                return []
            group = next(iter(groups))
            waiting = groups.pop(group)
            batch = self._fill(waiting, 1 if patient else self._max_rows)
            self._taken += len(batch)
            if waiting:
                groups[group] = waiting
                self._changed[patient].notify()
            self._notify_if_done()
        return batch

    def _fill(self, waiting: deque[Operation], max_rows: int) -> list[Operation]:
        """Move operations from ``waiting`` to a batch, up to its bounds."""
        batch: list[Operation] = []
        tokens: set[Any] = set()
        size = 0
        while waiting and len(batch) < max_rows:
            operation = waiting[0]
            if operation.outcome is None:
                size += operation.size
                # Two writes with one etag (the callers' own) could not be told apart.
                if batch and (size > self._max_bytes or operation.token in tokens):
                    break
                if operation.token is not None:
                    tokens.add(operation.token)
                operation.place = Place.TAKEN
                batch.append(operation)
            waiting.popleft()
        return batch

    def finish(self, settled: Iterable[tuple[Operation, Outcome]]) -> None:
        """Settle operations that were taken, and let the next ones of their actors go."""
        with self._lock:
            told = []
            for operation, outcome in settled:
                self._taken -= 1
                operation.place = Place.DONE
                if operation.settle(outcome):
                    told.append(operation)
                self._release(operation)
            self._notify_if_done()
        deliver(told)

    def _release(self, operation: Operation) -> None:
        behind = self._busy.get(operation.actor)
        if behind is None:
            return
        while behind:
            follower = behind.popleft()
            if follower.outcome is None:
                self._ready(follower)
                return
        del self._busy[operation.actor]

    def withdraw(self, operation: Operation, outcome: Outcome) -> None:
        """Settle an operation that nobody waits for; one that no lane has taken is not sent."""
        with self._lock:
            if operation.settle(outcome) and operation.place is Place.READY:
                self._release(operation)

    def expire(self, now: float, outcome_of: Callable[[Operation], Outcome]) -> None:
        """Settle what waits past its deadline."""
        with self._lock:
            if now < self._earliest:
                return
            told = []
            for operation in self._waiting():
                if operation.deadline <= now and operation.settle(outcome_of(operation)):
                    told.append(operation)
                    if operation.place is Place.READY:
                        self._release(operation)
            self._purge()
            rest = [op.deadline for op in self._waiting() if op.outcome is None]
            self._earliest = min(rest, default=float("inf"))
            self._notify_if_done()
        deliver(told)

    def _purge(self) -> None:
        """Drop what is settled: with no connection no lane would come to do it."""
        for groups in self._groups.values():
            for group, waiting in list(groups.items()):
                groups[group] = deque(op for op in waiting if op.outcome is None)
                if not groups[group]:
                    del groups[group]

    def _waiting(self) -> list[Operation]:
        ready = [g for groups in self._groups.values() for g in groups.values()]
        return [operation for group in (*ready, *self._busy.values()) for operation in group]

    def settle_early(self, operations: Iterable[Operation], outcome: Outcome) -> None:
        """Settle operations that are not queued, or that a lane still holds.

        The actors of the latter stay busy until the lane is done with them.
        """
        places = (Place.OUTSIDE, Place.TAKEN)
        with self._lock:
            free = [operation for operation in operations if operation.place in places]
            told = [operation for operation in free if operation.settle(outcome)]
        deliver(told)

    def close(self) -> None:
        """Take no more; what waits is still given out."""
        with self._lock:
            self._closed = True
            for changed in self._changed.values():
                changed.notify_all()

    def _is_done(self) -> bool:
        return self._closed and not self._taken and not any(self._groups.values())

    def _notify_if_done(self) -> None:
        if self._is_done():
            for changed in self._changed.values():
                changed.notify_all()
