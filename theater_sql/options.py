"""Checks of what is set for a storage or a call: all that can't work is ``ConfigurationError``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from theater_sql.errors import ConfigurationError

_LONGEST: Final = 2_000_000
"""Seconds, about three weeks: PostgreSQL has no longer limit for a statement."""
LARGEST: Final = 2**63 - 1
"""The largest number that both databases take."""
MOST_WRITERS: Final = 64


def check_timeout(seconds: object) -> None:
    """Take a number of seconds above zero."""
    # Written so that NaN, which compares to nothing, is refused.
    if type(seconds) not in (int, float) or not 0 < seconds <= _LONGEST:  # type: ignore[operator]
        raise ConfigurationError(
            f"timeout= is a number of seconds above zero, {_LONGEST} at most; nothing was sent"
        )


def check_number(name: str, value: object, most: int = LARGEST) -> None:
    """Take a whole number from 1 on."""
    if type(value) is not int or not 1 <= value <= most:
        bound = f", {most} at most" if most < LARGEST else ""
        raise ConfigurationError(f"{name}= is a whole number above zero{bound}; nothing was sent")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Take one of a few words."""
    if type(value) is not str or value not in choices:
        raise ConfigurationError(f"{name}= is {' or '.join(map(repr, choices))}")


def check_names(owner: object, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a keyword that a storage does not have, as its own ``__init__`` would."""
    for name in sorted(set(given) - set(known)):
        raise TypeError(
            f"{type(owner).__name__}() got an unexpected keyword argument {name!r}; "
            f"it takes {', '.join(known)}"
        )
