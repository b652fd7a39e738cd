"""How much one flush may carry, and one queue hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from theater_sql.backends.base import AnyStatement

LARGE: Final = 2**16
"""Bytes from which an operation is large: such ones have flushes of their own, so that small
ones wait for one of these at most.
"""
_UNKNOWN: Final = 2**14
"""Bytes that a row is taken to have before the first was read."""
_MANY: Final = 96
"""Rows in which a flush's own cost is well shared."""
_DECAY: Final = 0.9
_SAMPLE: Final = 16


@dataclass(slots=True)
class Bounds:
    """The most rows and bytes of a flush, and the most operations of a queue.

    What a write sends is known. What a read will bring is not, so rows that were read before
    tell how many of their kind fit. Where a server ``works_apart``, half of the many writes
    that wait are left for the next flush: while it works on the one half, this process serves
    the callers of the other, and neither waits for the other.
    """

    max_rows: int
    max_bytes: int
    max_length: int
    works_apart: bool
    _weights: dict[AnyStatement, int] = field(default_factory=dict)

    def rows(self, statement: AnyStatement, waiting: int) -> int:
        """Return how many rows a flush of this statement may have, of those that wait."""
        if not statement.writes:
            weight = self._weights.get(statement, _UNKNOWN)
            return max(1, min(self.max_rows, self.max_bytes // weight))
        if self.works_apart and waiting > _MANY:
            return min(self.max_rows, max(_MANY, waiting // 2))
        return self.max_rows

    def learn(self, statement: AnyStatement, rows: Sequence[Any]) -> None:
        """Learn from rows that were read how heavy those of a statement are."""
        some = rows[:: max(1, len(rows) // _SAMPLE)]
        sample = [_size(row) for row in some if type(row) is tuple]
        if sample:
            before = self._weights.get(statement, 0)
            self._weights[statement] = max(1, sum(sample) // len(sample), int(before * _DECAY))


def _size(row: Sequence[Any]) -> int:
    return sum([len(value) for value in row if isinstance(value, (str, bytes))])
