"""What psycopg's errors mean: by the phase and the SQLSTATE, never by the exception's class.

The table follows measurements of what each fault gives; psycopg gives no SQLSTATE at
connect time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

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
    StorageFull,
    Unavailable,
)
from theater_sql.homes import FENCE_STATE

_NOTHING: Final = "nothing was written"
_MIGRATE: Final = f"{_NOTHING}: run the migrations (storage.check() says what differs)"

_POOLER: Final = f"{_NOTHING}: behind a pooler set SQLStorage(..., pooler=True)"

_BY_STATE: Final[dict[str, tuple[Action, Any, str]]] = {
    # The connection is gone, or as good as gone; an autocommit statement may have been applied.
    "08": (Action.RESEND, OutcomeUnknown, "the connection broke"),
    "40003": (Action.RESEND, OutcomeUnknown, "the server does not know if it committed"),
    "57P01": (Action.RESEND, OutcomeUnknown, "the server was shut down"),
    "57P02": (Action.RESEND, OutcomeUnknown, "the server crashed"),
    # The server refused before it did anything; this connection is of no use.
    "25006": (Action.RECONNECT, Unavailable, "the server is read-only"),
    "25P04": (Action.RECONNECT, Unavailable, "the transaction took too long"),
    "25P03": (Action.RECONNECT, Unavailable, "the session idled in a transaction"),
    "57P03": (Action.RECONNECT, Unavailable, "the server is starting up or shutting down"),
    "57P04": (Action.RECONNECT, Unavailable, "the database was dropped"),
    "57P05": (Action.RECONNECT, Unavailable, "the session idled too long"),
    "53300": (Action.RECONNECT, Unavailable, "the server has too many connections"),
    "26000": (Action.ONCE, Unavailable, f"a pooler lost a prepared statement; {_POOLER}"),
    "42P05": (Action.ONCE, Unavailable, f"a pooler mixed up prepared statements; {_POOLER}"),
    # The statement was rolled back; the next try may be luckier.
    "40": (Action.RETRY, Unavailable, "another transaction got in the way"),
    "72": (Action.RETRY, Unavailable, "the snapshot was too old"),
    "57014": (Action.RETRY, Unavailable, "the statement was cancelled or took too long"),
    "55P03": (Action.BLOCKED, Unavailable, "another transaction holds the row"),
    # Trying again would not help.
    "0A000": (Action.RAISE, SchemaMismatch, f"the table can't do this; {_MIGRATE}"),
    "21000": (Action.RAISE, SchemaMismatch, f"the statement matched a row twice; {_MIGRATE}"),
    "3F000": (Action.RAISE, SchemaMismatch, f"the schema is missing; {_MIGRATE}"),
    "42501": (Action.RAISE, NotPermitted, f"the role lacks a privilege; {_NOTHING}: grant it"),
    "42": (Action.RAISE, SchemaMismatch, f"a table or column is missing or different; {_MIGRATE}"),
    "28": (Action.RAISE, NotPermitted, f"the role may not log in; {_NOTHING}"),
    "53": (Action.RAISE, StorageFull, f"the server is out of space; {_NOTHING}: make room"),
    "XX000": (Action.RAISE, Unavailable, f"the server reports an internal error; {_NOTHING}"),
    "58": (Action.RAISE, StorageCorrupt, "the server reports an I/O error"),
    "F0": (Action.RAISE, StorageCorrupt, "the server's configuration is damaged"),
    "XX": (Action.RAISE, StorageCorrupt, "the server reports damage"),
}
_STALE_PLAN: Final = (Action.RECONNECT, Unavailable, "a prepared plan is out of date")
_DIED: Final = (Action.RESEND, OutcomeUnknown, "the server ended the session")
_CODE: Final = ("09", "20", "27", "2F", "38", "39", "44", "P0")
"""Classes of SQLSTATE in which code of the user's in the database refuses a row."""
_ROW_STATES: Final = (*_CODE, "22", "23", "54")
"""Classes of SQLSTATE in which one row's values are to blame."""


def classify(error: BaseException, phase: Phase) -> Fault:
    """Return what an error from psycopg means."""
    if phase is Phase.CONNECT:
        reason = f"can't connect to the database ({_first_line(error)})"
        return Fault(Action.RECONNECT, Unavailable, reason, error)
    state: str | None = getattr(error, "sqlstate", None)
    if state is None:
        return _without_state(error, phase)
    is_fatal = _is_fatal(error)
    if state == FENCE_STATE and not is_fatal:
        return Fault(Action.RAISE, ActorMoved, f"moved; {_NOTHING}: try again", of_row=True)
    if not is_fatal and (state.startswith(_ROW_STATES) or _is_syntax_of_value(error, state)):
        return _of_row(error, state, phase)
    entry = _entry(error, state)
    if entry is None:
        reason = f"PostgreSQL refused the statement (SQLSTATE {state}); {_NOTHING}"
        return Fault(Action.RAISE, Unavailable, reason, of_row=True)
    action, kind, reason = entry
    of_row = kind is NotPermitted  # row security may forbid this row and no other
    if action is Action.BLOCKED and phase is Phase.READ:
        action = Action.RETRY  # a read waits for a table, not for a row: none to set aside
    return Fault(action, kind, f"{reason} ({_named(error, state)})", error, of_row)


def _is_fatal(error: Any) -> bool:
    """Tell what ends the session, perhaps behind the commit, from an error that is rolled back."""
    return error.diag.severity_nonlocalized in ("FATAL", "PANIC")


def _entry(error: Any, state: str) -> tuple[Action, Any, str] | None:
    entry = _BY_STATE.get(state) or _BY_STATE.get(state[:2])
    if state == "0A000" and error.diag.source_function == "RevalidateCachedQuery":
        return _STALE_PLAN
    if _is_fatal(error) and (entry is None or entry[0] is not Action.RECONNECT):
        return _DIED
    return entry


def aborts(error: BaseException) -> bool:
    """Tell whether an error is the end of the transaction that it came up in: lost to another
    one, or failed before.
    """
    return str(getattr(error, "sqlstate", None)).startswith(("40", "25P02"))


def _is_syntax_of_value(error: Any, state: str) -> bool:
    """Tell text that a type can't read (a tsvector, say) from SQL: only SQL has a position."""
    return state == "42601" and error.diag.statement_position is None


def _named(error: Any, state: str) -> str:
    """Return the server's own words where they name a table or column, and no value."""
    is_of_ours = error.diag.context is None  # else code in the database may have worded it
    if state in ("42P01", "42703") and is_of_ours and error.diag.message_primary:
        return str(error.diag.message_primary)
    return f"SQLSTATE {state}"


def _without_state(error: BaseException, phase: Phase) -> Fault:
    """Tell values that the driver can't send or read from a connection that broke."""
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & {"DataError", "OverflowError", "ProgrammingError", "TypeError", "UnicodeError"}:
        return _of_row(error, "in the driver", phase)
    if names & {"OperationalError", "InterfaceError", "InternalError"}:
        return Fault(Action.RESEND, OutcomeUnknown, "the connection broke", error)
    return unforeseen(error, phase)


def _of_row(error: BaseException, state: str, phase: Phase) -> Fault:
    # The driver's text quotes values here, so it is not chained.
    if state.startswith(("23", *_CODE)):
        return _constraint(error, state)
    if phase is Phase.READ:
        reason = f"the stored row can't be read ({state}); its bytes are untouched"
        return Fault(Action.RAISE, CorruptState, reason, of_row=True, details={"path": "$"})
    reason = f"the database refuses a value ({state}); {_NOTHING}"
    return Fault(Action.RAISE, InvalidState, reason, of_row=True, details={"path": "$"})


def _constraint(error: Any, state: str) -> Fault:
    name = error.diag.constraint_name
    columns = (error.diag.column_name,) if error.diag.column_name else ()
    what = f"constraint {name!r}" if name else "a constraint or trigger"
    return Fault(
        Action.RAISE,
        ConstraintViolation,
        f"{what} of its table refuses the row (SQLSTATE {state}); {_NOTHING}",
        of_row=True,
        details={"constraint": name, "columns": columns},
        suspects=_suspects(error.diag.message_detail or ""),
    )


def _suspects(detail: str) -> Callable[[tuple[Any, ...]], bool] | None:
    """Return what tells the row that a detail means: ``Key (name)=(Ann) already exists.``

    A guess, in whatever language; a wrong one costs two statements more.
    """
    quoted = re.search(r"\)=\((.*)\)", detail, re.DOTALL)
    if quoted is None:
        return None
    values = set(quoted[1].split(", "))
    return lambda row: values <= {str(value) for value in row}


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
