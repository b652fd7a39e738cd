"""Routes: what a process knows of where the rows of actor types live, and how it finds out."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from theater_sql import homes
from theater_sql.bindings import Binding
from theater_sql.calls import Call, Steps
from theater_sql.errors import SchemaMismatch, StorageError
from theater_sql.homes import Home
from theater_sql.lanes import Operation
from theater_sql.listings import Listing
from theater_sql.refusals import Refusals
from theater_sql.statements.routes import RouteStatements

_READ_CLAIMS_IN: Final = 0.2
"""Seconds."""
_numbers: Final = itertools.count()


class Route(NamedTuple):
    """Where a type's rows live; the epoch grows with each change, and is 0 before a claim."""

    home: Home
    epoch: int


class View(NamedTuple):
    """A route, and until when it is to be relied on; on the monotonic clock.

    ``is_told`` tells that a move waits for as long.
    """

    route: Route
    until: float
    is_told: bool = True

    def is_fresh(self) -> bool:
        """Tell whether what was not found under this view was not there."""
        return self.is_told and not self.is_old()

    def is_old(self) -> bool:
        """Tell whether it is time to read the routes anew."""
        return time.monotonic() >= self.until


class Routes:
    """What is known of the routes, shared by the calls of a storage.

    A call acts on what is known, however old: a row that is found is the right one, and the
    fence refuses a new one in the wrong table. Only who finds nothing, under a view that is
    not fresh any more, reads the routes first. So no call waits behind another that reads them.
    ``is_told`` tells that a move waits until everybody has seen it, so that a view is fresh for
    as long. ``is_shared`` is false in a transaction, whose claims may be rolled back.
    """

    def __init__(
        self, statements: RouteStatements, *, is_told: bool, is_shared: bool = True
    ) -> None:
        self._statements = statements
        self._is_told = is_told
        self._is_shared = is_shared
        self._views: Mapping[str, View] = {}
        self._claimed: set[str] = set()

    def known(self, binding: Binding, *, claims: bool) -> View | None:
        """Return the view of a type; ``None`` if it has to be read, or to be claimed."""
        view = self._views.get(binding.name)
        return None if claims and view is not None and not view.route.epoch else view

    def forget(self) -> None:
        """Have the next call read the routes."""
        self._views = {}

    def of_transaction(self) -> Routes:
        """Return the routes of a transaction, as it sees them itself, and not when others look."""
        return Routes(self._statements, is_told=False, is_shared=False)

    def read(self, call: Call | Listing, *, claims: bool) -> Steps[View]:
        """Read all routes and return that of a type, claiming one for a type without.

        A write has to claim. A read of a type that has a table tries to, so that the next one
        is one statement; where it may not, it looks into both tables from then on. A read of
        any other name claims nothing, and what it finds out is not kept.
        """
        binding = call.binding
        yield from self.refresh(call)
        tries = claims or (self._is_shared and binding.in_generic is not None)
        if binding.name not in self._views and tries:
            fault = yield from self._claim_all(call, claims=claims)
            if fault:
                until = time.monotonic() + homes.LIFETIME
                view = View(_unclaimed(binding), until, self._is_told)
                self._views = {**self._views, binding.name: view}
        view = self._views.get(binding.name) or View(_unclaimed(binding), 0.0)
        if binding.name in self._claimed:
            self._views = {n: one for n, one in self._views.items() if n not in self._claimed}
        return view

    def _claim_all(self, call: Call | Listing, *, claims: bool) -> Steps[bool]:
        """Claim the names that a type had before, then its own; tell whether that failed.

        Others may know it by such a name and have claimed it, which decides for all names.
        """
        binding = call.binding
        for name in (*binding.aliases, binding.name):
            if name in self._views:
                continue
            former = [self._views[one].route.home for one in binding.aliases if one in self._views]
            elsewhere = [home for home in former if home not in (binding.home, Home.RENAMED)]
            home = elsewhere[0] if elsewhere else binding.home
            outcome = yield self._claim(call, name, home, claims=claims)
            if outcome.fault is not None and not claims:
                return True
            call.raise_fault(outcome)
            if not self._is_shared:
                self._claimed.add(name)
            yield from self.refresh(call)
        return False

    def _claim(self, call: Call | Listing, name: str, home: Home, *, claims: bool) -> Operation:
        names = (call.binding.name, *call.binding.aliases)
        others = [one for one in names if one != name]
        # Claims of many calls at once need not wait for each other, nor a read for writers.
        key = (name, next(_numbers))
        deadline = call.deadline
        if not claims:
            deadline = min(deadline, time.monotonic() + _READ_CLAIMS_IN)
        statement = self._statements.claim(len(others))
        return Operation(statement, key, (name, home.value, *others), deadline)

    def refresh(self, call: Refusals) -> Steps[None]:
        """Read all routes."""
        until = time.monotonic() + homes.LIFETIME
        outcome = yield Operation(self._statements.all, (), (), call.deadline)
        call.raise_fault(outcome)
        self._views = {
            name: View(Route(_home(call, home), epoch), until, self._is_told)
            for name, home, epoch in outcome.answer
        }

    def renew(self, call: Refusals) -> Steps[None]:
        """Read all routes behind a call that is through, whatever comes of it."""
        with suppress(StorageError):
            yield from self.refresh(call)


def _home(call: Refusals, text: str) -> Home:
    try:
        return Home(text)
    except ValueError:
        reason = "an actor type has a home that this version does not know; nothing was written"
        raise call.error(SchemaMismatch, f"{reason}: update theater_sql") from None


def _unclaimed(binding: Binding) -> Route:
    """Where to read what nobody has written yet: in both tables, if it has one of its own."""
    return Route(Home.GENERIC if binding.is_generic else Home.PREPARING_PROMOTE, 0)
