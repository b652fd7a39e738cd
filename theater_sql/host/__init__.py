"""Runs actors: Theater's semantics on any ``AsyncStorage``.

Subclass ``Actor``, send to it through a ``Theater``, or through a ``SyncTheater`` in threads.
"""

from theater_sql.host.actor import Actor, AwaitedTheater
from theater_sql.host.failures import AskTimeout, Failure, InvalidOutcome, Overloaded, TheaterClosed
from theater_sql.host.outcome import NO_UPDATE, NoPersist, NoUpdate, Outcome, Persist, Stop, Turn
from theater_sql.host.theater import Theater
from theater_sql.host.threads import SyncTheater

__all__ = [
    "NO_UPDATE",
    "Actor",
    "AskTimeout",
    "AwaitedTheater",
    "Failure",
    "InvalidOutcome",
    "NoPersist",
    "NoUpdate",
    "Outcome",
    "Overloaded",
    "Persist",
    "Stop",
    "SyncTheater",
    "Theater",
    "TheaterClosed",
    "Turn",
]
