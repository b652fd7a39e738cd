"""The steps of a batch of writes that is all or nothing.

It is one transaction of a compare and swap or a create for each row. When a row does not match
all is rolled back, and a look at the rows that did not tells why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from theater_sql.backends.base import Atomic, Fault, Part
from theater_sql.bulk import Rounds, side_by_side
from theater_sql.calls import Call, Steps, Write
from theater_sql.contract import ABSENT, OVERWRITE, Etag, Expect, Results
from theater_sql.errors import (
    BatchConflict,
    Conflict,
    ConstraintViolation,
    InvalidId,
    OutcomeUnknown,
    StorageError,
)
from theater_sql.lanes import Operation, Outcome

_MOST_ROWS: Final = 1000
_MOST_BYTES: Final = 2**20
"""What one statement takes."""


class Entry(NamedTuple):
    """One write of the batch, as it was asked for."""

    call: Call
    write: Write
    expect: Etag | Expect

    def conflict(self, tried: Etag | Expect, present: Etag | None) -> StorageError | None:
        """Return the error if this is not what was expected.

        An overwrite takes anything, save what it ``tried`` to replace and was not let.
        """
        if present == self.write.etag or (self.expect is OVERWRITE and present != tried):
            return None
        return self.call.conflict(tried, present)


class Attempt(NamedTuple):
    """One write of the batch as it is sent; sorted, the rows of all batches are in one order."""

    table: str
    is_create: bool
    key: tuple[Any, ...]
    entry: Entry
    operation: Operation


def put_all(
    entries: Sequence[Entry], overwrite_corrupt: bool, deadline: float
) -> Rounds[Results[Etag]]:
    """Write all or none, and return the new etags."""
    batch = _Batch(entries, overwrite_corrupt, deadline)
    batch.check_actors()
    while batch.left:
        yield from batch.write()
    return Results(entry.write.etag for entry in entries)


class _Batch:
    """What is left to write, and what earlier attempts have shown."""

    def __init__(self, entries: Sequence[Entry], overwrite_corrupt: bool, deadline: float) -> None:
        self.left = list(entries)
        self._size = len(entries)
        self._overwrite_corrupt = overwrite_corrupt
        self._deadline = deadline
        self._rows = _MOST_ROWS
        self._doubtful = False
        self._tried: dict[int, Etag | Expect] = {}

    def check_actors(self) -> None:
        """Refuse an actor that is there twice: one write would meet the other."""
        seen: set[tuple[Any, ...]] = set()
        for entry in self.left:
            if entry.call.actor in seen:
                reason = "it stands twice in a batch that is all or nothing; nothing was sent"
                raise entry.call.error(InvalidId, reason)
            seen.add(entry.call.actor)

    def write(self) -> Rounds[None]:
        """Try once; what is left afterwards has to be tried again."""
        attempts = yield from self._prepare()
        if not attempts:
            self.left = []
            return
        parts, positions = _parts(attempts, self._rows)
        atomic = Atomic(parts)
        [outcome] = yield [Operation(atomic, (atomic,), (), self._deadline)]
        self._doubtful = self._doubtful or outcome.doubtful
        if outcome.fault is not None:
            if atomic.reached == len(parts):
                yield from self._fail(None, outcome.fault)
                return
            first = positions[atomic.reached]
            if outcome.fault.of_row and len(parts[atomic.reached].rows) > 1:
                self._rows = 1  # again, to see which row is to blame
                return
            yield from self._fail(attempts[first], outcome.fault)
            return
        pairs = zip(attempts, outcome.answer, strict=True)
        missed = {id(attempt.entry) for attempt, matched in pairs if not matched}
        refused = [entry for entry in self.left if id(entry) in missed]
        self.left = (yield from self._look_at(refused)) if refused else []

    def _prepare(self) -> Rounds[list[Attempt]]:
        """Find what the overwrites replace, and make all operations, in order."""
        yield from side_by_side([entry.call.find() for entry in self.left])
        overwrites = [entry for entry in self.left if entry.expect is OVERWRITE]
        steps = [entry.call.writable(self._overwrite_corrupt) for entry in overwrites]
        found = iter((yield from side_by_side(steps)))
        attempts = []
        for entry in self.left:
            expect = next(found) if entry.expect is OVERWRITE else entry.expect
            if expect == entry.write.etag:
                continue  # it is there already
            self._tried[id(entry)] = expect
            operation = entry.call.operation(entry.write, expect)
            table = entry.call.statements.layout.table.fullname
            attempts.append(Attempt(table, expect is ABSENT, operation.key, entry, operation))
        return sorted(attempts, key=lambda attempt: attempt[:3])

    def _look_at(self, refused: list[Entry]) -> Rounds[list[Entry]]:
        """Return what to try again, or raise why nothing was written."""
        present = yield from self._look(refused)
        others = [e for e, etag in zip(refused, present, strict=True) if etag != e.write.etag]
        if self._was_committed(refused, present):
            return []
        if self._doubtful and others:
            reason = "the connection broke, and another write followed"
            raise others[0].call.unknown(reason, others[0].write.etag)
        self._raise_conflicts(refused, present)
        if others:
            others[0].call.check_time(None)
        ours = {id(entry) for entry in refused} - {id(entry) for entry in others}
        return [entry for entry in self.left if id(entry) not in ours]

    def _was_committed(self, entries: list[Entry], present: list[Etag | None]) -> bool:
        """Tell whether an earlier sending was: as a whole, if one row of it is there."""
        return self._doubtful and any(
            etag == entry.write.etag and entry.write.token is None
            for entry, etag in zip(entries, present, strict=True)
        )

    def _look(self, entries: list[Entry]) -> Rounds[list[Etag | None]]:
        def look(entry: Entry) -> Steps[Etag | None]:
            return entry.call.look_after(Outcome(None, None, self._doubtful), entry.write.etag)

        return side_by_side([look(entry) for entry in entries])

    def _raise_conflicts(self, entries: list[Entry], present: list[Etag | None]) -> None:
        pairs = zip(entries, present, strict=True)
        errors = [
            error
            for entry, etag in pairs
            if (error := entry.conflict(self._tried.get(id(entry), entry.expect), etag))
        ]
        conflicts = tuple(error for error in errors if isinstance(error, Conflict))
        if len(conflicts) < len(errors):
            raise next(error for error in errors if not isinstance(error, Conflict))
        if conflicts:
            raise self._joined(conflicts)

    def _joined(self, conflicts: tuple[Conflict, ...]) -> BatchConflict:
        first = conflicts[0]
        what = first.reason.partition(";")[0]
        others = f", and {len(conflicts) - 1} more of {self._size} are not as expected"
        return BatchConflict(
            first.actor_type,
            first.actor_id,
            f"{what}{others if len(conflicts) > 1 else ''}; nothing was written, neither this nor "
            "the others of its batch: get them, then decide",
            kind=first.kind,
            expected=first.expected,
            actual=first.actual,
            conflicts=conflicts,
        )

    def _fail(self, attempt: Attempt | None, fault: Fault) -> Rounds[None]:
        """Raise what a fault means: of one row, or (``None``) of the commit.

        A constraint may be violated for an actor being there.
        """
        if fault.error is ConstraintViolation:
            present = yield from self._look(self.left)
            if self._was_committed(self.left, present):
                self.left = []
                return
            if not self._doubtful and self._is_beaten(attempt, present):
                return
        if self._size > 1 and (attempt is None or not fault.of_row):
            reason = f"a batch of {self._size} that is all or nothing failed: {fault.reason}"
            fault = fault._replace(reason=reason)
        if self._doubtful:
            fault = fault._replace(error=OutcomeUnknown)
        elif attempt is None and self._size > 1:
            raise fault.error(None, None, fault.reason, **fault.details) from fault.cause
        entry = self.left[0] if attempt is None else attempt.entry
        entry.call.raise_fault(Outcome(None, fault, self._doubtful), entry.write.etag)

    def _is_beaten(self, attempt: Attempt | None, present: list[Etag | None]) -> bool:
        """Tell whether an overwrite found what was not there before, raising other conflicts."""
        found = list(zip(self.left, present, strict=True))
        changed = [
            (entry, etag)
            for entry, etag in found
            if entry.expect is not OVERWRITE
            and etag != (None if entry.expect is ABSENT else entry.expect)
        ]
        self._raise_conflicts([entry for entry, _ in changed], [etag for _, etag in changed])
        self.left = [entry for entry, etag in found if etag != entry.write.etag]
        there = {id(entry) for entry, etag in found if etag is not None}
        if attempt is None or not attempt.is_create or id(attempt.entry) not in there:
            return False
        attempt.entry.call.check_time(None)
        return True


def _parts(attempts: Sequence[Attempt], most: int) -> tuple[list[Part], list[int]]:
    """Return statements of at most so many rows, and the position of the first row of each."""
    parts, positions, position = [], [], 0
    for statement, group in groupby(attempts, key=lambda attempt: attempt.operation.statement):
        for rows in _divided([attempt.operation for attempt in group], most):
            parts.append(Part(statement, rows))
            positions.append(position)
            position += len(rows)
    return parts, positions


def _divided(operations: Sequence[Operation], most: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of statements that are not too long, and tell their rows by their etags."""
    rows: list[tuple[Any, ...]] = []
    tokens: set[Any] = set()
    size = 0
    for operation in operations:
        is_twin = operation.token is not None and operation.token in tokens
        if rows and (is_twin or len(rows) == most or size + operation.size > _MOST_BYTES):
            yield rows
            rows, tokens, size = [], set(), 0
        rows.append(operation.row)
        tokens.add(operation.token)
        size += operation.size
    yield rows
