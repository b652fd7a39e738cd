"""The state machine with links that fail, against our storages and against naive ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy.pool import NullPool

from tests.contract.kinds import ACTORS
from tests.machine.resending import NAIVE, TABLE, Resending
from tests.machine.test_machine import HUNT, SETTINGS
from theater_sql import AsyncSQLStorage, SQLStorage
from theater_sql.testing import Cut, CutMachine, FaultProxy

LONG = settings(SETTINGS, stateful_step_count=20, phases=[Phase.generate])


class CountingProxy(FaultProxy):
    """Remembers its cuts."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.armed: list[Cut] = []

    def arm(self, cut: Cut) -> Cut:
        self.armed.append(cut)
        return super().arm(cut)

    @property
    def fired(self) -> int:
        return sum(cut.fired.is_set() for cut in self.armed)


@pytest.fixture
def link(pg_url: str) -> Iterator[CountingProxy]:
    ACTORS.metadata.create_all(sa.create_engine(pg_url, poolclass=NullPool))
    with psycopg.connect(pg_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(TABLE)
    with CountingProxy(pg_url) as proxy:
        yield proxy


def machine_of(link: CountingProxy, open_storage: Callable[[str], Any]) -> type[CutMachine]:
    class Machine(CutMachine):
        actor_types = {"machine.Cut": lambda number: [number]}  # noqa: RUF012
        proxy = link

        def open_storage(self) -> Any:
            return open_storage(link.url)

    return Machine


@pytest.mark.parametrize("storage", [SQLStorage, AsyncSQLStorage])
def test_machine_finds_nothing_when_links_fail(link: CountingProxy, storage: type[Any]) -> None:
    machine = machine_of(link, lambda url: storage(url, ACTORS))
    run_state_machine_as_test(machine, settings=LONG)
    assert link.fired >= 10


def test_machine_finds_nothing_in_a_storage_that_looks_for_its_own(link: CountingProxy) -> None:
    run_state_machine_as_test(machine_of(link, Resending), settings=LONG)
    assert link.fired >= 10


@pytest.mark.parametrize("naive", NAIVE, ids=lambda naive: naive.__name__)
def test_machine_finds_the_naive_retry(link: CountingProxy, naive: Any) -> None:
    with pytest.raises(AssertionError, match=naive.told):
        run_state_machine_as_test(machine_of(link, naive), settings=HUNT)
