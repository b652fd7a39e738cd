"""Who holds the only turn to write to a database: a transaction that is the caller's own.

A write of a storage from the same thread or task would wait for a commit that comes after it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

_Turn = tuple[str, Callable[[], bool]]
_turns: Final[ContextVar[tuple[_Turn, ...]]] = ContextVar("theater_sql_turns", default=())


def hold(file: str, is_open: Callable[[], bool]) -> None:
    """Say that this thread or task has the turn to write to a file for as long as ``is_open``."""
    _turns.set((*[turn for turn in _turns.get() if turn[1]()], (file, is_open)))


def holds(file: str) -> bool:
    """Tell whether this thread or task has the turn itself."""
    return any(of == file and is_open() for of, is_open in _turns.get())
