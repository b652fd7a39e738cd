"""Actors to which a message that comes twice happens once."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias, cast

from theater_sql.bindings import UNTYPED
from theater_sql.codec import CodecError
from theater_sql.contract import NOT_PRESENT, ActorId
from theater_sql.errors import TheaterSQLError
from theater_sql.host import (
    NO_UPDATE,
    Actor,
    AwaitedTheater,
    NoPersist,
    NoUpdate,
    Outcome,
    Persist,
    Stop,
)
from theater_sql.host.activation import ACTIVATE

CLIENTS: Final = 64
"""For how many clients an actor keeps replies: for those that sent last."""
MOST_CLIENTS: Final = 1000
"""For how many it keeps the numbers of what it processed, as long as one may come again."""
REMEMBERED: Final = 300
"""Seconds for which one may."""
LONGEST: Final = 16 * 2**10
"""Bytes of the JSON of a reply that is kept: those to all clients have to fit into one row."""
SMALL: Final = 2**53


class Operation(NamedTuple):
    """What tells a message from all others: its client, and the client's number for it.

    The client waits for nothing that it sent to this actor with a number below ``since``.
    """

    client: str
    number: int
    since: int


Kept: TypeAlias = list[Any]
"""``[number, reply]``, or ``[number]`` for a reply that can't be stored."""
Ring: TypeAlias = Mapping[str, tuple[int, list[Kept], int]]
"""By client: the last ``since``, the replies from there on, and when (in seconds) the last of them
was given. Who sent last stands last.
"""

current: ContextVar[tuple[type[Actor[Any]], ActorId] | None] = ContextVar(
    "theater_sql.adapters.ray.current", default=None
)
"""The actor that the current code belongs to."""


class ReplyLost(TheaterSQLError):
    """The message was processed and stored once, but its reply went with a host.

    Only a reply that the generic table can't hold, or a long one, is lost so; or one that can't
    be pickled.
    """


class Remembered(NamedTuple):
    """A state, or ``NOT_PRESENT``, and the replies that are stored with it."""

    state: Any
    ring: Ring


class Once(Actor[Remembered]):
    """Runs ``wrapped`` on messages of the form ``(operation, message)``."""

    wrapped: ClassVar[type[Actor[Any]]]
    sender: ClassVar[AwaitedTheater]
    """What the wrapped actor sends to others with."""

    def __init__(self) -> None:
        self._actor = self.wrapped()
        self._actor.theater = self.sender

    def init(self, actor_id: Any, message: Any) -> Any:
        return self.process(Remembered(NOT_PRESENT, {}), actor_id, message)

    async def process(
        self, remembered: Remembered, actor_id: Any, message: tuple[Operation, Any]
    ) -> Outcome[Remembered]:
        state, ring = remembered
        operation, content = message
        if content is ACTIVATE:
            has_state = state is not NOT_PRESENT
            return NoUpdate(reply=True) if has_state else Stop.no_persist(reply=False)
        since, replies, _ = ring.get(operation.client, (0, [], 0))
        if operation.number < since:
            return NO_UPDATE  # it was on its way for long, and nobody waits for it any more
        for number, *reply in replies:
            if number == operation.number:
                return NoUpdate(reply=_told_again(reply))
        current.set((self.wrapped, actor_id))
        try:
            if state is NOT_PRESENT:
                turn = self._actor.init(actor_id, content)
            else:
                turn = self._actor.process(state, actor_id, content)
            outcome = await turn if inspect.isawaitable(turn) else turn
        except (SystemExit, KeyboardInterrupt) as error:
            # Either would end the event loop, but not the process: nobody would start it again.
            raise RuntimeError(f"an actor raised a {type(error).__name__}") from None
        return _remembering(outcome, remembered, operation)

    def time_to_live(self, remembered: Remembered, actor_id: Any) -> float:
        if remembered.state is NOT_PRESENT:  # only replies are
            return 0.0
        return self._actor.time_to_live(remembered.state, actor_id)


def once(wrapped: type[Actor[Any]], name: str, sender: AwaitedTheater) -> type[Once]:
    """Return the class that runs an actor class under its stored name."""
    members = {"wrapped": wrapped, "sender": sender, "__actor_name__": name}
    return cast("type[Once]", type(wrapped.__name__, (Once,), members))


def _remembering(
    outcome: Outcome[Any], before: Remembered, operation: Operation
) -> Outcome[Remembered]:
    """Return the outcome with the reply among what is stored, if anything is."""
    reply = getattr(outcome, "reply", None)
    match outcome:
        case Persist(state):
            return Persist(_after(state, before, operation, reply), reply)
        case NoPersist(state):
            return NoPersist(_after(state, before, operation, reply), reply)
        case Stop("persist", state):
            return Stop.persist(_after(state, before, operation, reply), reply=reply)
        case Stop("delete"):
            return Stop.persist(_after(NOT_PRESENT, before, operation, reply), reply=reply)
        case NoUpdate() if before.state is NOT_PRESENT:
            return Stop.no_persist(reply=reply)
    return outcome


def _after(state: Any, before: Remembered, operation: Operation, reply: Any) -> Remembered:
    ring, now = dict(before.ring), int(time.time())
    since, replies, _ = ring.pop(operation.client, (0, [], now))
    since = max(since, operation.since)  # a letter that comes late knows an older one
    replies = [kept for kept in replies if kept[0] >= since]
    others = len(ring)
    for place, client in enumerate(list(ring)[: max(0, others + 1 - CLIENTS)]):
        older_since, older, when = ring[client]
        if when < now - REMEMBERED or place < others + 1 - MOST_CLIENTS:
            del ring[client]
        else:
            ring[client] = older_since, [kept[:1] for kept in older], when
    ring[operation.client] = since, [*replies, [operation.number, *_storable(reply)]], now
    return Remembered(state, ring)


def without_last(remembered: Remembered) -> Remembered:
    """Return what was remembered before the last message."""
    *others, (client, (since, replies, when)) = remembered.ring.items()
    return remembered._replace(ring={**dict(others), client: (since, replies[:-1], when)})


def _storable(reply: Any) -> list[Any]:
    kind = type(reply)
    if reply is None or kind is bool or (kind is int and -SMALL < reply < SMALL):
        return [reply]  # to spare most messages the attempt
    try:
        [text] = UNTYPED.encode([[[[[reply]]]]])  # as deep as it is in its row
    except CodecError:
        return []
    is_kept = len(text.encode()) <= LONGEST and r"\u0000" not in text  # which jsonb refuses
    return [reply] if is_kept else []


def _told_again(reply: list[Any]) -> Any:
    if not reply:
        raise ReplyLost("the message was processed once, and its reply was lost with a host")
    return reply[0]
