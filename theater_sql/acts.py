"""What a call does to an actor, kept so that it can be done again where the actor has moved to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from theater_sql.atomic import Entry
from theater_sql.calls import Call, Steps
from theater_sql.contract import Etag, Expect
from theater_sql.errors import Conflict

T = TypeVar("T")
Act = Callable[[Call], Steps[T]]


class Putting:
    """A put that can be made again elsewhere; lighter than a function that holds as much."""

    __slots__ = ("_etag", "_expect", "_overwrite_corrupt", "_state")

    def __init__(self, state: Any, expect: Any, etag: Any, overwrite_corrupt: bool) -> None:
        self._state = state
        self._expect = expect
        self._etag = etag
        self._overwrite_corrupt = overwrite_corrupt

    def __call__(self, call: Call) -> Steps[Etag]:
        return call.put(
            self._state, self._expect, self._etag, overwrite_corrupt=self._overwrite_corrupt
        )


class Removing:
    """A delete that can be made again elsewhere, where it may have been applied already."""

    __slots__ = ("_expect", "_is_doubtful")

    def __init__(self, expect: Etag | Expect) -> None:
        self._expect = expect
        self._is_doubtful = False

    def __call__(self, call: Call) -> Steps[bool]:
        try:
            removed = yield from call.delete(self._expect)
        except Conflict as conflict:
            if not self._is_doubtful:
                raise
            if conflict.actual is None:
                return False
            raise call.unknown("the connection broke, and another write followed", None) from None
        # One that knows that the row was not there says so by a Conflict.
        self._is_doubtful = not removed and type(self._expect) is UUID
        return removed


class Ask(NamedTuple):
    """One write of a batch that is all or nothing, as the caller asked for it."""

    call: Call
    state: Any
    expect: Etag | Expect
    etag: Etag | None

    def at(self, call: Call) -> Entry:
        """Return the write where the actor lives."""
        return Entry(call, call.prepare(self.state, self.etag), self.expect)
