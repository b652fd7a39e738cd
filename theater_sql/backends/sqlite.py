"""SQLite through the standard library: a batch is one transaction, a statement for each row.

Limits: one writer at a time per file; a decimal sorts as text; a file deleted underneath a
running process is not noticed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, Engine
from sqlalchemy.pool import StaticPool

from theater_sql.backends.base import (
    Action,
    Answer,
    Fault,
    Phase,
    Statement,
    Wire,
    compile_options,
    raw_connection,
    unforeseen,
)
from theater_sql.codec import CodecError
from theater_sql.errors import (
    ConstraintViolation,
    CorruptState,
    InvalidState,
    NotPermitted,
    OutcomeUnknown,
    SchemaMismatch,
    StorageCorrupt,
    StorageError,
    StorageFull,
    Unavailable,
)
from theater_sql.types import Document

_BUSY_MS: Final = 250
"""How long one attempt waits for another writer; the lane tries again until the deadline."""
_ROW_ERRORS: Final = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeError,
)


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
        if isinstance(column.type, Document):
            return Wire(sa.Text(), column)
        if isinstance(column.type, sa.JSON):
            return Wire(sa.Text(), column, load=_json_text)
        impl = column.type.dialect_impl(self.dialect)
        bind, load = impl.bind_processor(self.dialect), impl.result_processor(self.dialect, None)
        if isinstance(impl, sa.Numeric) and impl.asdecimal and bind and load:
            bind = _exact_float(bind, load)
        return Wire(column.type, column, bind=bind, load=load)

    def classify(self, error: BaseException, phase: Phase) -> Fault:
        """Return what an error from sqlite3 means, by its extended result code."""
        if isinstance(error, FileNotFoundError):
            reason = f"there is no file {error}: run the migrations"
            return Fault(Action.RAISE, Unavailable, reason)
        if isinstance(error, _ROW_ERRORS) or _is_undecodable(error):
            return _of_row(error, phase)
        code = getattr(error, "sqlite_errorname", None)
        if code is None:
            return unforeseen(error, phase)
        for prefix, (action, kind, reason) in _BY_CODE.items():
            if code.startswith(prefix):
                # "no such table: x" names what is missing, and no value.
                named = str(error) if str(error).startswith("no such") else code
                return Fault(action, kind, f"{reason} ({named})", error)
        return Fault(Action.RAISE, Unavailable, f"SQLite refused ({code}); {_NOTHING}", error)


_NOTHING: Final = "nothing was written"
_BY_CODE: Final[dict[str, tuple[Action, type[StorageError], str]]] = {
    "SQLITE_BUSY": (Action.RETRY, Unavailable, "another process writes to the file"),
    "SQLITE_LOCKED": (Action.RETRY, Unavailable, "another connection writes to the file"),
    "SQLITE_INTERRUPT": (Action.RETRY, Unavailable, "the statement was interrupted"),
    "SQLITE_SCHEMA": (Action.RECONNECT, Unavailable, "the schema changed"),
    "SQLITE_CANTOPEN": (Action.RAISE, Unavailable, "the file is missing or can't be opened"),
    "SQLITE_IOERR_FSYNC": (Action.RESEND, OutcomeUnknown, "the disk did not confirm"),
    "SQLITE_IOERR_COMMIT": (Action.RESEND, OutcomeUnknown, "the commit was not confirmed"),
    "SQLITE_IOERR_WRITE": (Action.RAISE, StorageFull, f"the disk is full; {_NOTHING}: make room"),
    "SQLITE_FULL": (Action.RAISE, StorageFull, f"the disk is full; {_NOTHING}: make room"),
    "SQLITE_NOMEM": (Action.RAISE, StorageFull, f"out of memory; {_NOTHING}"),
    "SQLITE_IOERR": (Action.RAISE, StorageCorrupt, "the disk reports an error"),
    "SQLITE_CORRUPT": (Action.RAISE, StorageCorrupt, "the file is damaged"),
    "SQLITE_NOTADB": (Action.RAISE, StorageCorrupt, "the file is not a database"),
    "SQLITE_READONLY": (Action.RAISE, NotPermitted, f"the file is read-only; {_NOTHING}"),
    "SQLITE_PERM": (Action.RAISE, NotPermitted, f"the file may not be used; {_NOTHING}"),
    "SQLITE_AUTH": (Action.RAISE, NotPermitted, f"not authorised; {_NOTHING}"),
    "SQLITE_ERROR": (
        Action.RAISE,
        SchemaMismatch,
        f"a table or column is missing or different; {_NOTHING}: run the migrations "
        "(storage.check() says what differs)",
    ),
}


def _is_undecodable(error: BaseException) -> bool:
    """Tell the driver's own complaint about text that is no UTF-8: it has no result code."""
    return isinstance(error, sqlite3.OperationalError) and not hasattr(error, "sqlite_errorname")


def _of_row(error: BaseException, phase: Phase) -> Fault:
    # The driver's text may quote values, so it is not chained; it names columns, not values.
    if isinstance(error, sqlite3.IntegrityError):
        return _constraint(error)
    if phase is Phase.READ:
        reason = "the stored row can't be read; its bytes are untouched"
        return Fault(Action.RAISE, CorruptState, reason, of_row=True, details={"path": "$"})
    reason = f"the database refuses a value; {_NOTHING}"
    return Fault(Action.RAISE, InvalidState, reason, of_row=True, details={"path": "$"})


def _constraint(error: sqlite3.IntegrityError) -> Fault:
    kind, _, rest = str(error).partition(" constraint failed")
    subject = rest.removeprefix(": ")
    if kind not in ("CHECK", "FOREIGN KEY", "NOT NULL", "UNIQUE"):
        kind, subject = "a constraint or trigger", ""  # a trigger's text may quote values
    columns = [column.rpartition(".")[2] for column in subject.split(", ") if column]
    named = kind == "CHECK"
    return Fault(
        Action.RAISE,
        ConstraintViolation,
        f"{kind} {subject} of its table refuses the row; {_NOTHING}",
        of_row=True,
        details={
            "constraint": subject if named else None,
            "columns": () if named else tuple(columns),
        },
    )


def _exact_float(bind: Any, load: Any) -> Any:
    """Refuse what SQLite would round: it keeps a NUMERIC as a float."""

    def exact(value: Any) -> Any:
        bound = bind(value)
        if load(bound) != value:
            raise CodecError("$", "more digits than SQLite keeps in a NUMERIC column")
        return bound

    return exact


def _json_text(value: Any) -> Any:
    """Undo the numeric affinity of a column declared JSON."""
    return value if isinstance(value, str) else repr(value)


class SQLiteSession:
    """One connection, in autocommit save for the transaction of a batch."""

    def __init__(self, connection: sqlite3.Connection, owner: Any, synchronous: str) -> None:
        self.waiting = False
        self._connection = connection
        self._owner = owner  # what keeps a shared connection open
        if owner is None:
            connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute(f"PRAGMA synchronous = {synchronous}")

    def run(self, statement: Statement, rows: Sequence[tuple[Any, ...]]) -> list[Answer]:
        """Execute a statement for each row: reads as they are, writes in one transaction."""
        if statement.token is None:
            return [self._attempt(statement, row) for row in rows]
        self.waiting = True
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        finally:
            self.waiting = False
        try:
            answers = []
            for row in rows:
                answers.append(self._attempt(statement, row))
                if not self._connection.in_transaction:
                    # A trigger or a conflict clause of the user's rolled everything back:
                    # what followed would be applied outside of the transaction.
                    raise answers[-1]
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return answers

    def _attempt(self, statement: Statement, row: tuple[Any, ...]) -> Answer:
        """Execute one row's statement; a row that is refused does not harm the others."""
        values = row + statement.constants
        parameters = [values[i] for i in statement.order]
        try:
            found = self._connection.execute(statement.single, parameters).fetchone()
        except sqlite3.OperationalError as error:
            if _is_undecodable(error):
                return error
            raise
        except _ROW_ERRORS as error:
            return error
        return found is not None if statement.token is not None else found

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
