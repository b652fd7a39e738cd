"""SQLite through the standard library: a batch is one transaction, a statement for each row.

Limits: one writer at a time per file; a decimal sorts as text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, Engine
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import TypeDecorator

from theater_sql.backends.base import (
    Wire,
    compile_options,
    opened,
)
from theater_sql.backends.sqlite_faults import classify
from theater_sql.backends.sqlite_sessions import BorrowedConnection, SQLiteSession
from theater_sql.checks import check_jsonb, check_on, is_aware, on_dialect, signed_zero
from theater_sql.codec import CodecError
from theater_sql.errors import ConfigurationError
from theater_sql.types import Document

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
    drivers = ("pysqlite", "aiosqlite")

    def __init__(self, engine: Engine, timeout: float, relaxed: bool, pooler: bool) -> None:
        del timeout  # SQLite has no limit of its own for a statement
        if pooler:
            raise ConfigurationError(
                "pooler=True is for PostgreSQL: SQLite has no sessions to share"
            )
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
        return opened(self._pool, lambda raw: SQLiteSession(raw, None, self._synchronous))

    @property
    def file(self) -> str:
        """What the one writer at a time writes to."""
        return _file(self._engine)

    def is_own(self, connection: sa.Connection) -> bool:
        """Tell whether a connection is to this file."""
        return _file(connection.engine) == self.file

    def borrow(self, connection: sa.Connection) -> BorrowedConnection:
        """Return what runs statements on a connection of the caller's."""
        return BorrowedConnection(connection)

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
            # Text takes all JSON; what PostgreSQL's jsonb would change is refused here too.
            return Wire(sa.Text(), column, check=check_jsonb if type_.jsonb else None)
        if isinstance(type_, sa.JSON):
            return Wire(sa.Text(), column, load=_json_text, check=_check_number)
        check = check_on(column.type, self.dialect)
        impl = type_.dialect_impl(self.dialect)
        bind, load = impl.bind_processor(self.dialect), impl.result_processor(self.dialect, None)
        if isinstance(type_, TypeDecorator):
            impl = type_.type_engine(self.dialect)
        if isinstance(impl, sa.Boolean) and not isinstance(type_, TypeDecorator):
            load = _bool
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

    @staticmethod
    def aborts(error: BaseException) -> bool:
        """Tell nothing: the driver tells of a transaction that is over."""
        return False


def _file(engine: Engine) -> str:
    """Return the path of an engine's file, or what tells one database in memory from others."""
    path = engine.url.database
    if path in (None, "", ":memory:"):
        return f"memory {id(engine.pool)}"
    return str(Path(unquote(str(path).removeprefix("file:"))).resolve())


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


def _bool(value: Any) -> bool:
    """Refuse what SQLAlchemy would take for true."""
    if value not in (0, 1):
        raise CodecError("$", "neither true nor false")
    return bool(value)


def _bare(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
