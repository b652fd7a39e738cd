"""Who is told what went wrong with a message."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from theater_sql.host.failures import Addressed, Failure, TheaterClosed, logger
from theater_sql.host.mailbox import Envelope


class Reports:
    """Tells an error to the one who asked, and to ``on_error`` where nobody waits for a reply."""

    def __init__(self, on_error: Callable[[Failure], object]) -> None:
        if inspect.iscoroutinefunction(on_error):
            raise TypeError("on_error is not awaited: give a plain function, it may start a task")
        self._on_error = on_error

    def fail(self, actor: Addressed, envelope: Envelope, error: BaseException) -> None:
        """Tell why a message failed."""
        message, asker = envelope
        if asker is not None and not asker.done():
            asker.set_exception(error)
        else:
            self.report(actor, message, error)

    def give_up(self, actor: Addressed, envelope: Envelope) -> None:
        """Tell that a message is not processed any more."""
        reason = "closed before the message was processed, or while it was"
        self.fail(actor, envelope, TheaterClosed(f"{actor!r}: {reason}"))

    def unheard(self, actor: Addressed, message: Any, reply: asyncio.Future[Any]) -> None:
        """Report an error that came for a sender who was cancelled before he took it."""
        if reply.done() and not reply.cancelled() and (error := reply.exception()):
            self.report(actor, message, error)

    def report(self, actor: Addressed, message: Any, error: BaseException) -> None:
        """Tell ``on_error``."""
        try:
            self._on_error(Failure(actor.name, actor.actor_id, message, error))
        except Exception as problem:
            logger.error("%r: on_error itself raised a %s", actor, type(problem).__name__)
