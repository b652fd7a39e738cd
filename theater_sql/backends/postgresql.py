"""PostgreSQL through psycopg: a batch is one statement over arrays, sent in binary."""

from __future__ import annotations

import re
import threading
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Engine

from theater_sql.backends.base import Wire, compile_options, opened
from theater_sql.backends.postgresql_faults import aborts, classify
from theater_sql.backends.postgresql_sessions import (
    BorrowedConnection,
    PooledSession,
    PostgreSQLSession,
    Settings,
    shut_down,
)
from theater_sql.backends.postgresql_wires import Wires
from theater_sql.errors import ConfigurationError


class PostgreSQL:
    """The backend of one engine; ``timeout`` is the server's own limit for a statement.

    Full durability is what the server has configured, unless that is none. Where ``pooler``, no
    two transactions of a connection are sure to meet one session of the server's.
    """

    name = "postgresql"
    now: sa.ColumnElement[Any] = sa.func.now()
    batches = True
    shared_connection = False
    drivers = ("psycopg", "psycopg_async")
    file = None

    def __init__(self, engine: Engine, timeout: float, relaxed: bool, pooler: bool) -> None:
        if pooler:
            _check_pooler(engine)
        self.dialect = engine.dialect
        self._pool = engine.pool.recreate()
        self._opening = threading.local()
        sa.event.listen(self._pool, "connect", self._watch, insert=True)
        self._timeout = timeout
        self._relaxed = relaxed
        self._pooler = pooler
        make_dialect: Any = type(engine.dialect)
        self._compiler = make_dialect(paramstyle="format")
        self._options = compile_options(engine)
        self._wires = Wires(engine.dialect)

    def connect(self, lock_timeout: float) -> PostgreSQLSession:
        """Open a connection in autocommit with the settings of a lane."""
        settings = Settings(lock_timeout, self._timeout, self._relaxed)
        make = PooledSession if self._pooler else PostgreSQLSession
        try:
            return opened(self._pool, lambda raw: make(raw, settings))
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
        if self._pooler and raw.prepare_threshold is not None:
            raise ConfigurationError(
                "a connection through a pooler must not prepare statements: "
                'create_engine(url, connect_args={"prepare_threshold": None})'
            )
        return BorrowedConnection(connection)

    def _watch(self, connection: Any, record: object) -> None:
        """Bound what is asked of a new connection before any lane can see it."""
        self._opening.watch = watch = threading.Timer(self._timeout, shut_down, [connection])
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


def _check_pooler(engine: Engine) -> None:
    from psycopg import Pipeline

    if "options" in engine.url.query:
        raise ConfigurationError(
            "options= in the URL belongs to a session, and a pooler's sessions are shared: "
            "give the role or the database these settings (ALTER ROLE ... SET ...)"
        )
    if not Pipeline.is_supported():
        raise ConfigurationError(
            "pooler=True needs libpq 14 or newer: pip install 'theater-sql[postgresql]' brings one"
        )
