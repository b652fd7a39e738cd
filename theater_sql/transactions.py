"""The storage inside a transaction of the caller's: his commit commits what it wrote."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any, Final, TypeVar, overload
from uuid import UUID

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, UnboundExecutionError
from sqlalchemy.orm import Session, scoped_session

from theater_sql.backends.base import Action, AnyStatement, Atomic, Borrowed, Fault, Phase
from theater_sql.bulk import Rounds, items_of, side_by_side
from theater_sql.calls import Call, Steps
from theater_sql.contract import (
    OVERWRITE,
    ActorId,
    ActorTypeLike,
    Etag,
    Expect,
    Found,
    NotPresent,
    Put,
    PutLike,
    S,
    TypedActor,
    UntypedActor,
)
from theater_sql.core import Core
from theater_sql.errors import (
    ConfigurationError,
    OutcomeUnknown,
    StorageClosed,
    TransactionAborted,
)
from theater_sql.homes import is_marker
from theater_sql.lanes import Outcome, hold
from theater_sql.routing import Placed

T = TypeVar("T")

_LOST: Final = (Action.RESEND, Action.RECONNECT, Action.ONCE)
"""What is done about faults that a transaction does not survive."""


class Transaction:
    """The storage inside your own transaction; every statement is in a SAVEPOINT.

    So the transaction goes on after a ``Conflict`` or a ``ConstraintViolation``. Nothing is
    tried again: after ``TransactionAborted`` run your whole block again. The etags it gives are
    void if you roll back. Calls at once follow each other.
    """

    def __init__(self, core: Core, target: Connection | Session) -> None:
        core.check_open()
        self._core = core.inside()
        scoped: Any = target
        self._target = scoped() if isinstance(scoped, scoped_session) else target
        self._connection = _connection_of(self._target, core)
        self._root, self._borrowed = _entered(core, self._connection)
        self._turn = self.turn(threading.Lock)
        self._has_ended = self._is_aborted = False
        if core.backend.file is not None:
            root = self._root
            hold(core.backend.file, lambda: bool(root.is_active))

    def turn(self, lock: Callable[[], T]) -> T:
        """Return the lock of that kind that all who use this connection share."""
        turn: T = self._connection.info.setdefault((__name__, lock), lock())
        return turn

    def end(self) -> None:
        """Refuse later calls: its block was left."""
        self._has_ended = True

    @overload
    def get(self, actor_type: TypedActor[S], actor_id: ActorId) -> Found[S] | NotPresent: ...

    @overload
    def get(self, actor_type: UntypedActor, actor_id: ActorId) -> Found[Any] | NotPresent: ...

    def get(self, actor_type: ActorTypeLike[Any], actor_id: ActorId) -> Found[Any] | NotPresent:
        """Return the state as your transaction sees it, or ``NOT_PRESENT``."""
        return self._run(self._core.get(actor_type, actor_id, None))

    def put(
        self,
        actor_type: ActorTypeLike[S],
        actor_id: ActorId,
        state: S,
        *,
        expect: Etag | Expect = OVERWRITE,
        etag: Etag | None = None,
        overwrite_corrupt: bool = False,
    ) -> Etag:
        """Write the state; see ``SQLStorage.put``."""
        options = (expect, etag, overwrite_corrupt, None)
        return self._run(self._core.put(actor_type, actor_id, state, *options))

    def delete(
        self,
        actor_type: ActorTypeLike[Any],
        actor_id: ActorId,
        *,
        expect: Etag | Expect = OVERWRITE,
    ) -> None:
        """Remove the actor; see ``SQLStorage.delete``."""
        self._run(self._core.delete(actor_type, actor_id, expect, None))

    def put_many(self, puts: Iterable[PutLike], *, overwrite_corrupt: bool = False) -> list[Etag]:
        """Write all states or none, locking their rows in the order of tables and keys.

        Raises:
            BatchConflict: some are not as expected; nothing of the batch was written.
        """
        batch = items_of(Put, puts)
        rounds = self._core.put_all(batch, overwrite_corrupt, None)
        self.lock([put[:2] for put in batch])
        return [etag for etag in self._run_many(rounds) if not isinstance(etag, Exception)]

    def lock(self, actors: Iterable[tuple[ActorTypeLike[Any], ActorId]]) -> None:
        """Keep other writers from these actors until your transaction ends.

        The rows are locked in the order of tables and keys, so that two blocks that begin with
        a lock of all they will write can't deadlock. What is not there can't be locked.
        """
        missing = self._lock(self._core.calls(actors))
        if missing:  # what the routes say may be old: once more, where they say otherwise by now
            self._core.router.routes.forget()
            calls = [call for call, _ in missing]
            there = self._run_many(side_by_side([self._core.router.place(one) for one in calls]))
            known = zip(missing, there, strict=True)
            self._lock([call for (call, view), now in known if now.view.route != view.route])

    def _lock(self, calls: Sequence[Call]) -> list[Placed]:
        """Lock rows where they should be, and return the calls that have none there."""
        place = self._core.router.place
        placed = self._run_many(side_by_side([place(call) for call in calls]))
        self._run_many(side_by_side([call.find() for call, _ in placed]))
        places = [
            (call, Placed(one, view)) for one, (call, view) in zip(calls, placed, strict=True)
        ]
        places.sort(key=lambda pair: (pair[0].statements.layout.table.fullname, pair[0].key))
        missing = []
        for _, group in groupby(places, key=lambda pair: pair[0].statements.layout):
            some = list(group)
            call = some[0][0]
            rows = [call.key for call, _ in some]
            outcome = self._execute(call.statements.lock, rows, Phase.READ)
            call.raise_fault(outcome)
            answers = [outcome.answer] if len(rows) == 1 else outcome.answer
            found = zip(some, answers, strict=True)
            missing += [one for (call, one), row in found if row is None or _is_left(call, row[0])]
        return missing

    def _run(self, steps: Steps[T]) -> T:
        return self._run_many(side_by_side([steps]))[0]

    def _run_many(self, rounds: Rounds[T]) -> T:
        try:
            operations = next(rounds)
            while True:
                operations = rounds.send(
                    [self._execute(op.statement, [op.row], op.phase) for op in operations]
                )
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            rounds.close()

    def _is_open(self) -> bool:
        return bool(self._root.is_active) and self._borrowed.is_open

    def _send_savepoints(self) -> None:
        """Have a session send a SAVEPOINT of the caller's, which it puts off until it is used."""
        if isinstance(self._target, Session) and self._target.connection() is not self._connection:
            raise ConfigurationError("the session has another connection now")

    def _execute(
        self, statement: AnyStatement, rows: Sequence[tuple[Any, ...]], phase: Phase
    ) -> Outcome:
        """Run a statement; what failed, or a batch that did not match in full, leaves nothing."""
        with self._turn:  # savepoints of two calls at once would end each other
            return self._execute_alone(statement, rows, phase)

    def _execute_alone(
        self, statement: AnyStatement, rows: Sequence[tuple[Any, ...]], phase: Phase
    ) -> Outcome:
        if self._is_aborted:
            reason = "your transaction was rolled back; nothing was sent: run its block again"
            return Outcome(None, Fault(Action.RAISE, TransactionAborted, reason))
        if self._has_ended or self._core.lanes.is_closed or not self._is_open():
            reason = "the transaction, its block or the storage has ended; nothing was sent"
            return Outcome(None, Fault(Action.RAISE, StorageClosed, reason))
        savepoint = None
        try:
            self._send_savepoints()
            savepoint = self._connection.begin_nested()
            answers = self._borrowed.run(statement, rows)
            for one in answers:
                if isinstance(one, Exception):
                    raise one
            answer = answers[0] if len(rows) == 1 else answers
            if isinstance(statement, Atomic) and not all(answer):
                savepoint.rollback()
            else:
                savepoint.commit()
            return Outcome(answer)
        except BaseException as error:
            is_over = not self._borrowed.is_open
            with suppress(SQLAlchemyError):
                if savepoint is not None:
                    savepoint.rollback()
            if not isinstance(error, Exception):
                raise
            fault = _fault(self._core, error, phase, is_over=is_over)
            if fault.error is TransactionAborted:
                self._roll_back()
            return Outcome(None, fault)

    def _roll_back(self) -> None:
        """Make it true that the transaction was rolled back, should the caller commit it."""
        self._is_aborted = True
        with suppress(SQLAlchemyError):
            if isinstance(self._target, Session):
                self._target.rollback()
            if self._root.is_active:
                self._root.rollback()


def _is_left(call: Call, value: Any) -> bool:
    etag: Any = None
    with suppress(Exception):  # one that is damaged is locked as any other
        etag = call.statements.load_etag(value)
    return type(etag) is UUID and is_marker(etag)


def _connection_of(target: Any, core: Core) -> Connection:
    """Return the connection, refusing what this storage can't write through."""
    backend = core.backend
    try:
        connection: Any = target.connection() if isinstance(target, Session) else target
    except UnboundExecutionError:
        raise ConfigurationError("in_transaction() needs a Session that has an engine") from None
    if not isinstance(connection, Connection):
        raise ConfigurationError(
            f"in_transaction() got {type(target).__name__}: give it a Connection "
            "(engine.begin()) or a Session, and AsyncSQLStorage an AsyncConnection or AsyncSession"
        )
    if connection.dialect.name != backend.name or connection.dialect.driver not in backend.drivers:
        raise ConfigurationError(
            f"a connection of {connection.dialect.name}+{connection.dialect.driver} can't be used "
            f"here: this storage needs {backend.name} with {' or '.join(backend.drivers)}"
        )
    if backend.shared_connection:
        raise ConfigurationError(
            "in_transaction() can't share the one connection of a database in memory: use a file"
        )
    if not backend.is_own(connection):
        raise ConfigurationError("this connection is to another file than the storage has")
    return connection


def _entered(core: Core, connection: Connection) -> tuple[Any, Borrowed]:
    """Return the transaction, begun if none is open, and what runs statements in it."""
    theirs = connection.get_transaction()
    root = theirs or connection.begin()
    try:
        return root, core.backend.borrow(connection)
    except SQLAlchemyError as error:
        if theirs is None:
            root.rollback()
        fault = _fault(core, error, Phase.READ)
    reason = fault.reason
    if "nothing was" not in reason:
        reason = f"{reason}; nothing was written: try again"
    raise fault.error(None, None, reason) from fault.cause


def _fault(core: Core, error: Exception, phase: Phase, *, is_over: bool = False) -> Fault:
    """Return what an error means inside a transaction, which can't be tried again in part.

    ``is_over`` tells that the database has rolled it back already.
    """
    if isinstance(error, ConfigurationError):
        return Fault(Action.RAISE, StorageClosed, f"{error}; nothing was sent")
    cause = (isinstance(error, DBAPIError) and error.orig) or error
    fault = core.backend.classify(cause, phase)
    is_lost = fault.action in _LOST or fault.error is OutcomeUnknown
    is_lost = is_lost or is_over or isinstance(cause, SQLAlchemyError)
    if not (is_lost or core.backend.aborts(cause)):
        return fault
    what = fault.reason.partition("; nothing")[0]
    reason = f"{what}; your transaction was rolled back: run its block again"
    return Fault(Action.RAISE, TransactionAborted, reason, fault.cause)
