"""The kit for storages, run through PgBouncer by both doors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.contract.kinds import ACTORS
from tests.contract.test_kit import Conformance
from tests.contract.transactions import Blocks
from theater_sql import AsyncSQLStorage, SQLStorage
from theater_sql.testing import Door


class Pooled(Conformance, is_part=True):
    @contextmanager
    def transaction(self, door: Door) -> Iterator[Any]:
        with Blocks(self.block, self.url, ACTORS, pooler=True).open() as block:
            yield block.tx


class TestForThreads(Pooled):
    make = partial(SQLStorage, pooler=True)
    block = "Session"


class TestForCoroutines(Pooled):
    make = partial(AsyncSQLStorage, pooler=True)
    block = "AsyncSession"
