"""New etags: random UUIDs, their bits taken from the operating system in blocks."""

from __future__ import annotations

import os
import time
from typing import Final
from uuid import UUID

from theater_sql.contract import Etag

_BLOCK: Final = 256
"""Etags per block. To ask for random bits gives the GIL away, and who waits for it takes it: a
call for each etag cost a third of all messages a host could persist.
"""
_SIZE: Final = 16
_unused: list[int] = []
# A child must not draw what its parent draws.
os.register_at_fork(after_in_child=_unused.clear)


def new_etag() -> Etag:
    """Return an etag that no row has had."""
    try:
        bits = _unused.pop()
    except IndexError:
        block = os.urandom(_BLOCK * _SIZE)
        first, *rest = range(0, len(block), _SIZE)
        _unused.extend([_bits(block, start) for start in rest])
        bits = _bits(block, first)
    # Nor must two machines that were restored from one snapshot of a running one: the clock goes
    # on between any two draws.
    return Etag(UUID(int=bits ^ time.time_ns(), version=4))


def _bits(block: bytes, start: int) -> int:
    return int.from_bytes(block[start : start + _SIZE], "big")
