"""Turns: of several processes that upgrade one database, one works and the others wait.

On PostgreSQL the turn is a session's advisory lock, so it needs a direct connection: a pooler
in transaction mode would hand the session on. On SQLite it is the write lock of the file.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import Connection

from theater_sql.errors import Unavailable

_LOG: Final = logging.getLogger("theater_sql.migrations")
_PATIENCE: Final = 3600.0
_PAUSE: Final = 0.1
_KEY: Final = int.from_bytes(b"theater", "big")
_UNDO: Final = "theater_sql.migrations.undo"


def take_turn(connection: Connection) -> None:
    """Wait until nobody else migrates, and keep others out until the connection is given back.

    A transaction that is under way already is the caller's; so is its turn on SQLite then.
    """
    if _UNDO in connection.info:
        return
    if connection.dialect.name == "postgresql":
        _lock(connection)
        _when_given_back(connection, _unlock)
    elif connection.dialect.name == "sqlite" and not connection.in_transaction():
        _when_given_back(connection, _begin_immediately(connection))


def _lock(connection: Connection) -> None:
    """Ask for the lock again and again.

    Waiting inside one statement would keep a snapshot, for which a ``CREATE INDEX
    CONCURRENTLY`` of the one who works would wait in turn.
    """
    is_theirs = connection.in_transaction()
    deadline = time.monotonic() + _PATIENCE
    waiting = False
    while not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_KEY})").scalar():
        if not waiting:
            _LOG.info("another upgrade of this database is under way: waiting for its end")
            waiting = True
        if not is_theirs:
            connection.rollback()
        if time.monotonic() > deadline:
            reason = "another upgrade did not end within an hour; nothing was done: try again"
            raise Unavailable(None, None, reason)
        time.sleep(_PAUSE)
    if not is_theirs:
        connection.rollback()  # or Alembic takes the open transaction for the caller's


def _unlock(dbapi_connection: Any) -> None:
    dbapi_connection.rollback()  # a failed transaction would refuse the statement
    cursor = dbapi_connection.cursor()
    cursor.execute(f"SELECT pg_advisory_unlock({_KEY})")
    cursor.close()
    dbapi_connection.rollback()


def _begin_immediately(connection: Connection) -> Callable[[Any], None]:
    """Make every transaction take the write lock at its start, and return what undoes that.

    sqlite3 on its own begins only before an INSERT, UPDATE or DELETE, so that DDL would be
    committed statement by statement.
    """
    driver: Any = connection.connection.dbapi_connection
    isolation_level = driver.isolation_level
    busy_timeout = _busy_timeout(driver, int(_PATIENCE * 1000))
    driver.isolation_level = None
    event.listen(connection, "begin", _begin_immediate)

    def undo(driver: Any) -> None:
        driver.rollback()
        driver.isolation_level = isolation_level
        _busy_timeout(driver, busy_timeout)

    return undo


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _busy_timeout(driver: Any, milliseconds: int) -> int:
    """Set how long SQLite waits for a lock, and return what it was."""
    cursor = driver.cursor()
    cursor.execute("PRAGMA busy_timeout")
    before = int(cursor.fetchone()[0])
    cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")
    cursor.close()
    return before


def _when_given_back(connection: Connection, undo: Callable[[Any], None]) -> None:
    connection.info[_UNDO] = undo
    pool = connection.engine.pool
    if not event.contains(pool, "reset", _give_back):
        event.listen(pool, "reset", _give_back)


def _give_back(dbapi_connection: Any, record: Any, state: Any) -> None:
    undo = record.info.pop(_UNDO, None)
    if undo is not None and not state.terminate_only:
        undo(dbapi_connection)
