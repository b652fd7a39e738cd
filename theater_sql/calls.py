"""The steps of one call on one actor: which statements, in what order, and what they mean.

No I/O happens here: a call is a generator that yields operations and is sent their outcomes.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from theater_sql.backends.base import Statement
from theater_sql.bindings import Binding
from theater_sql.codec import CodecError
from theater_sql.contract import (
    ABSENT,
    NOT_PRESENT,
    OVERWRITE,
    ActorId,
    Etag,
    Expect,
    Found,
    NotPresent,
)
from theater_sql.errors import (
    Conflict,
    ConstraintViolation,
    CorruptState,
    InvalidState,
    StateTooNew,
    StorageError,
)
from theater_sql.etags import new_etag
from theater_sql.homes import is_marker
from theater_sql.lanes import Operation, Outcome
from theater_sql.refusals import Refusals
from theater_sql.statements import Statements

T = TypeVar("T")
Steps = Generator[Operation, Outcome, T]


class Write(NamedTuple):
    """A state made ready: its parameters, the etag that its row gets, and whether by the caller."""

    values: tuple[Any, ...]
    etag: Etag
    token: Any


class Call(Refusals):
    """One call on one actor; ``deadline`` is on the monotonic clock."""

    __slots__ = ("_former", "_names", "key", "statements")

    def __init__(
        self, binding: Binding, statements: Statements, actor_id: ActorId, deadline: float
    ) -> None:
        self.binding = binding
        self.actor_id = actor_id
        self.statements = statements
        self.deadline = deadline
        self.key = key = statements.key(binding.key(actor_id))
        self._names: Sequence[tuple[Any, ...]] = ()
        if binding.aliases and binding.is_generic:  # rows stay under the old names of their type
            self._names = [key, *(statements.key((name, *key[1:])) for name in binding.aliases)]
        self._former: Sequence[tuple[Any, ...]] = self._names[1:]

    @property
    def actor(self) -> tuple[Any, ...]:
        """What two calls on one actor have in common."""
        return self.statements.layout, self.key

    def get(self, kind: Statement | None = None) -> Steps[Found[Any] | NotPresent]:
        """Read the row and decode it."""
        read = self._read(kind or self.statements.read)
        outcome = yield read
        if self._former:
            outcome = yield from self._send_to_former(read, outcome)
        self.raise_fault(outcome)
        return NOT_PRESENT if outcome.answer is None else self._found(outcome.answer)

    def put(
        self, state: Any, expect: Etag | Expect, etag: Etag | None, *, overwrite_corrupt: bool
    ) -> Steps[Etag]:
        """Write the state where ``expect`` holds, giving the row ``etag`` or a new one."""
        write = self.prepare(state, etag)
        if expect is OVERWRITE:
            return self._overwrite(write, overwrite_corrupt)
        return self._carry_out(self.operation(write, expect), expect, write.etag)

    def prepare(self, state: Any, etag: Etag | None) -> Write:
        """Encode a state, or raise ``InvalidState``."""
        values = self._parameters(state)
        token = None if etag is None else self.statements.etag(etag)
        return Write(values, etag or new_etag(), token)

    def _overwrite(self, write: Write, overwrite_corrupt: bool) -> Steps[Etag]:
        """Write over whatever is there, as long as that takes."""
        read = self.statements.read
        while True:
            present = yield from self.writable(overwrite_corrupt, read)
            if present == write.etag:
                return write.etag
            try:
                operation = self.operation(write, present)
                return (yield from self._carry_out(operation, present, write.etag))
            except Conflict as conflict:
                self.check_time(conflict)
                read = self.statements.reread

    def delete(self, expect: Etag | Expect) -> Steps[bool]:
        """Remove the row where ``expect`` holds, and tell whether this call surely did."""
        if expect is not OVERWRITE:
            return (yield from self._remove(expect))
        while True:
            present = yield from self.look(self.statements.probe)
            if present is None:
                return False
            try:
                return (yield from self._remove(present))
            except Conflict as conflict:
                self.check_time(conflict)

    def operation(self, write: Write, expect: Etag | Expect) -> Operation:
        """Return the compare and swap, or the create, that writes a state."""
        statements, layout = self.statements, self.statements.layout
        book = (statements.etag(write.etag), self.binding.schema_version)
        if expect is ABSENT:
            fills = statements.fills(layout.on_create) if layout.on_create else ()
            row = (*self.key, *write.values, *fills, *book)
            return Operation(statements.create, self.key, row, self.deadline, write.token, ABSENT)
        fills = statements.fills(layout.on_update) if layout.on_update else ()
        expected = statements.etag(expect)
        row = (*self.key, expected, *write.values, *fills, *book)
        return Operation(statements.swap, self.key, row, self.deadline, write.token, expected)

    def _carry_out(self, operation: Operation, expect: Any, etag: Etag) -> Steps[Etag]:
        """Send a write; a row that carries its ``etag`` already is a success."""
        if expect is ABSENT and self._former:
            yield from self._check_former_names()
        outcome = yield operation
        if expect is not ABSENT and self._former:
            outcome = yield from self._send_to_former(operation, outcome)
        if outcome.answer:
            return etag
        if not self._may_exist(outcome, expect):
            self.raise_fault(outcome, etag)
        actual = yield from self.look_after(outcome, etag)
        if actual == etag:
            return etag
        if actual is None:
            self.raise_fault(outcome, etag)
        if outcome.doubtful:
            raise self.unknown("the connection broke, and another write followed", etag)
        raise self.conflict(expect, actual)

    def _may_exist(self, outcome: Outcome, expect: Any) -> bool:
        """Whether a create may have failed for the actor being there: it is not always the key
        that PostgreSQL looks at first.
        """
        fault = outcome.fault
        return expect is ABSENT and fault is not None and fault.error is ConstraintViolation

    def _remove(self, expect: Any) -> Steps[bool]:
        """Delete the row with this etag; after a lost acknowledgement, none is a success."""
        if expect is ABSENT:
            actual = yield from self.look(self.statements.probe)
            if actual is not None:
                raise self.conflict(expect, actual)
            return False
        etag = self.statements.etag(expect)
        row = (*self.key, etag)
        delete = Operation(self.statements.delete, self.key, row, self.deadline, etag, etag)
        outcome = yield from self._send_to_former(delete, (yield delete))
        self.raise_fault(outcome)
        if outcome.answer:
            return True
        actual = yield from self.look_after(outcome, None)
        if not outcome.doubtful:
            raise self.conflict(expect, actual)
        if actual is None:
            return False
        raise self.unknown("the connection broke, and another write followed", None)

    def look(self, kind: Statement | None = None) -> Steps[Etag | None]:
        """Return the etag that is there."""
        look = self._read(kind or self.statements.look)
        outcome = yield from self._send_to_former(look, (yield look))
        self.raise_fault(outcome)
        return None if outcome.answer is None else self._etag(outcome.answer[0])

    def look_after(self, outcome: Outcome, etag: Etag | None) -> Steps[Etag | None]:
        """Look why a write matched nothing, among the writes: reads may be with another server."""
        try:
            return (yield from self.look(self.statements.probe))
        except StorageError as error:
            if outcome.doubtful:
                raise self.unknown(error.reason, etag) from error
            raise

    def writable(self, overwrite_corrupt: bool, kind: Any = None) -> Steps[Etag | Expect]:
        """Return what an overwrite may replace, refusing a row that can't be decoded."""
        try:
            found = yield from self.get(kind)
        except CorruptState:
            if not overwrite_corrupt:
                raise
            present = yield from self.look(self.statements.probe)
            return ABSENT if present is None else present
        return found.etag

    def _check_former_names(self) -> Steps[None]:
        """Refuse to create an actor whose row stands under a former name of its type."""
        for key in self._former:
            outcome = yield Operation(self.statements.look, key, key, self.deadline)
            self.raise_fault(outcome)
            if outcome.answer is not None:
                raise self.conflict(ABSENT, self._etag(outcome.answer[0]))

    def _read(self, kind: Statement) -> Operation:
        return Operation(kind, self.key, self.key, self.deadline)

    def find(self) -> Steps[None]:
        """Turn to the row that ``get`` gives: of the type's own name, else of a former one."""
        if not self._names:
            return
        for position, key in enumerate(self._names):
            outcome = yield Operation(self.statements.look, key, key, self.deadline)
            self.raise_fault(outcome)
            if outcome.answer is not None:
                self.key, self._former = key, self._names[position + 1 :]
                return
        self.key, self._former = self._names[0], self._names[1:]

    def _send_to_former(self, operation: Operation, outcome: Outcome) -> Steps[Outcome]:
        """Send what matched nothing to the keys of former names, until it does, and once more to
        its own: the row may be renamed between the two.
        """
        rest = operation.row[len(self.key) :]
        doubtful = outcome.doubtful
        for key in (*self._former, self._names[0]) if self._former else ():
            if outcome.fault or outcome.answer:
                break
            row, token = (*key, *rest), operation.token
            outcome = yield Operation(operation.statement, key, row, self.deadline, token)
            doubtful = doubtful or outcome.doubtful
        return outcome._replace(doubtful=doubtful)

    def _parameters(self, state: Any) -> tuple[Any, ...]:
        """Return the state's parameters, or raise ``InvalidState``."""
        try:
            return self.statements.state(self.binding.codec.encode(state))
        except CodecError as error:
            failure = error
        except Exception as error:  # a column type's own code; its text may quote the value
            failure = CodecError("$", f"its column type raised {type(error).__name__}")
        # Out here, since an exception keeps the one it was raised in.
        reason = f"the state can't be stored: {failure}; nothing was written"
        raise self.error(InvalidState, reason, path=failure.path)

    def _found(self, row: Any) -> Found[Any]:
        """Return what a row holds, or raise ``CorruptState`` or ``StateTooNew``."""
        etag, version, schema_version, updated_at, *values = row
        if type(schema_version) is not int:
            raise self.corrupt(CodecError("$", "its schema_version is not a number"))
        if schema_version > self.binding.schema_version:
            raise self.error(
                StateTooNew,
                f"the row has schema_version {schema_version}, this process knows "
                f"{self.binding.schema_version}; nothing was changed: run the newer code",
                stored=schema_version,
                registered=self.binding.schema_version,
            )
        present = self._etag(etag)
        try:
            state = self.binding.codec.decode(self.statements.load_state(values))
            if self.binding.identify:
                self.binding.identify(state, self.binding.key(self.actor_id))
            when = self.statements.load_time(updated_at)
            if type(version) is not int or when is None:
                raise CodecError("$", "its version or the time of its last write is not one")
            return Found(state, present, version, when)
        except CodecError as error:
            failure = error
        except Exception as error:  # a column type's own code; its text may quote the value
            failure = CodecError("$", f"its column type raised {type(error).__name__}")
        raise self.corrupt(failure)

    def _etag(self, value: Any) -> Etag:
        """Return a row's etag, or raise ``CorruptState``, or ``ActorMoved`` of a mere marker."""
        etag: Any = None
        with suppress(Exception):
            etag = self.statements.load_etag(value)
        if type(etag) is not UUID:
            raise self.corrupt(CodecError("$", "its etag is not one"))
        if is_marker(etag):
            raise self.moved()
        return Etag(etag)
