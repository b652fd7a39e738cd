"""What becomes of a message that could not be processed."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from theater_sql.contract import ActorId
from theater_sql.errors import TheaterSQLError

logger = logging.getLogger("theater_sql.host")

NOT_ACCEPTED: Final = "the message was not accepted"


class TheaterClosed(TheaterSQLError):
    """The Theater, or the event loop under it, is closed or was closed meanwhile."""


class AskTimeout(TheaterSQLError, TimeoutError):
    """No reply came in time. The message stays accepted: it was or will be processed."""


class Overloaded(TheaterSQLError, TimeoutError):
    """There was no room for a message in time. It was not accepted."""


class InvalidOutcome(TheaterSQLError, TypeError):
    """An actor returned something that is no outcome; nothing was stored."""


class Addressed(Protocol):
    """An actor as its senders know it; its ``repr`` is what messages about it begin with."""

    @property
    def name(self) -> str:
        """The name of its type."""

    @property
    def actor_id(self) -> ActorId:
        """Its id."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that no ``ask`` is there to take.

    Attributes:
        message: the message that failed; ``None`` where ``time_to_live`` did.
    """

    actor_type: str
    actor_id: ActorId
    message: Any = field(repr=False)
    error: BaseException


def log_failure(failure: Failure) -> None:
    """Log an error, without the text of foreign exceptions: it may quote a state."""
    where = address(failure.actor_type, failure.actor_id)
    if isinstance(failure.error, TheaterSQLError):
        what = ": " + str(failure.error).removeprefix(f"{where}: ")
    else:
        what = _origin(failure.error)
    logger.error("%s: %s%s", where, type(failure.error).__name__, what)


def late(actor: Addressed, seconds: float, why: str = "") -> AskTimeout:
    """Return the error of a sender whose reply did not come in time."""
    what = f"no reply within {seconds} s{why}; the message stays accepted and may be processed"
    return AskTimeout(f"{actor!r}: {what}")


def address(actor_type: str, actor_id: ActorId) -> str:
    """Return an actor's name as it is written in error messages."""
    return f"{actor_type}[{actor_id!r}]"


def _origin(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" in {frames[-1].name}, {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
