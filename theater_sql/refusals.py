"""What goes wrong in a call, in words: each error names the actor and says what was written."""

from __future__ import annotations

from typing import Any, NoReturn

from theater_sql.backends.base import Fault
from theater_sql.bindings import Binding
from theater_sql.codec import CodecError
from theater_sql.contract import ABSENT, ActorId, Etag, Expect
from theater_sql.errors import (
    Conflict,
    ConstraintViolation,
    CorruptState,
    InvalidState,
    NotPermitted,
    OutcomeUnknown,
    StorageError,
    Unavailable,
)
from theater_sql.lanes import Outcome


class Refusals:
    """The errors of a call on one actor."""

    __slots__ = ("_actor_id", "_binding")

    _binding: Binding
    _actor_id: ActorId

    def _corrupt(self, error: CodecError) -> StorageError:
        reason = (
            f"the stored row can't be decoded: {error}; its bytes are untouched: mend them, or "
            "put with overwrite_corrupt=True"
        )
        return self._error(CorruptState, reason, path=error.path)

    def _raise_fault(self, outcome: Outcome, etag: Etag | None = None) -> None:
        fault = outcome.fault
        if fault is None:
            return
        rolled_back = fault.error in (ConstraintViolation, InvalidState)
        if fault.error is OutcomeUnknown or (outcome.doubtful and not rolled_back):
            raise self._unknown(fault.reason, etag) from fault.cause
        self._raise_plain(fault)

    def _raise_plain(self, fault: Fault) -> NoReturn:
        reason = fault.reason
        if fault.error is Unavailable:
            reason = f"{reason}; nothing was written: try again"
        raise self._error(fault.error, reason, **fault.details) from fault.cause

    def _unknown(self, reason: str, etag: Etag | None) -> StorageError:
        reason = f"{reason}; it may have been written or not: get, then decide"
        return self._error(OutcomeUnknown, reason, etag=etag)

    def _conflict(self, expect: Etag | Expect, actual: Etag | None) -> StorageError:
        if expect == actual:
            return self._error(
                NotPermitted,
                "the row is there as expected, yet the statement may not change it (a trigger or "
                "row security); nothing was written",
            )
        if expect is ABSENT:
            kind, what = "exists", "the actor exists already"
        elif actual is None:
            kind, what = "gone", "the actor is not there any more"
        else:
            kind, what = "stale", "another write came first"
        reason = f"{what}; nothing was written: get it, then decide"
        return self._error(Conflict, reason, kind=kind, expected=expect, actual=actual)

    def _error(self, error: type[StorageError], reason: str, /, **details: Any) -> StorageError:
        return error(self._binding.name, self._actor_id, reason, **details)
