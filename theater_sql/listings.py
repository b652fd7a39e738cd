"""The steps of calls on a whole actor type: its ids, and how many there are."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from itertools import groupby, islice
from typing import Any, Final

from theater_sql.backends.base import Statement
from theater_sql.bindings import Binding
from theater_sql.calls import Steps
from theater_sql.codec import CodecError
from theater_sql.contract import ActorId
from theater_sql.errors import InvalidId
from theater_sql.identity import canonical
from theater_sql.lanes import Operation
from theater_sql.refusals import Refusals
from theater_sql.statements import Statements

MOST: Final = 2**31
"""As many as there may be."""


class Listing(Refusals):
    """One call on an actor type; ``deadline`` is on the monotonic clock."""

    __slots__ = ("_statements",)

    def __init__(
        self, binding: Binding, statements: Callable[[Binding], Statements], deadline: float
    ) -> None:
        self.binding = binding
        self.actor_id = None
        self.deadline = deadline
        self._statements = statements

    def count(self, homes: Sequence[Binding]) -> Steps[int]:
        """Return how many actors there are in these tables."""
        if len(homes) > 1:  # where rows move from one to the other between two counts
            return len((yield from self._of_both(homes, None, MOST)))
        total = 0
        for scope in homes[0].scopes():
            [(number,)] = yield from self._rows(self._statements(homes[0]).count, scope)
            total += number
        return total

    def ids(
        self, homes: Sequence[Binding], after: ActorId | None, limit: int
    ) -> Steps[list[ActorId]]:
        """Return the next ids in the order of their keys.

        Rows move from the first of two tables to the second, so that none is missed. The ids
        of the generic table are not in the order of the type's own, so all of them are read.
        """
        if len(homes) == 1:
            rows = yield from self._of_table(homes[0], after, limit)
            return [self._id(homes[0], row) for row in rows]
        found = yield from self._of_both(homes, after, limit)
        place = self._place
        beyond = [one for one in found if after is None or place(one) > place(after)]
        return sorted(beyond, key=place)[:limit]

    def _of_both(
        self, homes: Sequence[Binding], after: ActorId | None, limit: int
    ) -> Steps[set[ActorId]]:
        """Return ids of two tables: those of the generic one, and the next of the other."""
        found: set[ActorId] = set()
        for home in homes:
            some = (after, limit)
            if home.is_generic or (after is not None and not self._place(after)[0]):
                some = (None, MOST if home.is_generic else limit)
            rows = yield from self._of_table(home, *some)
            found |= {self._id(home, row) for row in rows}
        return found

    def _place(self, actor_id: ActorId) -> tuple[bool, tuple[Any, ...]]:
        """Return what orders ids: those that the type could not have come first."""
        try:
            return True, self.binding.key(actor_id)
        except InvalidId:
            parts = actor_id if isinstance(actor_id, tuple) else (actor_id,)
            return False, (canonical(parts, isinstance(actor_id, tuple)),)

    def _of_table(
        self, home: Binding, after: ActorId | None, limit: int
    ) -> Steps[list[tuple[Any, ...]]]:
        statements = self._statements(home)
        lists: list[list[tuple[Any, ...]]] = []
        for scope in home.scopes():
            if after is None:
                rows = yield from self._rows(statements.list, (*scope, limit))
            else:
                key = statements.key(home.key(after))[len(scope) :]
                rows = yield from self._rows(statements.list_after, (*scope, *key, limit))
            lists.append(rows)
        if len(lists) == 1:
            return lists[0]
        # An actor may have a row under each of two names.
        merged = (row for row, _ in groupby(heapq.merge(*lists)))
        return list(islice(merged, limit))

    def _rows(
        self, statement: Statement, parameters: tuple[Any, ...]
    ) -> Steps[list[tuple[Any, ...]]]:
        outcome = yield Operation(statement, parameters, parameters, self.deadline)
        self.raise_fault(outcome)
        rows: list[tuple[Any, ...]] = outcome.answer
        return rows

    def _id(self, home: Binding, row: tuple[Any, ...]) -> ActorId:
        try:
            return home.actor_id(self._statements(home).load_id(row))
        except CodecError as error:
            failure = error
        except Exception as error:  # a column type's own code; its text may quote the value
            failure = CodecError("$", f"its column type raised {type(error).__name__}")
        raise self.corrupt(failure)
