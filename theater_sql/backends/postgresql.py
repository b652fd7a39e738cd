"""PostgreSQL through psycopg: a batch is one statement over arrays, sent in binary."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Engine

from theater_sql.backends.base import (
    Answer,
    AnyStatement,
    Atomic,
    Statement,
    Wire,
    compile_options,
    opened,
)
from theater_sql.backends.postgresql_faults import aborts, classify
from theater_sql.backends.postgresql_wires import Wires
from theater_sql.errors import ConfigurationError

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
_RELAXED: Final = "set_config('synchronous_commit', 'off', false)"
_FULL: Final = (
    "CASE WHEN current_setting('synchronous_commit') = 'off' "
    "THEN set_config('synchronous_commit', 'on', false) END"
)


class PostgreSQL:
    """The backend of one engine; ``timeout`` is the server's own limit for a statement.

    Full durability is what the server has configured, unless that is none.
    """

    name = "postgresql"
    now: sa.ColumnElement[Any] = sa.func.now()
    batches = True
    shared_connection = False
    drivers = ("psycopg", "psycopg_async")
    file = None

    def __init__(self, engine: Engine, timeout: float, relaxed: bool) -> None:
        self.dialect = engine.dialect
        self._pool = engine.pool.recreate()
        self._opening = threading.local()
        sa.event.listen(self._pool, "connect", self._watch, insert=True)
        self._timeout = timeout
        self._relaxed = relaxed
        make_dialect: Any = type(engine.dialect)
        self._compiler = make_dialect(paramstyle="format")
        self._options = compile_options(engine)
        self._wires = Wires(engine.dialect)

    def connect(self, lock_timeout: float) -> PostgreSQLSession:
        """Open a connection in autocommit with the settings of a lane."""
        settings = _SETTINGS | {
            "lock_timeout": _milliseconds(lock_timeout),
            "statement_timeout": _milliseconds(self._timeout),
        }
        try:
            return opened(self._pool, lambda raw: PostgreSQLSession(raw, settings, self._relaxed))
        finally:
            watch = self._opening.__dict__.pop("watch", None)
            if watch is not None:
                watch.cancel()

    def is_own(self, connection: sa.Connection) -> bool:
        """Trust the caller: a database has many addresses."""
        return True

    def borrow(self, connection: sa.Connection) -> BorrowedConnection:
        """Return what runs statements on a connection of the caller's."""
        raw: Any = connection.connection.driver_connection
        if raw.autocommit:
            raise ConfigurationError("a connection in autocommit has no transaction to write in")
        return BorrowedConnection(connection)

    def _watch(self, connection: Any, record: object) -> None:
        """Bound what is asked of a new connection before any lane can see it."""
        self._opening.watch = watch = threading.Timer(self._timeout, _shut_down, [connection])
        watch.daemon = True
        watch.start()

    def insert(self, table: sa.Table) -> postgresql.Insert:
        """Return PostgreSQL's INSERT."""
        return postgresql.insert(table)

    def compile(self, statement: sa.sql.ClauseElement) -> tuple[str, list[tuple[str, Any]]]:
        """Return SQL with positional binary parameters, and their names and values in order."""
        compiled: Any = statement.compile(dialect=self._compiler, **self._options)
        sql = re.sub(r"(?<!%)%s", "%b", compiled.string)
        return sql, [(name, compiled.params[name]) for name in compiled.positiontup]

    def wire(self, column: sa.Column[Any]) -> Wire:
        """Return how a column travels: natively if its type allows, else as text."""
        return self._wires(column)

    classify = staticmethod(classify)
    aborts = staticmethod(aborts)


def _milliseconds(seconds: float) -> str:
    return str(max(1, int(seconds * 1000)))


class PostgreSQLSession:
    """One psycopg connection with its cursors: one that gets binary results, one text."""

    waiting = False
    any_thread = True

    def __init__(self, connection: Any, settings: dict[str, str], relaxed: bool) -> None:
        from psycopg.types.numeric import Int8BinaryDumper

        self._connection = connection
        connection.commit()  # a listener of the engine's may have begun a transaction
        connection.autocommit = True
        # One width for all: else each mix of small and large numbers is another statement
        # to prepare.
        connection.adapters.register_dumper(int, Int8BinaryDumper)
        self._binary = connection.cursor(binary=True)
        self._text = connection.cursor()
        calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
        self._text.execute(
            f"SELECT {calls}, {_RELAXED if relaxed else _FULL}",
            [value for pair in settings.items() for value in pair],
        )

    def run(self, statement: AnyStatement, rows: Sequence[tuple[Any, ...]]) -> list[Answer]:
        """Execute one batch in one statement, or row by row where the layout needs it."""
        if isinstance(statement, Atomic):
            return [self._run_atomic(statement)]
        return _run(self._text if statement.text else self._binary, statement, rows)

    def _run_atomic(self, atomic: Atomic) -> list[bool]:
        self._text.execute("BEGIN")
        is_done = False
        try:
            answers = atomic.run(self.run)
            is_done = all(answers)
            self._text.execute("COMMIT" if is_done else "ROLLBACK")
            return answers
        except BaseException:
            if not (is_done or self._connection.closed):
                self._text.execute("ROLLBACK")
            raise

    def set_lock_timeout(self, seconds: float) -> None:
        """Bound how long a statement waits for a row lock."""
        self._text.execute("SELECT set_config('lock_timeout', %s, false)", [_milliseconds(seconds)])

    def query(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one query and return its rows."""
        return list(self._binary.execute(sql, parameters).fetchall())

    def kill(self) -> None:
        """Shut the socket down: nothing else ends a call to a server that does not answer."""
        _shut_down(self._connection)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


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


def _shut_down(connection: Any) -> None:
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
