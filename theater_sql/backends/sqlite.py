"""SQLite through the standard library: a batch is one transaction, a statement for each row.

Limits: one writer at a time per file; a decimal sorts as text; a file deleted underneath a
running process is not noticed.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, Engine
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import TypeDecorator

from theater_sql.backends.base import (
    Answer,
    Statement,
    Wire,
    compile_options,
    raw_connection,
)
from theater_sql.backends.sqlite_faults import ROW_ERRORS, classify, is_undecodable
from theater_sql.checks import check_on, is_aware, on_dialect, signed_zero
from theater_sql.codec import CodecError
from theater_sql.types import Document

_BUSY_MS: Final = 250
"""How long one attempt waits for another writer; the lane tries again until the deadline."""
_SLACK: Final = 0.05
_OWN_FORMAT: Final = (sqlite.DATETIME, sqlite.TIME)
"""Types that may be given a format of the user's."""


def existing_file_url(url: URL) -> URL:
    """Return the URL that opens the same file and fails where there is none."""
    if url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        return url
    query = {**url.query, "mode": "rw", "uri": "true"}
    return url.set(database=f"file:{quote(str(url.database))}", query=query)


def missing_file(url: URL) -> str | None:
    """Return the path of a URL's file if it is not there: to open it would create it."""
    path = url.database or ":memory:"
    if path.startswith("file:") and url.query.get("mode") == "rw":
        path = unquote(path.removeprefix("file:"))
    if path == ":memory:" or path.startswith("file:") or Path(path).exists():
        return None
    return path


class SQLite:
    """The backend of one engine."""

    name = "sqlite"
    now: sa.ColumnElement[Any] = sa.literal_column(
        # The form of UTCDateTime; SQLite's clock has milliseconds.
        "strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')"
    )
    batches = False

    def __init__(self, engine: Engine, timeout: float, relaxed: bool) -> None:
        del timeout  # SQLite has no limit of its own for a statement
        self.dialect = engine.dialect
        self.shared_connection = isinstance(engine.pool, StaticPool) or (
            engine.url.database in (None, "", ":memory:")
        )
        self._engine = engine
        self._pool = engine.pool.recreate()
        self._options = compile_options(engine)
        self._synchronous = "NORMAL" if relaxed else "FULL"

    def connect(self, lock_timeout: float) -> SQLiteSession:
        """Open the file, with foreign keys as PostgreSQL has them."""
        del lock_timeout  # there are no row locks
        if self.shared_connection:
            fairy: Any = self._engine.raw_connection()
            return SQLiteSession(fairy.driver_connection, fairy, self._synchronous)
        missing = missing_file(self._engine.url)
        if missing:
            raise FileNotFoundError(missing)
        return SQLiteSession(raw_connection(self._pool), None, self._synchronous)

    def insert(self, table: sa.Table) -> sqlite.Insert:
        """Return SQLite's INSERT."""
        return sqlite.insert(table)

    def compile(self, statement: sa.sql.ClauseElement) -> tuple[str, list[tuple[str, Any]]]:
        """Return SQL with positional parameters, and their names and values in order."""
        compiled: Any = statement.compile(dialect=self.dialect, **self._options)
        return compiled.string, [(n, compiled.params[n]) for n in compiled.positiontup]

    def wire(self, column: sa.Column[Any]) -> Wire:
        """Return how a column travels: as SQLAlchemy's type for SQLite says."""
        type_: Any = on_dialect(column.type, self.dialect)
        if isinstance(type_, Document):
            return Wire(sa.Text(), column)
        if isinstance(type_, sa.JSON):
            return Wire(sa.Text(), column, load=_json_text, check=_check_number)
        check = check_on(column.type, self.dialect)
        impl = type_.dialect_impl(self.dialect)
        bind, load = impl.bind_processor(self.dialect), impl.result_processor(self.dialect, None)
        if isinstance(type_, TypeDecorator):
            impl = type_.type_engine(self.dialect)
        rounds = isinstance(impl, sa.Numeric) and impl.asdecimal
        if bind and load and (rounds or (isinstance(type_, _OWN_FORMAT) and not is_aware(type_))):
            bind = _exactly(bind, load)
        elif isinstance(impl, sa.Float):
            bind = _then(bind, signed_zero)
        elif isinstance(impl, sa.JSON):
            bind = _then(bind, _check_number)
        elif isinstance(impl, sa.LargeBinary):  # a memoryview has neither an order nor a size
            bind = _then(bind, _bare)
        return Wire(column.type, column, bind=bind, load=load, check=check)

    classify = staticmethod(classify)


def _exactly(bind: Any, load: Any) -> Any:
    """Refuse what SQLite would cut or round: a NUMERIC is a float, a format may lack digits."""

    def exact(value: Any) -> Any:
        bound = bind(value)
        if load(bound) != value:
            raise CodecError("$", "more digits than its column keeps in SQLite")
        return bound

    return exact


def _then(bind: Any, check: Any) -> Any:
    """Check what was bound. A whole REAL is kept as an integer, which has no sign of zero."""
    return check if bind is None else lambda value: check(bind(value))


def _check_number(text: str) -> str:
    """Refuse a JSON text that is a number and would be another: a column declared JSON keeps it
    as INTEGER or REAL.
    """
    if (
        text
        and text[0] in "-0123456789"
        and not (text.lstrip("-").isdigit() and abs(int(text)) < 2**63)
    ):
        raise CodecError("$", "a number that SQLite would change: put it in a list")
    return text


def _json_text(value: Any) -> Any:
    """Undo the numeric affinity of a column declared JSON."""
    return value if isinstance(value, str) else repr(value)


def _bare(value: Any) -> bytes | None:
    return None if value is None else bytes(value)


def _usable_in_any_thread(connection: sqlite3.Connection) -> bool:
    """Ask another thread: a connection does not tell its ``check_same_thread``."""
    refused: list[BaseException] = []

    def touch() -> None:
        try:
            connection.cursor().close()
        except sqlite3.ProgrammingError as error:
            refused.append(error)

    thread = threading.Thread(target=touch)
    thread.start()
    thread.join()
    return not refused


class SQLiteSession:
    """One connection, in autocommit save for the transaction of a batch."""

    def __init__(self, connection: sqlite3.Connection, owner: Any, synchronous: str) -> None:
        self._waits_until = 0.0
        self.any_thread = _usable_in_any_thread(connection)
        self._connection = connection
        self._owner = owner  # what keeps a shared connection open
        if owner is None:
            connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute(f"PRAGMA synchronous = {synchronous}")

    def run(self, statement: Statement, rows: Sequence[tuple[Any, ...]]) -> list[Answer]:
        """Execute a statement for each row: reads as they are, writes in one transaction.

        A single write is a transaction of its own, save on a connection that is shared, where
        the driver begins one for the engine.
        """
        if not statement.writes:
            return [self._attempt(statement, row) for row in rows]
        if len(rows) == 1 and self._owner is None:
            return [self._wait_for(lambda: self._attempt(statement, rows[0]))]
        answers = self._in_transaction(lambda: self._run_at_once(statement, rows))
        if answers is None:
            answers = self._in_transaction(lambda: self._run_one_by_one(statement, rows))
        return answers or []

    def _in_transaction(self, action: Callable[[], list[Answer] | None]) -> list[Answer] | None:
        """Commit what an action did, if it gave answers."""
        self._wait_for(lambda: self._connection.execute("BEGIN IMMEDIATE"))
        try:
            answers = action()
            if answers is not None:
                self._connection.execute("COMMIT")
            return answers
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _run_at_once(
        self, statement: Statement, rows: Sequence[tuple[Any, ...]]
    ) -> list[Answer] | None:
        """Run all rows inside the driver, which is faster; give up unless every row matches."""
        assert statement.batch is not None
        order, constants = statement.batch_order, statement.constants
        parameters = [[(row + constants)[i] for i in order] for row in rows]
        try:
            changed = self._connection.executemany(statement.batch, parameters).rowcount
        except ROW_ERRORS:
            return None
        return [True] * len(rows) if changed == len(rows) else None

    def _run_one_by_one(
        self, statement: Statement, rows: Sequence[tuple[Any, ...]]
    ) -> list[Answer]:
        answers: list[Answer] = []
        for row in rows:
            answers.append(self._attempt(statement, row))
            if not self._connection.in_transaction:
                # A trigger or a conflict clause of the user's rolled everything back: what
                # followed would be applied outside of the transaction.
                raise answers[-1]
        return answers

    def _wait_for(self, action: Callable[[], Answer]) -> Answer:
        """Do what has to wait for a turn to write, as long as one attempt waits for it."""
        self._waits_until = time.monotonic() + _BUSY_MS / 1000 + _SLACK
        try:
            return action()
        finally:
            self._waits_until = 0.0

    @property
    def waiting(self) -> bool:
        return time.monotonic() < self._waits_until

    def _attempt(self, statement: Statement, row: tuple[Any, ...]) -> Answer:
        """Execute one row's statement; a row that is refused does not harm the others."""
        values = row + statement.constants
        parameters = [values[i] for i in statement.order]
        try:
            # All of them: a write that is alone is committed behind its last row.
            found = self._connection.execute(statement.single, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if is_undecodable(error):
                return error
            raise
        except ROW_ERRORS as error:
            return error
        if statement.writes:
            return bool(found)
        return found[0] if found else None

    def set_lock_timeout(self, seconds: float) -> None:
        """Do nothing: there are no row locks."""

    def query(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one query and return its rows."""
        return self._connection.execute(sql, parameters).fetchall()

    def kill(self) -> None:
        """Interrupt the statement that is under way."""
        with suppress(sqlite3.ProgrammingError):  # closed meanwhile, which was the aim
            self._connection.interrupt()

    def close(self) -> None:
        """Close the connection, unless the engine shares it."""
        if self._owner is None:
            self._connection.close()
        else:
            self._owner.close()
