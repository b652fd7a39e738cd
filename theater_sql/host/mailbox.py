"""The messages of a busy actor, and the senders that wait for room among them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any, NamedTuple


class Envelope(NamedTuple):
    """A message, and where its reply goes."""

    message: Any
    reply: asyncio.Future[Any] | None


class Mailbox:
    """Messages in the order they came in; one for which there is no room waits with its sender.

    What waits keeps its place, so a full mailbox does not change the order of messages.
    """

    __slots__ = ("_accepted", "_room", "_waiting")

    def __init__(self, room: int) -> None:
        self._room = room
        self._accepted: deque[Envelope] = deque()
        self._waiting: OrderedDict[asyncio.Future[Any], Envelope] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._accepted)

    def put(self, envelope: Envelope) -> asyncio.Future[Any] | None:
        """Accept a message, or return what is done once it is accepted or the sender gives up.

        Where a reply is awaited that is the reply's own future.
        """
        if len(self._accepted) < self._room:
            self._accepted.append(envelope)
            return None
        sender = envelope.reply or asyncio.get_running_loop().create_future()
        self._waiting[sender] = envelope
        return sender

    def withdraw(self, sender: asyncio.Future[Any]) -> bool:
        """Take a message back, and tell whether that was possible: whether it still waits."""
        return self._waiting.pop(sender, None) is not None

    def take(self) -> Envelope:
        """Take out the first message, and accept the first that waits."""
        envelope = self._accepted.popleft()
        while self._waiting and len(self._accepted) < self._room:
            self._accept_waiting()
        return envelope

    def take_all(self) -> Iterator[Envelope]:
        """Take out everything, what waits for room too."""
        while self._accepted:
            yield self.take()

    def _accept_waiting(self) -> None:
        sender, envelope = self._waiting.popitem(last=False)
        if sender.done():  # it has given up
            return
        self._accepted.append(envelope)
        if envelope.reply is None:
            sender.set_result(None)
