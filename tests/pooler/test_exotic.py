"""Column types of the user's own through PgBouncer, in a database with settings of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.conftest import NewDatabase
from tests.contract.doors import AsyncDoor, Door
from tests.contract.exotic import PointType
from tests.contract.test_exotic import (
    ACTORS,
    flushes,
    read_one_row,
    test_value_comes_back_exactly,
    test_values_of_one_batch_come_back_exactly,
    test_what_would_not_come_back_is_refused_and_spares_the_neighbours,
)
from tests.pooler.conftest import behind
from tests.postgres import Server


@pytest.fixture(scope="module")
def exotic_url(pooler: Server, new_pg: NewDatabase) -> Iterator[str]:
    with new_pg() as url:
        engine = sa.create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(PointType.DDL)
            ACTORS.metadata.create_all(connection)
        yield behind(pooler, url).pooled


@pytest.fixture(scope="module")
def door(exotic_url: str) -> Iterator[Door]:
    with AsyncDoor(exotic_url, ACTORS, pooler=True) as door:
        read_one_row(door)
        yield door
