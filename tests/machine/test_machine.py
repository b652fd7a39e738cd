"""The state machine against both databases by both doors, and against storages with faults."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy.pool import NullPool

from tests.contract.kinds import ACTORS, KINDS, CounterRow
from tests.machine.dicts import DictStorage
from tests.machine.faults import FAULTS
from theater_sql import AsyncSQLStorage, SQLStorage
from theater_sql.testing.machine import StorageMachine

# Some minutes of it: THEATER_SQL_MACHINE_EXAMPLES=500
EXAMPLES = int(os.environ.get("THEATER_SQL_MACHINE_EXAMPLES", "12"))
SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    derandomize=EXAMPLES <= 12,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
HUNT = settings(
    SETTINGS,
    max_examples=300,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)


def machine_of(open_storage: Callable[[], Any]) -> type[StorageMachine]:
    class Machine(StorageMachine):
        actor_types = {kind.actor_type: kind.make for kind in KINDS.values()}  # noqa: RUF012

        def open_storage(self) -> Any:
            return open_storage()

        def same_state(self, stored: Any, wanted: Any) -> bool:
            if isinstance(wanted, CounterRow):
                return (stored.count, stored.note) == (wanted.count, wanted.note)
            return super().same_state(stored, wanted)

    return Machine


@pytest.mark.parametrize("storage", [SQLStorage, AsyncSQLStorage])
def test_machine_finds_nothing(url: str, storage: type[Any]) -> None:
    engine = sa.create_engine(url, poolclass=NullPool)
    ACTORS.metadata.create_all(engine)
    run_state_machine_as_test(machine_of(lambda: storage(url, ACTORS)), settings=SETTINGS)
    for table in set(ACTORS.metadata.tables.values()) - {ACTORS.routes}:
        with engine.connect() as connection:
            left = connection.scalar(sa.select(sa.func.count()).select_from(table))
        assert left == 0, table.name


def plain_machine(storage: type[DictStorage]) -> type[StorageMachine]:
    class Machine(StorageMachine):
        def __init__(self) -> None:
            self.database: dict[Any, Any] = {}
            super().__init__()

        def open_storage(self) -> Any:
            return storage(self.database)

    return Machine


def test_machine_finds_nothing_in_a_dict_without_a_fault() -> None:
    run_state_machine_as_test(plain_machine(DictStorage), settings=SETTINGS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_machine_finds_the_fault(fault: Any) -> None:
    with pytest.raises(AssertionError, match=fault.told):
        run_state_machine_as_test(plain_machine(fault), settings=HUNT)


class ThreeCallbacks:
    """What a storage is at the least; put and delete know ``expect=``."""

    def __init__(self, rows: dict[Any, Any]) -> None:
        inner = DictStorage(rows)
        self.get, self.put, self.delete = inner.get, inner.put, inner.delete
        self.close = inner.close


def test_what_a_storage_does_not_have_is_left_out() -> None:
    machine: Any = ThreeCallbacks
    run_state_machine_as_test(plain_machine(machine), settings=SETTINGS)
