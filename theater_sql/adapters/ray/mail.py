"""What a client and a host hand each other."""

from __future__ import annotations

import asyncio
import importlib
import pickle
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from ray import cloudpickle

from theater_sql import ActorId, OutcomeUnknown, Unavailable
from theater_sql.host.failures import address, late

SIMPLE: Final = frozenset({type(None), bool, int, float, str, bytes})
"""Types that plain pickle sends as well, in a tenth of the time."""

LETTER_TO_ACTIVATE: Final = b""
"""The message of a letter that only has an actor read."""

MOST: Final = 500
"""How many letters go in one call."""
FEW: Final = 8
"""How many of them to one actor, which keeps its replies to them."""


class Map(NamedTuple):
    """How many hosts a pool has, and how often that was changed; version 0 is not known yet."""

    version: int
    hosts: int


class Letter(NamedTuple):
    """A message on its way: pickled, so that one which can't be read fails alone.

    ``number`` is the client's, ``since`` the first of those under way to the same actor, and
    ``actor`` the place of the class, ``"module:attribute"``. ``is_of_actor`` tells whether an
    actor sent it.
    """

    number: int
    since: int
    actor: str
    actor_id: ActorId
    message: bytes
    is_of_actor: bool = False


Answer: TypeAlias = tuple[Literal["reply", "error", "slow", "again", "lost"], bytes]
"""A pickled reply or error; or that a letter takes long, or has to be sent again: since it was
not processed, or (``"lost"``) since nobody knows.
"""


@dataclass(slots=True, eq=False)
class Sent:
    """A letter, and what its client knows of it."""

    letter: Letter
    message: Any
    reply: asyncio.Future[Any] | None
    deadline: float
    is_doubtful: bool = False
    """Whether it may have been processed by who could not say so."""


@dataclass(slots=True, eq=False, repr=False)
class Outbox:
    """The letters to one actor, in order; a few are under way, the others wait for their answers.

    So the order holds when letters are sent again, and to another host.
    """

    name: str
    actor_id: ActorId
    key: bytes
    trouble: Callable[[], str]
    waiting: deque[Sent] = field(default_factory=deque)
    under_way: list[Sent] = field(default_factory=list)

    def __repr__(self) -> str:
        return address(self.name, self.actor_id)

    def expire(self, future: asyncio.Future[Any], seconds: float) -> None:
        """Tell a sender that no reply came in time."""
        if not future.done():
            future.set_exception(late(self, seconds, self.trouble()))

    def letters(self) -> Iterator[Letter]:
        """Yield what is under way."""
        for sent in self.under_way:
            yield sent.letter._replace(since=self.under_way[0].letter.number)


def collected(ready: dict[Outbox, None]) -> list[Outbox]:
    """Take out the actors of one call, with a few letters of each under way."""
    boxes: list[Outbox] = []
    room = MOST
    while ready and room > 0:
        box = next(iter(ready))
        del ready[box]
        few = min(FEW, len(box.waiting), room)
        box.under_way = [box.waiting.popleft() for _ in range(few)]
        room -= few
        boxes.append(box)
    return boxes


def pickled(value: Any) -> bytes:
    """Return a value for another process, also what plain pickle can't send, such as a lambda."""
    dumps: Any = pickle.dumps if type(value) in SIMPLE else cloudpickle.dumps
    data: bytes = dumps(value)
    return data


def found(place: str) -> Any:
    """Return what is at ``module:attribute``."""
    module, _, attribute = place.partition(":")
    return attrgetter(attribute)(importlib.import_module(module))


def set_reply(reply: asyncio.Future[Any], data: bytes) -> None:
    """Give a pickled reply to who asked."""
    try:
        reply.set_result(cloudpickle.loads(data))
    except Exception as problem:
        reply.set_exception(problem)


def told(box: Outbox, sent: Sent, data: bytes) -> BaseException:
    """Return what to tell a sender of a pickled error.

    That the database is away now says nothing of an earlier sending.
    """
    try:
        error: BaseException = cloudpickle.loads(data)
    except Exception as problem:  # of a class that is not here
        return problem
    if not (sent.is_doubtful and isinstance(error, Unavailable)):
        return error
    reason = f"its host was lost, and may have processed the message before: {error.reason}"
    return OutcomeUnknown(box.name, box.actor_id, reason, etag=None)
