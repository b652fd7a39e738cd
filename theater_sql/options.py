"""Checks of what is set for a storage or a call: all that can't work is ``ConfigurationError``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypedDict

from theater_sql.errors import ConfigurationError

_LONGEST: Final = 2_000_000
"""Seconds, about three weeks: PostgreSQL has no longer limit for a statement."""
LARGEST: Final = 2**63 - 1
"""The largest number that both databases take."""
MOST_WRITERS: Final = 64


class Options(TypedDict, total=False):
    """The settings of a storage, all optional.

    ``timeout`` is the deadline of a call in seconds (10). ``durability`` is ``"full"``: what
    is acknowledged survives a crash of the server and its machine; or ``"relaxed"``: the last
    moments before such a crash may be lost, though nothing older and never in part. ``pooler``
    (False) has to be set behind PgBouncer in transaction mode and the like. Settings of the
    lanes: ``writers``, the number of write connections (1; two to four across a
    network; at most 64); ``max_batch_rows`` (256) and ``max_batch_bytes`` (1 MiB), what one
    flush takes; ``max_queue`` (100,000), beyond which calls wait outside and end as
    ``Unavailable``, if they are not let in before their deadline.
    """

    timeout: float
    durability: Literal["full", "relaxed"]
    pooler: bool
    writers: int
    max_batch_rows: int
    max_batch_bytes: int
    max_queue: int


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


def check_flag(name: str, value: object) -> None:
    """Take True or False."""
    if type(value) is not bool:
        raise ConfigurationError(f"{name}= is True or False; nothing was sent")


def check_names(owner: object, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a keyword that a storage does not have, as its own ``__init__`` would."""
    for name in sorted(set(given) - set(known)):
        raise TypeError(
            f"{type(owner).__name__}() got an unexpected keyword argument {name!r}; "
            f"it takes {', '.join(known)}"
        )
