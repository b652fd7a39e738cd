"""Who is told what went wrong with a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theater_sql.host.activation import Activation
from theater_sql.host.failures import Failure, TheaterClosed, logger
from theater_sql.host.mailbox import Envelope


class Reports:
    """Tells an error to the one who asked, and to ``on_error`` where nobody waits for a reply."""

    def __init__(self, on_error: Callable[[Failure], object]) -> None:
        self._on_error = on_error

    def fail(self, activation: Activation, envelope: Envelope, error: Exception) -> None:
        """Tell why a message failed."""
        message, asker = envelope
        if asker is not None and not asker.done():
            asker.set_exception(error)
        else:
            self.report(activation, message, error)

    def give_up(self, activation: Activation, envelope: Envelope) -> None:
        """Tell that a message is not processed any more."""
        reason = "closed before the message was processed, or while it was"
        self.fail(activation, envelope, TheaterClosed(f"{activation!r}: {reason}"))

    def report(self, activation: Activation, message: Any, error: BaseException) -> None:
        """Tell ``on_error``."""
        try:
            self._on_error(Failure(activation.role.name, activation.actor_id, message, error))
        except Exception as problem:
            logger.error("%r: on_error itself raised a %s", activation, type(problem).__name__)
