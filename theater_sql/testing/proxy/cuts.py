"""What a proxy does to a flight: when, and how."""

from __future__ import annotations

import enum
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from theater_sql.testing.proxy.wire import Flight


class When(enum.Enum):
    """The moment of a cut."""

    BEFORE = "before the server gets it"
    AFTER = "after the server executed it, before the reply"
    HALF = "in the middle of the reply"
    LATE = "before the server gets it, which it does once it is released"


class How(enum.Enum):
    """What the client notices of a cut."""

    RESET = "the connection is reset"
    CLOSE = "the connection is closed"
    HALF_CLOSE = "the server's direction ends; the server is told once the client closes too"
    HANG = "nothing comes any more"
    DELAY = "what is held back comes later, and all goes on"


BREAKS = (How.RESET, How.CLOSE, How.HALF_CLOSE)
"""What a client notices at once."""


@dataclass(eq=False)
class Cut:
    """What happens to the next flight whose SQL matches a regular expression; to one flight only.

    ``then`` runs in a thread before the client learns of it. ``delay`` is the seconds of a
    ``DELAY``. A ``LATE`` flight waits for ``release``, and sets ``landed`` when the server has
    executed it. ``prepare`` cuts a flight that prepares the statement without executing it.
    """

    sql: str
    when: When
    how: How = How.RESET
    then: Callable[[], object] | None = None
    prepare: bool = False
    delay: float = 0.1
    fired: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    landed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        if self.when is When.LATE and self.how is How.DELAY:
            raise ValueError("a LATE flight has lost its client; to hold one back, DELAY it BEFORE")

    def matches(self, flight: Flight) -> bool:
        """Tell whether this flight is to be cut."""
        if not flight.sql or self.prepare == flight.executes:
            return False
        return re.search(self.sql, flight.sql, re.IGNORECASE) is not None
