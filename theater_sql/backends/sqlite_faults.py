"""What sqlite3's errors mean, by the extended result code."""

from __future__ import annotations

import sqlite3
from typing import Final

from theater_sql.backends.base import Action, Fault, Phase, unforeseen
from theater_sql.errors import (
    ActorMoved,
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
from theater_sql.homes import FENCE

ROW_ERRORS: Final = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeError,
)
_NOTHING: Final = "nothing was written"
_BY_CODE: Final[dict[str, tuple[Action, type[StorageError], str]]] = {
    "SQLITE_BUSY_SNAPSHOT": (
        Action.RAISE,
        Unavailable,
        f"your transaction has read before somebody wrote, so it can't write any more; {_NOTHING}: "
        "enter in_transaction() before its first read",
    ),
    "SQLITE_BUSY": (Action.RETRY, Unavailable, "somebody else writes to the file"),
    "SQLITE_LOCKED": (Action.RETRY, Unavailable, "another connection writes to the file"),
    "SQLITE_INTERRUPT": (Action.RETRY, Unavailable, "the statement was interrupted"),
    "SQLITE_SCHEMA": (Action.RECONNECT, Unavailable, "the schema changed"),
    "SQLITE_CANTOPEN": (Action.RAISE, Unavailable, "the file is missing or can't be opened"),
    "SQLITE_IOERR_FSYNC": (Action.RESEND, OutcomeUnknown, "the disk did not confirm"),
    "SQLITE_IOERR_COMMIT": (Action.RESEND, OutcomeUnknown, "the commit was not confirmed"),
    "SQLITE_IOERR_WRITE": (Action.RAISE, StorageFull, f"the disk is full; {_NOTHING}: make room"),
    "SQLITE_FULL": (Action.RAISE, StorageFull, f"the disk is full; {_NOTHING}: make room"),
    "SQLITE_IOERR_NOMEM": (Action.RAISE, StorageFull, f"out of memory; {_NOTHING}"),
    "SQLITE_NOMEM": (Action.RAISE, StorageFull, f"out of memory; {_NOTHING}"),
    "SQLITE_IOERR": (Action.RAISE, StorageCorrupt, "the disk reports an error"),
    "SQLITE_CORRUPT": (Action.RAISE, StorageCorrupt, "the file is damaged"),
    "SQLITE_NOTADB": (Action.RAISE, StorageCorrupt, "the file is not a database"),
    "SQLITE_READONLY_DBMOVED": (Action.RECONNECT, Unavailable, "the file was moved"),
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


class FileGoneError(Exception):
    """The file of an open connection is not the one at its path any more.

    Its arguments are the path, and whether a write was committed to the file before.
    """


def classify(error: BaseException, phase: Phase) -> Fault:
    """Return what an error from sqlite3 means, by its extended result code."""
    if isinstance(error, FileNotFoundError):
        reason = f"there is no file {error}; {_NOTHING}: run the migrations"
        return Fault(Action.RAISE, Unavailable, reason)
    if isinstance(error, FileGoneError):
        path, was_written = error.args
        reason = f"the file {path} was deleted or replaced"
        if was_written:
            return Fault(Action.RESEND, OutcomeUnknown, reason)
        return Fault(Action.RECONNECT, Unavailable, reason)
    if isinstance(error, ROW_ERRORS) or is_undecodable(error):
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


def is_undecodable(error: BaseException) -> bool:
    """Tell the driver's own complaint about text that is no UTF-8: it has no result code."""
    return isinstance(error, sqlite3.OperationalError) and not hasattr(error, "sqlite_errorname")


def _of_row(error: BaseException, phase: Phase) -> Fault:
    if str(error) == FENCE:
        return Fault(Action.RAISE, ActorMoved, f"moved; {_NOTHING}: try again", of_row=True)
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
