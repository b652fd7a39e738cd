"""What a history is made of: calls and their answers, rows that were seen, rows that changed."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple
from uuid import UUID

from theater_sql.contract import OVERWRITE, Expect
from theater_sql.testing.model import Actor

NEVER: Final = 2**63
"""A time after every call."""


class Told(enum.Enum):
    """What the caller of a write knows of it."""

    DONE = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Write:
    """A put, or a delete: one without a state.

    ``tag`` is in the state and in no other write's; a write that is sent again keeps it.
    ``expect`` is ``OVERWRITE`` too where the caller does not know what its handle expects. A
    ``caller`` is named if the storage promises that the writes of one caller to an actor keep
    their order, even unknown ones. ``lawful`` are the names of the errors that may answer it,
    ``None`` for all; what ``must_fail`` may get any, and no success.
    """

    actor: Actor
    tag: str
    expect: UUID | Expect = OVERWRITE
    etag: UUID | None = None
    deletes: bool = False
    caller: str = ""
    lawful: frozenset[str] | None = None
    must_fail: bool = False
    start: int = 0
    end: int = 0
    told: Told = Told.UNKNOWN
    error: str = ""
    reason: str = ""

    def __str__(self) -> str:
        what = "delete" if self.deletes else "put"
        return f"{what} {self.tag} of {name_of(self.actor)}"

    @property
    def over(self) -> int:
        """When it can no longer take effect."""
        return NEVER if self.told is Told.UNKNOWN else self.end


class Row(NamedTuple):
    """An actor as it is stored, as far as a history needs it."""

    etag: UUID
    version: int
    tag: str


@dataclass(slots=True)
class Read:
    """A get: ``row`` is what it saw, ``None`` for nothing."""

    actor: Actor
    start: int = 0
    end: int = 0
    row: Row | None = None


class Change(NamedTuple):
    """A row that was created (no old etag), changed, or deleted (no new etag)."""

    actor: Actor
    old: UUID | None
    new: UUID | None
    version: int
    tag: str


def name_of(actor: Actor) -> str:
    """Return an actor as errors show it."""
    return f"{actor[0]}[{actor[1]!r}]"


def joined(writes: Iterable[Write]) -> list[Write]:
    """Return each write once, however often it was sent."""
    by_tag: dict[str, Write] = {}
    for write in writes:
        same = by_tag.get(write.tag)
        by_tag[write.tag] = write if same is None else _sent_again(same, write)
    return list(by_tag.values())


def _sent_again(first: Write, second: Write) -> Write:
    """Join two sendings of one write: it was applied by either, and once at most."""
    done = [write for write in (first, second) if write.told is Told.DONE]
    told = Told.DONE if done else Told.UNKNOWN
    if first.told is second.told is Told.REFUSED:
        told = Told.REFUSED
    end = min((write.end for write in done), default=second.end)
    etag = next((write.etag for write in (*done, first, second) if write.etag), None)
    return replace(first, start=min(first.start, second.start), end=end, told=told, etag=etag)
