"""Databases behind PgBouncer, whose settings are none that a storage would choose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from sqlalchemy import make_url
from sqlalchemy.pool import NullPool

from tests.conftest import NewDatabase
from tests.contract.conftest import actor_id, kind
from tests.contract.doors import DOORS, Door, MakeDoor
from tests.contract.kinds import ACTORS as CONTRACT_ACTORS
from tests.faults.conftest import any_door, emptied
from tests.faults.support import Door as AnyDoor
from tests.faults.support import admin, create_tables
from tests.pooler.pgbouncer import NoPgBouncerError, pgbouncer
from tests.postgres import Server
from theater_sql.testing import FaultProxy

__all__ = ["actor_id", "any_door", "kind"]

POOL = 4
"""Sessions that all clients of a database share."""
SERVER_SETTINGS = {
    "TimeZone": "Asia/Kolkata",
    "extra_float_digits": "-2",
    "lock_timeout": "7s",
    "statement_timeout": "77s",
}


class Database(NamedTuple):
    """The URLs of one database: straight to the server, and through the pooler."""

    direct: str
    pooled: str


@pytest.fixture(scope="session")
def pooler(postgres_server: Server) -> Iterator[Server]:
    """PgBouncer. Where it can't be had, every test that needs it fails; none is skipped."""
    try:
        with pgbouncer(postgres_server, POOL) as running:
            yield running
    except NoPgBouncerError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def behind(pooler: Server, url: str) -> Database:
    """Give a database settings of its own, and return its URLs."""
    name = str(make_url(url).database)
    with admin(url) as connection:
        for setting, value in SERVER_SETTINGS.items():
            connection.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")
    return Database(url, pooler.url(name))


@pytest.fixture(scope="session")
def database(pooler: Server, new_pg: NewDatabase) -> Iterator[Database]:
    """The database of the load tests, with their tables."""
    with new_pg() as url:
        create_tables(url)
        yield behind(pooler, url)


@pytest.fixture
def pg(database: Database) -> str:
    """The URL of the database straight to the server, emptied."""
    return emptied(database.direct)


# What the tests of others take, when a module here has imported them.


@pytest.fixture
def door_type(any_door: type[AnyDoor], database: Database) -> type[AnyDoor]:
    """A door that goes through the pooler, or a proxy before it."""

    class PooledDoor(any_door):  # type: ignore[misc, valid-type]
        def __init__(self, url: str, **options: Any) -> None:
            url = database.pooled if url == database.direct else url
            super().__init__(url, pooler=True, **options)

    return PooledDoor


@pytest.fixture
def proxy(pg: str, database: Database) -> Iterator[FaultProxy]:
    with FaultProxy(database.pooled) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def shared_database(pooler: Server, new_pg: NewDatabase) -> Iterator[Database]:
    with new_pg() as url:
        yield behind(pooler, url)


@pytest.fixture(scope="session")
def shared_url(shared_database: Database) -> str:
    return shared_database.pooled


@pytest.fixture(scope="session")
def shared_engine(shared_database: Database) -> Iterator[sa.Engine]:
    engine = sa.create_engine(shared_database.direct, poolclass=NullPool)
    CONTRACT_ACTORS.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def pg_url(pooler: Server, new_pg: NewDatabase) -> Iterator[str]:
    with new_pg() as url:
        yield behind(pooler, url).pooled


@pytest.fixture
def url(pg_url: str) -> str:
    return pg_url


@pytest.fixture(scope="session", params=DOORS)
def shared_door(
    request: pytest.FixtureRequest, shared_url: str, shared_engine: sa.Engine
) -> Iterator[Door]:
    with DOORS[request.param](shared_url, CONTRACT_ACTORS, pooler=True) as door:
        yield door


@pytest.fixture(params=DOORS)
def make_door(request: pytest.FixtureRequest) -> MakeDoor:
    def make(url: Any, actors: Any, **options: Any) -> Door:
        return DOORS[request.param](url, actors, pooler=True, **options)

    return make
