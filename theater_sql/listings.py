"""The steps of calls on a whole actor type: its ids, and how many there are."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import groupby, islice
from typing import Any

from theater_sql.backends.base import Statement
from theater_sql.bindings import Binding
from theater_sql.calls import Steps
from theater_sql.codec import CodecError
from theater_sql.contract import ActorId
from theater_sql.lanes import Operation
from theater_sql.refusals import Refusals
from theater_sql.statements import Statements


class Listing(Refusals):
    """One call on an actor type; ``deadline`` is on the monotonic clock."""

    __slots__ = ("_deadline", "_statements")

    def __init__(self, binding: Binding, statements: Statements, deadline: float) -> None:
        self.binding = binding
        self.actor_id = None
        self._statements = statements
        self._deadline = deadline

    def count(self) -> Steps[int]:
        """Return how many actors there are."""
        total = 0
        for scope in self._scopes():
            [(number,)] = yield from self._rows(self._statements.count, scope)
            total += number
        return total

    def ids(self, after: ActorId | None, limit: int) -> Steps[list[ActorId]]:
        """Return the next ids in the order of their keys."""
        lists: list[list[tuple[Any, ...]]] = []
        for scope in self._scopes():
            if after is None:
                rows = yield from self._rows(self._statements.list, (*scope, limit))
            else:
                key = self._statements.key(self.binding.key(after))[len(scope) :]
                parameters = (*scope, *key, limit)
                rows = yield from self._rows(self._statements.list_after, parameters)
            lists.append(rows)
        if len(lists) > 1:  # an actor may have a row under each of two names
            merged = (row for row, _ in groupby(heapq.merge(*lists)))
            lists = [list(islice(merged, limit))]
        return [self._id(row) for row in lists[0]]

    def _scopes(self) -> Iterator[tuple[str, ...]]:
        """Yield what tells the type's rows in its table: its name, and those it had before."""
        if not self.binding.is_generic:
            yield ()
            return
        for name in (self.binding.name, *self.binding.aliases):
            yield (name,)

    def _rows(
        self, statement: Statement, parameters: tuple[Any, ...]
    ) -> Steps[list[tuple[Any, ...]]]:
        outcome = yield Operation(statement, parameters, parameters, self._deadline)
        self.raise_fault(outcome)
        rows: list[tuple[Any, ...]] = outcome.answer
        return rows

    def _id(self, row: tuple[Any, ...]) -> ActorId:
        try:
            return self.binding.actor_id(self._statements.load_id(row))
        except CodecError as error:
            failure = error
        except Exception as error:  # a column type's own code; its text may quote the value
            failure = CodecError("$", f"its column type raised {type(error).__name__}")
        raise self.corrupt(failure)
