"""Homes: where the rows of an actor type live, as the table of actor types says it."""

from __future__ import annotations

import enum
from typing import Final
from uuid import UUID, uuid4


class Home(enum.Enum):
    """The generic table, a table of its own, or one of the four stages between them.

    While a move is prepared the rows stand still and new ones go where they went before, but
    all processes look into both tables already. Only then do the rows move, and new ones go
    to the table that they move to.
    """

    GENERIC = "generic"
    PREPARING_PROMOTE = "preparing promote"
    PROMOTING = "promoting"
    TABLE = "table"
    PREPARING_DEMOTE = "preparing demote"
    DEMOTING = "demoting"
    RENAMED = "renamed"
    """None at all: the type has another name, and this one is not to be used any more."""

    is_steady: bool
    """Whether all rows are in one table."""
    creates_in_table: bool
    """Whether new rows go to the type's own table."""

    def __init__(self, text: str) -> None:
        self.is_steady = text in ("generic", "table")
        self.creates_in_table = text in ("promoting", "table", "preparing demote")


LIFETIME: Final = 5.0
"""Seconds that a process relies on what it read about the homes of actor types.

A move waits as long after each stage, so that all processes have seen it before the next. No
row depends on it, only that a read finds what another process has written meanwhile.
"""

FENCE: Final = "theater_sql: the rows of this actor type have moved"
"""What the trigger says that keeps new rows out of the table that the others have left."""
FENCE_STATE: Final = "TH001"
"""Its SQLSTATE on PostgreSQL."""
_MARKED: Final = 0x74686561746572_80 << 64
_LOW: Final = 2**64 - 1
MARKERS: Final = (UUID(int=_MARKED), UUID(int=_MARKED | _LOW))
"""The least and the greatest of them."""


def marker() -> UUID:
    """Return an etag for what a row leaves behind when it moves: no two are the same."""
    return UUID(int=_MARKED | uuid4().int & _LOW)


def is_marker(etag: UUID) -> bool:
    """Tell the etag of a row that has moved on."""
    return etag.int & ~_LOW == _MARKED
