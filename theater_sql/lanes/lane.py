"""A lane: one connection guarded by one thread, which flushes what has piled up.

A flush is one statement for many callers. When it fails, what the fault means decides: raise
it to the callers, send again, or divide the batch until the row to blame stands alone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from operator import attrgetter
from typing import Final

from theater_sql.backends.base import Action, Answer, Backend, Fault, Phase, Session
from theater_sql.lanes.backoff import Backoff
from theater_sql.lanes.operation import MATCHED, Operation, Outcome, Place, overdue
from theater_sql.lanes.queue import Queue

log = logging.getLogger("theater_sql.lanes")
# Without it the last-resort handler would print to the application's stderr.
log.addHandler(logging.NullHandler())

LOCK_TIMEOUT: Final = 0.1
"""Seconds a batch waits for a row that somebody holds, before it is divided."""
_DIVIDED_LOCK_TIMEOUT: Final = 0.01
"""The same for the parts: a few of these in a row still let the neighbours go in time."""
_PATIENT_LOCK_TIMEOUT: Final = 1.0
"""The same for an operation that waits alone; several share it."""
_MARGIN: Final = 0.2
"""How long before its deadline an operation is not sent to wait for a lock any more."""
_FEW: Final = 2
"""Suspects that are worth a flush of their own."""
_KEY: Final = attrgetter("key")


class Lane:
    """One connection and its thread. A ``patient`` lane takes what a lock held up.

    A statement of more than ``limit`` seconds is cut off: the server would have ended it.
    """

    def __init__(
        self, name: str, backend: Backend, queue: Queue, limit: float, *, patient: bool = False
    ) -> None:
        self._backend = backend
        self._queue = queue
        self._limit = limit
        self._patient = patient
        self._lock_timeout = LOCK_TIMEOUT
        self._session: Session | None = None
        self._in_flight: tuple[Operation, ...] = ()
        self._sent_at = float("inf")
        self._backoff = Backoff()
        self._fault: Fault | None = None
        self._in_use = threading.Lock()
        self._crowded = False
        self._watched = threading.Lock()  # what the watchdog looks at, and kills
        self._is_killed = False
        self.thread: Final = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        while self._queue.wait(self._patient):
            if self._session is None or self._in_use.locked():  # another lane may be free
                self._queue.pass_on(self._patient)
            with self._in_use:
                session = self._connected()
                batch = self._queue.take(self._patient) if session else []
                if session and batch:
                    self._crowded = len(batch) > 1
                    self._serve(session, batch)
            if session is None:
                self._backoff.pause()
        with self._in_use:
            self._drop_session()

    def run_here(self, operation: Operation) -> bool:
        """Flush one operation in the thread that calls, if the lane and its queue are idle.

        This saves a lone caller two changes of thread. Not where the last flush served several,
        who are better off together; nor in the main thread: its signal handlers may raise in it.
        """
        is_main = threading.get_ident() == threading.main_thread().ident
        if is_main or self._crowded or not self._in_use.acquire(blocking=False):
            return False
        try:
            session = self._session
            if session is None or not session.any_thread or not self._queue.take_alone(operation):
                return False
            self._serve(session, [operation])
        except BaseException as error:  # what is under way on the connection is unknown
            self._abort([operation], error)
            raise
        finally:
            self._in_use.release()
        return True

    def rest(self) -> None:
        """Between two flushes, close the connection and open none until ``resume``."""
        self._in_use.acquire()
        self._drop_session()

    def resume(self) -> None:
        """Go on after ``rest``."""
        self._in_use.release()

    def _serve(self, session: Session, batch: Sequence[Operation]) -> None:
        self._in_flight = tuple(batch)
        try:
            if self._patient:
                self._wait_for_lock(session, batch)
            else:
                # Sorted keys: see the planner settings of PostgreSQL's sessions.
                self._flush(session, sorted(batch, key=_KEY))
        except Exception as error:  # a defect of ours must not leave callers waiting for ever
            log.exception("a lane failed")
            self._abort(batch, error)
        finally:
            with self._watched:
                self._in_flight = ()
                is_killed, self._is_killed = self._is_killed, False
            if is_killed:  # it may have answered just before; the next flush would break on it
                self._drop_session()

    def _abort(self, batch: Sequence[Operation], error: BaseException) -> None:
        """Give up the connection, and what of the batch is not settled."""
        self._drop_session()
        fault = self._backend.classify(error, batch[0].phase)
        self._refuse([op for op in batch if op.place is Place.TAKEN], fault)

    def _wait_for_lock(self, session: Session, batch: Sequence[Operation]) -> None:
        """Serve one operation, waiting for its row as long as its deadline and the others let.

        All that wait have a turn within about a second. The lock gives way before the
        deadline does: what is cut off in flight is in doubt.
        """
        left = batch[0].deadline - time.monotonic() - _MARGIN
        if left <= 0:
            self._queue.put_back(batch, patient=True)
            time.sleep(_MARGIN / 10)
            return
        turn = max(_DIVIDED_LOCK_TIMEOUT, _PATIENT_LOCK_TIMEOUT / (1 + self._queue.patient))
        self._set_lock_timeout(session, min(left, turn))
        if self._session is session:
            self._flush(session, batch)
        else:
            self._queue.put_back(batch)

    def _connected(self) -> Session | None:
        """Return the session, opening one if needed; ``None`` if that failed for now."""
        if self._session is None:
            try:
                self._session = self._backend.connect(LOCK_TIMEOUT)
                self._lock_timeout = LOCK_TIMEOUT
            except Exception as error:
                self._fault = self._backend.classify(error, Phase.CONNECT)
                self._report(self._fault)
                if self._fault.action is Action.RAISE:
                    self._refuse(self._queue.take(self._patient), self._fault)
        return self._session

    def _flush(self, session: Session, batch: Sequence[Operation]) -> None:
        """Send one batch; each operation ends settled, or in the queue again."""
        try:
            answers = self._send(session, batch)
        except Exception as error:
            self._recover(session, batch, self._backend.classify(error, batch[0].phase))
        else:
            self._backoff.reset()
            self._fault = None
            self._settle(session, batch, answers)

    def _send(self, session: Session, batch: Sequence[Operation]) -> Sequence[Answer]:
        is_one = batch[0].statement.layout is not None  # of an atomic batch, each has the limit
        self._sent_at = time.monotonic() if is_one else float("inf")
        try:
            return session.run(batch[0].statement, [operation.row for operation in batch])
        finally:
            self._sent_at = float("inf")

    def _settle(
        self, session: Session, batch: Sequence[Operation], answers: Sequence[Answer]
    ) -> None:
        """Pass the answers on; a row that failed alone is treated as a batch of one."""
        answered: list[Operation] = []
        outcomes: list[Outcome] = []
        failed: list[tuple[Operation, Exception]] = []
        for operation, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                failed.append((operation, answer))
                continue
            answered.append(operation)
            is_plain = answer is True and not operation.doubtful
            outcomes.append(MATCHED if is_plain else Outcome(answer, None, operation.doubtful))
        self._queue.finish(answered, outcomes)
        if not batch[0].statement.writes:
            self._queue.bounds.learn(batch[0].statement, answers)
        for operation, error in failed:
            fault = self._backend.classify(error, operation.phase)
            self._recover(session, [operation], fault)

    def _recover(self, session: Session, batch: Sequence[Operation], fault: Fault) -> None:
        """Do what a failed flush asks for."""
        hopeless = [op for op in batch if op.has_met(fault) and fault.action is Action.ONCE]
        self._refuse(hopeless, fault)
        batch = [op for op in batch if op not in hopeless]
        if len(batch) == 1 or not fault.of_row:
            for operation in batch:
                operation.meet(fault)
        if fault.action is Action.RAISE:
            if fault.of_row and len(batch) > 1:
                self._divide(session, batch, fault)
            else:
                self._refuse(batch, fault)
        elif fault.action is Action.BLOCKED:
            self._stand_aside(session, batch)
        else:
            self._send_again(batch, fault)

    def _divide(
        self, session: Session, batch: Sequence[Operation], fault: Fault | None = None
    ) -> None:
        """Flush the parts, so that only the row to blame fails: the suspects alone, or halves."""
        suspects = [op for op in batch if fault and fault.suspects and fault.suspects(op.row)]
        parts = [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
        if 0 < len(suspects) <= _FEW:
            parts = [[op for op in batch if op not in suspects], *([op] for op in suspects)]
        for part in filter(None, parts):
            if self._session is session:
                self._flush(session, part)
            else:  # the connection broke in another part
                self._queue.put_back(part)

    def _stand_aside(self, session: Session, batch: Sequence[Operation]) -> None:
        """Let the rows that somebody holds wait in the patient lane, and no others."""
        if len(batch) == 1:
            self._queue.put_back(batch, patient=True)
            return
        before = self._lock_timeout
        self._set_lock_timeout(session, _DIVIDED_LOCK_TIMEOUT)
        self._divide(session, batch)
        self._set_lock_timeout(session, before)

    def _set_lock_timeout(self, session: Session, seconds: float) -> None:
        if self._session is not session or self._lock_timeout == seconds:
            return
        try:
            session.set_lock_timeout(seconds)
            self._lock_timeout = seconds
        except Exception as error:
            log.warning("the connection broke: %s", type(error).__name__)
            self._drop_session()

    def _send_again(self, batch: Sequence[Operation], fault: Fault) -> None:
        self._report(fault)
        if fault.action is not Action.RETRY:
            self._drop_session()
        self._fault = fault
        self._queue.put_back(batch)
        self._queue.expire(time.monotonic(), self._too_late)
        self._backoff.pause()

    def _report(self, fault: Fault) -> None:
        """Log the first of a row of failures: the others would say the same."""
        if not self._backoff.failures:
            log.warning("%s: trying again until the deadlines", fault.reason)

    def _refuse(self, batch: Sequence[Operation], fault: Fault) -> None:
        self._queue.finish(batch, [Outcome(None, fault, op.doubtful) for op in batch])

    def _drop_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            try:
                with self._watched:  # else the watchdog might shut down another's socket
                    session.close()
            except Exception as error:
                log.debug("closing a broken connection: %s", type(error).__name__)

    def expire(self, now: float) -> None:
        """Settle what is past its deadline; end a flush that nobody waits for any more."""
        self._queue.expire(now, self._too_late)
        in_flight, session = self._in_flight, self._session
        if session is not None and session.waiting:
            return  # it gives up soon, with nothing sent, or else goes through
        for operation in in_flight:
            if operation.deadline <= now:
                self._queue.settle_early([operation], overdue(operation, self._fault, sent=True))
        unwanted = in_flight and all(operation.deadline <= now for operation in in_flight)
        if session and (unwanted or now - self._sent_at > self._limit):
            with self._watched, suppress(Exception):  # the lane itself may be closing it
                if self._in_flight is in_flight:  # else it has gone on to others
                    self._is_killed = True
                    session.kill()

    def _too_late(self, operation: Operation) -> Outcome:
        return overdue(operation, self._fault)
