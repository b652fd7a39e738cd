"""SQLite's connections: a lane's own, and one of the caller's."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from theater_sql.backends.base import Answer, AnyStatement, Atomic, Statement
from theater_sql.backends.sqlite_faults import ROW_ERRORS, FileGoneError, is_undecodable
from theater_sql.tables import GENERIC_TABLE

_BUSY_MS: Final = 250
"""How long one attempt waits for another writer; the lane tries again until the deadline."""
_SLACK: Final = 0.05
_SEEN: Final = 0.01
"""Seconds for which a file that was there still is, before a statement; behind it, it is seen."""


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


def _is_there(path: str, file: os.stat_result) -> bool:
    try:
        now = os.stat(path)  # noqa: PTH116 - twice as fast as a Path, behind every flush
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # a folder that may not be entered now hides it
        return True
    return now.st_ino == file.st_ino and now.st_dev == file.st_dev


def _parameters(statement: Statement, row: tuple[Any, ...]) -> tuple[Any, ...]:
    values = row + statement.constants
    return tuple([values[i] for i in statement.order])


def _answer(statement: Statement, found: list[Any]) -> Answer:
    if statement.many:
        return found
    if statement.writes:
        return bool(found)
    return found[0] if found else None


class BorrowedConnection:
    """A connection of the caller's, through SQLAlchemy: it may be one of asyncio's.

    It has its turn to write from the start. The driver would begin with the first write, and
    leave the reads before it outside; and who has read first may find that others have written.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        driver: Any = connection.connection.driver_connection
        self._driver = driver
        if self._driver.in_transaction:  # somebody's own BEGIN
            connection.exec_driver_sql(f"DELETE FROM {GENERIC_TABLE} WHERE false")
        else:
            # As the lanes have it, who could not switch the file while this is open.
            connection.exec_driver_sql("PRAGMA journal_mode = WAL").close()
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    @property
    def is_open(self) -> bool:
        """A trigger or a conflict clause of the user's may have rolled everything back."""
        return bool(self._driver.in_transaction)

    def run(self, statement: AnyStatement, rows: Sequence[tuple[Any, ...]]) -> list[Answer]:
        """Execute a statement for each row."""
        if isinstance(statement, Atomic):
            return [statement.run(self.run)]
        return [self._run(statement, row) for row in rows]

    def _run(self, statement: Statement, row: tuple[Any, ...]) -> Answer:
        result = self._connection.exec_driver_sql(statement.single, _parameters(statement, row))
        return _answer(statement, [tuple(found) for found in result.fetchall()])


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
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        self._path = str(path)
        self._file = Path(path).stat() if path else None
        self._seen_at = 0.0

    def run(self, statement: AnyStatement, rows: Sequence[tuple[Any, ...]]) -> list[Answer]:
        """Execute a statement for each row; raise ``FileGoneError`` if the file has gone.

        SQLite itself goes on with a file that was deleted, and its writes go with it. What was
        written just before may be in the file that is there, under another name or again.
        """
        if time.monotonic() - self._seen_at > _SEEN:
            self._check_file(was_written=False)
        answers = self._run(statement, rows)
        self._check_file(was_written=statement.writes)
        return answers

    def _check_file(self, *, was_written: bool) -> None:
        if self._file is not None and not _is_there(self._path, self._file):
            raise FileGoneError(self._path, was_written)
        self._seen_at = time.monotonic()

    def _run(self, statement: AnyStatement, rows: Sequence[tuple[Any, ...]]) -> list[Answer]:
        """Execute a statement for each row: reads as they are, writes in one transaction.

        A single write is a transaction of its own, save on a connection that is shared, where
        the driver begins one for the engine.
        """
        if isinstance(statement, Atomic):
            return [self._in_transaction(lambda: statement.run(self._run_one_by_one), all)]
        if not statement.writes:
            return [self._attempt(statement, row) for row in rows]
        if len(rows) == 1 and self._owner is None:
            return [self._wait_for(lambda: self._attempt(statement, rows[0]))]
        answers = self._in_transaction(lambda: self._run_at_once(statement, rows))
        if answers is None:
            answers = self._in_transaction(lambda: self._run_one_by_one(statement, rows))
        return answers or []

    def _in_transaction(
        self,
        action: Callable[[], list[Answer] | None],
        is_good: Callable[[list[Answer]], bool] = lambda answers: True,
    ) -> list[Answer] | None:
        """Commit what an action did, if it gave answers, and good ones."""
        self._wait_for(lambda: self._connection.execute("BEGIN IMMEDIATE"))
        try:
            answers = action()
            if answers is not None and is_good(answers):
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
        answer = action()  # no turn, nothing sent: also while the lane learns of it
        self._waits_until = 0.0
        return answer

    @property
    def waiting(self) -> bool:
        return time.monotonic() < self._waits_until

    def _attempt(self, statement: Statement, row: tuple[Any, ...]) -> Answer:
        """Execute one row's statement; a row that is refused does not harm the others."""
        parameters = _parameters(statement, row)
        try:
            # All of them: a write that is alone is committed behind its last row.
            found = self._connection.execute(statement.single, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if is_undecodable(error):
                return error
            raise
        except ROW_ERRORS as error:
            return error
        return _answer(statement, found)

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
