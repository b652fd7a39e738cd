"""What ``init`` and ``process`` may return: Theater's return values, each with a reply."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeAlias, final

from theater_sql.contract import S


@final
@dataclass(frozen=True, slots=True)
class Persist(Generic[S]):
    """Store the state, then go on with it."""

    state: S
    reply: Any = None


@final
@dataclass(frozen=True, slots=True)
class NoPersist(Generic[S]):
    """Go on with the state in memory only: it is lost when the activation ends."""

    state: S
    reply: Any = None


@final
@dataclass(frozen=True, slots=True)
class NoUpdate:
    """Go on with the state as it was; from ``init``: stop, and store nothing."""

    reply: Any = None


NO_UPDATE: Final = NoUpdate()
"""``NoUpdate`` without a reply."""


@final
@dataclass(frozen=True, slots=True)
class Stop(Generic[S]):
    """End the activation; a message that waits behind this one starts the next.

    Made by ``Stop.delete()``, ``Stop.persist(state)`` or ``Stop.no_persist()``.
    """

    action: Literal["delete", "persist", "no_persist"]
    state: S | None = None
    reply: Any = None

    @staticmethod
    def delete(*, reply: Any = None) -> Stop[Any]:
        """Remove the stored row, then stop: Theater's ``:stop``."""
        return Stop("delete", reply=reply)

    @staticmethod
    def persist(state: S, *, reply: Any = None) -> Stop[S]:
        """Store the state, then stop."""
        return Stop("persist", state, reply)

    @staticmethod
    def no_persist(*, reply: Any = None) -> Stop[Any]:
        """Stop and leave the stored row as it is."""
        return Stop("no_persist", reply=reply)


Outcome: TypeAlias = Persist[S] | NoPersist[S] | NoUpdate | Stop[S]
"""What a message does to its actor."""

Turn: TypeAlias = Outcome[S] | Awaitable[Outcome[S]]
"""An outcome, at once or awaited: ``init`` and ``process`` may be plain or ``async``."""

OUTCOMES: Final = (Persist, NoPersist, NoUpdate, Stop)
"""The classes of ``Outcome``, for ``isinstance``."""
