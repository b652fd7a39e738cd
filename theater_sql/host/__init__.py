"""Runs actors: Theater's semantics on any ``AsyncStorage``.

Subclass ``Actor``, send to it through a ``Theater``.
"""

from theater_sql.host.actor import Actor
from theater_sql.host.failures import AskTimeout, Failure, TheaterClosed
from theater_sql.host.outcome import NO_UPDATE, NoPersist, NoUpdate, Outcome, Persist, Stop, Turn
from theater_sql.host.theater import Theater

__all__ = [
    "NO_UPDATE",
    "Actor",
    "AskTimeout",
    "Failure",
    "NoPersist",
    "NoUpdate",
    "Outcome",
    "Persist",
    "Stop",
    "Theater",
    "TheaterClosed",
    "Turn",
]
