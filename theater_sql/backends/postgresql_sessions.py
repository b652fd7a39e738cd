"""What runs statements on PostgreSQL: a lane's connection, direct or pooled, and a caller's."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa

from theater_sql.backends.base import Answer, AnyStatement, Atomic, Statement

_SETTINGS: Final = {
    # A batch then runs as a nested loop in the order of its arrays, which are sorted by key:
    # two batches take their row locks in one order, so they can't deadlock.
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "TimeZone": "UTC",
    "extra_float_digits": "1",  # text beside a float gives all its digits
}
_IDLE: Final = 0
"""libpq's word for a connection without a transaction."""


class Settings:
    """What a lane asks of the server: once of its session, or of each transaction anew."""

    def __init__(self, lock_timeout: float, statement_timeout: float, relaxed: bool) -> None:
        self._values = _SETTINGS | {
            "lock_timeout": _milliseconds(lock_timeout),
            "statement_timeout": _milliseconds(statement_timeout),
        }
        self._relaxed = relaxed

    def set_lock_timeout(self, seconds: float) -> None:
        self._values["lock_timeout"] = _milliseconds(seconds)

    def sql(self, *, local: bool) -> str:
        """Return the query that makes them hold; where ``local``, until the transaction ends."""
        calls = [_set(name, value, local) for name, value in self._values.items()]
        if self._relaxed:
            durability = _set("synchronous_commit", "off", local)
        else:
            durable = _set("synchronous_commit", "on", local)
            durability = (
                f"CASE WHEN current_setting('synchronous_commit') = 'off' THEN {durable} END"
            )
        return f"SELECT {', '.join([*calls, durability])}"


def _set(name: str, value: str, local: bool) -> str:
    return f"set_config('{name}', '{value}', {local})"


def _milliseconds(seconds: float) -> str:
    return str(max(1, int(seconds * 1000)))


class PostgreSQLSession:
    """One psycopg connection with its cursors: one that gets binary results, one text."""

    waiting = False
    any_thread = True

    def __init__(self, connection: Any, settings: Settings) -> None:
        from psycopg.types.numeric import Int8BinaryDumper

        self._connection = connection
        connection.commit()  # a listener of the engine's may have begun a transaction
        connection.autocommit = True
        # One width for all: else each mix of small and large numbers is another statement
        # to prepare.
        connection.adapters.register_dumper(int, Int8BinaryDumper)
        self._settings = settings
        self._binary = connection.cursor(binary=True)
        self._text = connection.cursor()
        self._make_ready()

    def _make_ready(self) -> None:
        self._text.execute(self._settings.sql(local=False))

    def run(self, statement: AnyStatement, rows: Sequence[tuple[Any, ...]]) -> list[Answer]:
        """Execute one batch in one statement, or row by row where the layout needs it."""
        if isinstance(statement, Atomic):
            return [self._run_atomic(statement)]
        return _run(self._text if statement.text else self._binary, statement, rows)

    def _run_atomic(self, atomic: Atomic) -> list[bool]:
        is_done = False
        try:
            self._begin()
            answers = atomic.run(self.run)
            is_done = all(answers)
            self._text.execute("COMMIT" if is_done else "ROLLBACK")
            return answers
        except BaseException:
            if not (is_done or self._connection.closed):
                self._text.execute("ROLLBACK")
            raise

    def _begin(self) -> None:
        self._text.execute("BEGIN")

    def set_lock_timeout(self, seconds: float) -> None:
        """Bound how long a statement waits for a row lock."""
        self._text.execute("SELECT set_config('lock_timeout', %s, false)", [_milliseconds(seconds)])

    def query(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one query and return its rows."""
        return list(self._binary.execute(sql, parameters).fetchall())

    def kill(self) -> None:
        """Shut the socket down: nothing else ends a call to a server that does not answer."""
        shut_down(self._connection)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class PooledSession(PostgreSQLSession):
    """The same behind a pooler, where the next transaction may find another server session.

    So nothing is left in the session: nothing is prepared, and each statement is sent with the
    beginning of a transaction, its settings and the commit, in one round trip.
    """

    def _make_ready(self) -> None:
        connection = self._connection
        connection.prepare_threshold = None
        _load_in_utc(connection.adapters)
        self._beginning = self._settings.sql(local=True)
        self._control = self._text
        self._binary = _PooledCursor(connection.cursor(binary=True), self._begin)
        self._text = _PooledCursor(connection.cursor(), self._begin)

    def _begin(self) -> None:
        self._control.execute("BEGIN")
        self._control.execute(self._beginning)

    def set_lock_timeout(self, seconds: float) -> None:
        """Bound how long the statements from now on wait for a row lock."""
        self._settings.set_lock_timeout(seconds)
        self._beginning = self._settings.sql(local=True)


def _load_in_utc(adapters: Any) -> None:
    """Have the driver give times in UTC, whatever zone a session has: it only knows of that."""
    from psycopg.adapt import Loader
    from psycopg.pq import Format

    def in_utc(original: Any) -> type[Loader]:
        class InUTC(Loader):
            format = original.format

            def __init__(self, oid: int, context: Any = None) -> None:
                super().__init__(oid, context)
                self._load = original(oid).load  # it asks the connection, and gets none

            def load(self, data: Any) -> Any:
                return self._load(data)

        return InUTC

    oid = adapters.types["timestamptz"].oid
    for format_ in (Format.TEXT, Format.BINARY):
        adapters.register_loader(oid, in_utc(adapters.get_loader(oid, format_)))


class _PooledCursor:
    """A cursor that makes of each statement a transaction, unless one is open."""

    def __init__(self, cursor: Any, begin: Callable[[], None]) -> None:
        self.connection = cursor.connection
        self.fetchone, self.fetchall = cursor.fetchone, cursor.fetchall
        self._control = cursor.connection.cursor()
        self._cursor = cursor
        self._begin = begin

    def execute(self, sql: str, parameters: Sequence[Any] = (), *, prepare: bool = False) -> Any:
        del prepare  # a prepared statement would stay in a session that others get
        if self.connection.pgconn.transaction_status != _IDLE:
            return self._cursor.execute(sql, parameters)
        try:
            with self.connection.pipeline():
                self._begin()
                self._cursor.execute(sql, parameters)
                # Said in so many words: what only fails at a pipeline's own end is not told.
                self._control.execute("COMMIT")
        except Exception:
            self._roll_back()
            raise
        return self._cursor

    def _roll_back(self) -> None:
        if not self.connection.closed and self.connection.pgconn.transaction_status != _IDLE:
            with suppress(Exception):  # a connection that breaks has rolled back
                self._control.execute("ROLLBACK")


class BorrowedConnection:
    """A connection of the caller's, through SQLAlchemy: it may be one of asyncio's."""

    is_open = True  # a transaction that failed is not over until the client says so

    def __init__(self, connection: sa.Connection) -> None:
        self._cursor = _BorrowedCursor(connection)

    def run(self, statement: AnyStatement, rows: Sequence[tuple[Any, ...]]) -> list[Answer]:
        """Execute one batch. Which rows it locks first is the plan's choice: lock them before."""
        if isinstance(statement, Atomic):
            return [statement.run(self.run)]
        return _run(self._cursor, statement, rows)


class _BorrowedCursor:
    """What of a psycopg cursor is used here."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self._result: Any = None

    def execute(self, sql: str, parameters: Sequence[Any], *, prepare: bool) -> None:
        del prepare  # that is the caller's to say
        self._result = self.connection.exec_driver_sql(sql, tuple(parameters))

    def fetchone(self) -> Any:
        found = self._result.fetchone()
        return None if found is None else tuple(found)

    def fetchall(self) -> list[Any]:
        return [tuple(row) for row in self._result.fetchall()]


def shut_down(connection: Any) -> None:
    """End whatever call is under way on a connection of the driver's."""
    # A connection that is gone already was the aim.
    with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as link:
        link.shutdown(socket.SHUT_RDWR)


def _run(cursor: Any, statement: Statement, rows: Sequence[tuple[Any, ...]]) -> list[Answer]:
    if len(rows) == 1:
        return [_single(cursor, statement, rows[0])]
    if statement.batch is None:
        return [_attempt(cursor, statement, row) for row in rows]
    arrays = [*(list(values) for values in zip(*rows, strict=True)), *statement.constants]
    cursor.execute(statement.batch, [arrays[i] for i in statement.batch_order], prepare=True)
    found = cursor.fetchall()
    if statement.token is not None:
        changed = {row[0] for row in found}
        if len(changed) == len(rows):
            return [True] * len(rows)
        return [row[statement.token] in changed for row in rows]
    answers: list[Answer] = [None] * len(rows)
    for row in found:
        answers[row[0] - 1] = row[1:]
    return answers


def _single(cursor: Any, statement: Statement, row: tuple[Any, ...]) -> Answer:
    order, row = statement.order, row + statement.constants
    parameters = itemgetter(*order)(row) if len(order) > 1 else [row[i] for i in order]
    cursor.execute(statement.single, parameters, prepare=True)
    if statement.many:
        return cursor.fetchall()
    found = cursor.fetchone()
    return found is not None if statement.token is not None else found


def _attempt(cursor: Any, statement: Statement, row: tuple[Any, ...]) -> Answer:
    """Execute one row's statement; what it raises is this row's answer, not the batch's."""
    try:
        return _single(cursor, statement, row)
    except Exception as error:
        if cursor.connection.closed:
            raise
        return error
