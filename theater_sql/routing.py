"""Routing: in which table a call finds its actor, also while the rows of its type move.

In one home a call is one statement, as if there were no routes. In two, it looks first where
the row may have been left, and goes to where new rows are made if it is not there. That no row
can be lost or doubled does not depend on what a process knows of the routes: see
docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from theater_sql.acts import Act, Ask
from theater_sql.atomic import put_all
from theater_sql.bindings import Binding
from theater_sql.bulk import Rounds, side_by_side
from theater_sql.calls import Call, Steps
from theater_sql.contract import ABSENT, Etag, Expect, Results
from theater_sql.errors import (
    ActorMoved,
    BatchConflict,
    Conflict,
    OutcomeUnknown,
    SchemaMismatch,
    StorageError,
)
from theater_sql.homes import Home
from theater_sql.listings import Listing
from theater_sql.routes import Route, Routes, View
from theater_sql.statements import Statements

T = TypeVar("T")


class Tried(NamedTuple):
    """What came of a call under a route."""

    route: Route
    result: Any
    missed: StorageError | None

    def outcome(self) -> Any:
        """Return the result, or raise what was missed."""
        if self.missed is not None:
            raise self.missed
        return self.result


class Placed(NamedTuple):
    """A call on an actor where it lives, as a view of the routes had it."""

    call: Call
    view: View


class Router:
    """Finds the table for each call."""

    def __init__(self, routes: Routes, statements: Callable[[Binding], Statements]) -> None:
        self.routes = routes
        self._statements = statements

    def carry_out(self, call: Call, act: Act[T], expect: Etag | Expect | None) -> Steps[T]:
        """Return the steps of an act on an actor, wherever it lives.

        What is wrong with the act itself is raised here. A read expects ``None``.
        """
        return self._carry_out(call, act, act(call), expect)

    def _carry_out(
        self, call: Call, act: Act[T], steps: Steps[T], expect: Etag | Expect | None
    ) -> Steps[T]:
        # A call that waits holds this frame: what it seldom needs is in another one.
        view = self.routes.known(call.binding, claims=expect is not None)
        result: Any = None
        missed: StorageError | None = None
        if view is not None:
            try:
                if view.route.home is not call.binding.home:
                    steps = self._elsewhere(call, view.route.home, act, expect)
                result = yield from steps
                if result or view.is_fresh():
                    if view.route.home is not call.binding.home and view.is_old():
                        yield from self.routes.renew(call)  # the move may be over
                    return result  # type: ignore[no-any-return]
            except Conflict as error:
                if view.is_fresh():
                    raise
                missed = error
            except SchemaMismatch as error:  # ActorMoved, or a table that is gone by now
                missed = error
        tried = None if view is None else Tried(view.route, result, missed)
        return (yield from self._carry_out_again(call, act, expect, tried))

    def _carry_out_again(
        self, call: Call, act: Act[T], expect: Etag | Expect | None, tried: Tried | None
    ) -> Steps[T]:
        def anew(home: Home) -> Steps[T]:
            is_home = home is call.binding.home
            return act(call) if is_home else self._elsewhere(call, home, act, expect)

        claims = expect is not None
        return (yield from self._look_again(call, anew, claims, tried, is_sure=bool))

    def _look_again(
        self,
        subject: Call | Listing,
        act: Callable[[Home], Steps[T]],
        claims: bool,
        tried: Tried | None,
        *,
        is_sure: Callable[[T], bool],
    ) -> Steps[T]:
        """Act where the routes say by now; what was missed is true if they have not changed.

        ``is_sure`` tells of a result that no other table could have changed it.
        """
        while True:
            view = yield from self.routes.read(subject, claims=claims)
            if tried is not None and view.route == tried.route:
                return tried.outcome()  # type: ignore[no-any-return]
            try:
                result = yield from act(view.route.home)
                if view.is_fresh() or is_sure(result):
                    return result
                tried = Tried(view.route, result, None)
            except (Conflict, SchemaMismatch) as error:
                if view.is_fresh() and isinstance(error, Conflict):
                    raise
                tried = Tried(view.route, None, error)

    def _elsewhere(
        self, call: Call, home: Home, act: Act[T], expect: Etag | Expect | None
    ) -> Steps[T]:
        """Act on an actor whose type is not in its own home, or not as a whole."""
        left, target = self._places(call, home)
        while left is not None and (yield from _is_there(left)):
            try:
                result = yield from act(left)
            except ActorMoved as moved:
                left.check_time(moved)
                continue
            except Conflict as conflict:
                if conflict.actual is not None:
                    raise
                continue
            except OutcomeUnknown as unknown:
                # The write was applied if its etag has moved on with the row.
                if target and unknown.etag and (yield from _probe(target)) == unknown.etag:
                    return unknown.etag  # type: ignore[return-value]
                raise
            if result or target is None or not (yield from _has_moved(target, expect)):
                return result
        if target is None:
            raise call.moved()
        return (yield from act(target))

    def _places(self, call: Call, home: Home) -> tuple[Call | None, Call | None]:
        """Return where the actor may have been left, and where it is otherwise, if known."""
        generic = call.binding.in_generic
        if home is Home.RENAMED:
            return None, None
        if generic is None:
            if home is Home.PREPARING_PROMOTE:
                return None, call
            return (None if home in (Home.TABLE, Home.PREPARING_DEMOTE) else call), None
        there = Call(generic, self._statements(generic), call.actor_id, call.deadline)
        if home.is_steady:
            return None, there
        return (there, call) if home.creates_in_table else (call, there)

    def carry_out_for_all(
        self, listing: Listing, act: Callable[[Sequence[Binding]], Steps[T]]
    ) -> Steps[T]:
        """Act on all tables that hold rows of a type; in the first of two they were left."""

        def anew(home: Home) -> Steps[T]:
            return act(_tables(listing, home))

        view = self.routes.known(listing.binding, claims=False)
        tried: Tried | None = None
        if view is not None:
            try:
                result = yield from anew(view.route.home)
                if view.is_fresh():
                    return result
                tried = Tried(view.route, result, None)
            except SchemaMismatch as error:
                tried = Tried(view.route, None, error)
        return (yield from self._look_again(listing, anew, False, tried, is_sure=lambda _: False))

    def place(self, call: Call) -> Steps[Placed]:
        """Return a call on the actor where it lives now."""
        view = self.routes.known(call.binding, claims=True)
        if view is None:
            view = yield from self.routes.read(call, claims=True)
        if view.route.home is call.binding.home:
            return Placed(call, view)
        left, target = self._places(call, view.route.home)
        if left is not None and (yield from _is_there(left)):
            return Placed(left, view)
        if target is None:
            raise call.moved()
        return Placed(target, view)

    def prepare(self, calls: Iterable[Call], *, claims: bool) -> Rounds[None]:
        """Read the routes once for many calls; what goes wrong then, each call will find."""
        first = {call.binding.name: call for call in calls}
        for call in first.values():
            if self.routes.known(call.binding, claims=claims) is None:
                with suppress(StorageError):
                    yield from side_by_side([self.routes.read(call, claims=claims)])

    def put_all(
        self, asks: Sequence[Ask], overwrite_corrupt: bool, deadline: float
    ) -> Rounds[Results[Etag]]:
        """Write all or none, wherever the actors live."""
        entries = [ask.at(ask.call) for ask in asks]  # which refuses what can't be stored
        yield from self.prepare([ask.call for ask in asks], claims=True)
        before: list[Any] = []
        while True:
            placed = yield from side_by_side([self.place(ask.call) for ask in asks])
            try:
                entries = [
                    entry if entry.call is call else ask.at(call)
                    for ask, (call, _), entry in zip(asks, placed, entries, strict=True)
                ]
                return (yield from put_all(entries, overwrite_corrupt, deadline))
            except (BatchConflict, SchemaMismatch) as error:
                at_home = all(p.call is ask.call for p, ask in zip(placed, asks, strict=True))
                is_fresh = at_home and all(view.is_fresh() for _, view in placed)
                where = [(call.statements.layout, view.route) for call, view in placed]
                if where == before or (is_fresh and isinstance(error, BatchConflict)):
                    raise
                before = where
                self.routes.forget()


def _is_there(call: Call) -> Steps[bool]:
    """Tell whether the actor has a row in this table that has not moved on."""
    try:
        return (yield from call.look()) is not None
    except ActorMoved:
        return False


def _has_moved(target: Call, expect: Etag | Expect | None) -> Steps[bool]:
    """Tell whether nothing was found because the row has moved on; no row was deleted then."""
    if expect is None:
        return True
    return expect is not ABSENT and (yield from _probe(target)) is not None


def _probe(call: Call) -> Steps[Etag | None]:
    return call.look(call.statements.probe)


def _tables(listing: Listing, home: Home) -> list[Binding]:
    own, generic = listing.binding, listing.binding.in_generic
    if home is own.home or (generic is None and home is Home.PREPARING_PROMOTE):
        return [own]
    if generic is None or home is Home.RENAMED:
        raise listing.moved()
    if home.is_steady:
        return [generic]
    return [generic, own] if home.creates_in_table else [own, generic]


def without_result(steps: Steps[Any]) -> Steps[None]:
    """Take steps for what they do."""
    yield from steps
