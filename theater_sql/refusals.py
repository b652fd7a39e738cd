"""What goes wrong in a call, in words: each error names the actor and says what was written."""

from __future__ import annotations

import time
from typing import Any, NoReturn

from theater_sql.backends.base import Fault
from theater_sql.bindings import Binding
from theater_sql.codec import CodecError
from theater_sql.contract import ABSENT, Etag, Expect
from theater_sql.errors import (
    ActorMoved,
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
from theater_sql.tables import violated


class Refusals:
    """The errors of a call: on one actor, or on a whole type, where ``actor_id`` is ``None``.

    ``deadline`` is on the monotonic clock.
    """

    __slots__ = ("actor_id", "binding", "deadline")

    binding: Binding
    actor_id: Any
    deadline: float

    def corrupt(self, error: CodecError) -> StorageError:
        reason = (
            f"the stored row can't be decoded: {error}; its bytes are untouched: mend them, or "
            "put with overwrite_corrupt=True"
        )
        return self.error(CorruptState, reason, path=error.path)

    def raise_fault(self, outcome: Outcome, etag: Etag | None = None) -> None:
        fault = outcome.fault
        if fault is None:
            return
        rolled_back = fault.error in (ConstraintViolation, InvalidState)
        if fault.error is OutcomeUnknown or (outcome.doubtful and not rolled_back):
            raise self.unknown(fault.reason, etag) from fault.cause
        self._raise_plain(fault)

    def _raise_plain(self, fault: Fault) -> NoReturn:
        reason = fault.reason
        if fault.error is Unavailable and "nothing was written" not in reason:
            reason = f"{reason}; nothing was written: try again"
        details = dict(fault.details)
        if fault.error is ConstraintViolation:
            table, told = self.binding.layout.table, (details["constraint"], details["columns"])
            details["constraint"], details["columns"] = violated(table, *told)
        raise self.error(fault.error, reason, **details) from fault.cause

    def unknown(self, reason: str, etag: Etag | None) -> StorageError:
        reason = f"{reason}; it may have been written or not: get, then decide"
        return self.error(OutcomeUnknown, reason, etag=etag)

    def conflict(self, expect: Etag | Expect, actual: Etag | None) -> StorageError:
        if expect == actual:
            return self.error(
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
        return self.error(Conflict, reason, kind=kind, expected=expect, actual=actual)

    def moved(self) -> StorageError:
        reason = (
            "moved; its type has a table that this process does not know; nothing was written: "
            "run the code that registers it"
        )
        return self.error(ActorMoved, reason)

    def error(self, error: type[StorageError], reason: str, /, **details: Any) -> StorageError:
        return error(self.binding.name, self.actor_id, reason, **details)

    def check_time(self, conflict: StorageError | None) -> None:
        """Give up trying again at the deadline."""
        if time.monotonic() >= self.deadline:
            reason = "others kept writing to the actor until the deadline; nothing was written"
            raise self.error(Unavailable, reason) from conflict
