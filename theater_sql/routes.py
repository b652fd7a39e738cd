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


class Routes:
    """What is known of the routes, and for how long; shared by the calls of a storage.

    A call acts on what is known, however old: a row that is found is the right one, and the
    fence refuses a new one in the wrong table. Only who finds nothing, and knows nothing that
    is fresh, reads the routes first. So no call waits behind another that reads them.
    ``is_told`` tells that a move waits for a lifetime, so that what is known can be trusted
    so long. Where it does not, who finds nothing looks at the routes again.
    """

    def __init__(self, statements: RouteStatements, *, is_told: bool) -> None:
        self._statements = statements
        self._is_told = is_told
        self._reads_claim = True
        self._routes: Mapping[str, Route] = {}
        self._until = 0.0

    def known(self, binding: Binding, *, claims: bool) -> Route | None:
        """Return the route of a type; ``None`` if it has to be read, or to be claimed."""
        route = self._routes.get(binding.name)
        return None if claims and route is not None and not route.epoch else route

    def are_fresh(self) -> bool:
        """Tell whether what is known surely holds."""
        return self._is_told and time.monotonic() < self._until

    def have_expired(self) -> bool:
        """Tell whether it is time to read them anew."""
        return time.monotonic() >= self._until

    def forget(self) -> None:
        """Have the next call read the routes."""
        self._routes = {}
        self._until = 0.0

    def copy(self) -> Routes:
        """Return routes of their own for a transaction, whose claims may be rolled back."""
        routes = Routes(self._statements, is_told=self._is_told)
        routes._reads_claim = False
        routes._routes, routes._until = self._routes, self._until
        return routes

    def read(self, call: Call | Listing, *, claims: bool) -> Steps[Route]:
        """Read all routes and return that of a type, claiming one for a type without.

        A write has to claim. A read of a type that has a table tries to, so that the next one
        is one statement; where it may not, it looks into both tables from then on. A read of
        any other name claims nothing, and what it finds out is not kept.
        """
        binding = call.binding
        yield from self.refresh(call, call.deadline)
        route = self._routes.get(binding.name)
        if route is None and (claims or (self._reads_claim and binding.in_generic is not None)):
            outcome = yield self._claim(call, claims=claims)
            if outcome.fault is None or claims:
                call.raise_fault(outcome)
                yield from self.refresh(call, call.deadline)
            else:
                self._routes = {**self._routes, binding.name: _unclaimed(binding)}
            route = self._routes.get(binding.name)
        return route or _unclaimed(binding)

    def _claim(self, call: Call | Listing, *, claims: bool) -> Operation:
        row = (call.binding.name, call.binding.home.value)
        # Claims of many calls at once need not wait for each other, nor a read for writers.
        key = (call.binding.name, next(_numbers))
        deadline = call.deadline
        if not claims:
            deadline = min(deadline, time.monotonic() + _READ_CLAIMS_IN)
        return Operation(self._statements.claim, key, row, deadline)

    def refresh(self, call: Refusals, deadline: float) -> Steps[None]:
        """Read all routes."""
        since = time.monotonic()
        outcome = yield Operation(self._statements.all, (), (), deadline)
        call.raise_fault(outcome)
        self._routes = {
            name: Route(_home(call, home), epoch) for name, home, epoch in outcome.answer
        }
        self._until = since + homes.LIFETIME

    def renew(self, call: Refusals, deadline: float) -> Steps[None]:
        """Read all routes behind a call that is through, whatever comes of it."""
        with suppress(StorageError):
            yield from self.refresh(call, deadline)


def _home(call: Refusals, text: str) -> Home:
    try:
        return Home(text)
    except ValueError:
        reason = "an actor type has a home that this version does not know; nothing was written"
        raise call.error(SchemaMismatch, f"{reason}: update theater_sql") from None


def _unclaimed(binding: Binding) -> Route:
    """Where to read what nobody has written yet: in both tables, if it has one of its own."""
    return Route(Home.GENERIC if binding.is_generic else Home.PREPARING_PROMOTE, 0)
