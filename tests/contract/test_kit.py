"""The kit for storages, run against both databases by both doors, and every kind of storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from tests.contract.kinds import ACTORS, KINDS, Kind
from tests.contract.transactions import Blocks
from theater_sql import AsyncSQLStorage, SQLStorage
from theater_sql.testing import UNTYPED, Capability, Door, StorageContract, Subject

BY_TYPE = {kind.actor_type: kind for kind in KINDS.values()} | {
    UNTYPED.actor_type: Kind(UNTYPED.actor_type, ACTORS.generic.table, UNTYPED.make, UNTYPED.number)
}


class Conformance(StorageContract, is_part=True):
    capabilities = frozenset(Capability)
    subjects = (*(Subject(k.actor_type, k.make, k.number) for k in KINDS.values()), UNTYPED)
    make: ClassVar[Any]
    block: ClassVar[str]

    @pytest.fixture(autouse=True)
    def database(self, shared_url: str, shared_engine: sa.Engine) -> None:
        self.url, self.engine = shared_url, shared_engine

    @pytest.fixture(scope="class")
    @classmethod
    def storage(cls, shared_url: str, shared_engine: sa.Engine) -> Iterator[Any]:
        storage = cls.make(shared_url, ACTORS)
        yield storage
        with Door(storage) as door:
            door.close()

    def reopen(self, door: Door) -> Any:
        return self.make(self.url, ACTORS)

    def make_undecodable(self, door: Door, subject: Subject, actor_id: str) -> None:
        # PostgreSQL has this time, and nobody else: a column that every kind of row has.
        values: dict[str, Any] = {"updated_at": sa.literal_column("'infinity'")}
        BY_TYPE[subject.actor_type].update(self.engine, actor_id, **values)

    def make_too_new(self, door: Door, subject: Subject, actor_id: str) -> None:
        BY_TYPE[subject.actor_type].update(self.engine, actor_id, schema_version=99)

    @contextmanager
    def transaction(self, door: Door) -> Iterator[Any]:
        with Blocks(self.block, self.url, ACTORS).open() as block:
            yield block.tx


class TestForThreads(Conformance):
    make = SQLStorage
    block = "Session"


class TestForCoroutines(Conformance):
    make = AsyncSQLStorage
    block = "AsyncSession"
