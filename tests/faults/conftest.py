"""Databases with the tables of the fault tests, and a proxy in front of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import NewDatabase
from tests.faults.proxy import Proxy
from tests.faults.support import ACTORS, AsyncDoor, Door, SyncDoor, admin, create_tables


@pytest.fixture(scope="session")
def faulty_pg(new_pg: NewDatabase) -> Iterator[str]:
    """One PostgreSQL database with our tables: a new one for each test would take longer."""
    with new_pg() as url:
        create_tables(url)
        yield url


@pytest.fixture
def pg(faulty_pg: str) -> str:
    """The URL of a PostgreSQL database with our tables, empty, which nobody else uses."""
    tables = ", ".join(table.name for table in ACTORS.metadata.sorted_tables)
    with admin(faulty_pg) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute(f"TRUNCATE {tables}")
    return faulty_pg


@pytest.fixture
def lite(sqlite_url: str) -> str:
    """The URL of a SQLite database with our tables."""
    create_tables(sqlite_url)
    return sqlite_url


@pytest.fixture(params=["lite", "pg"], ids=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest) -> str:
    """A database with our tables, of the one kind and then of the other."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def proxy(pg: str) -> Iterator[Proxy]:
    """A proxy in front of ``pg``."""
    proxy = Proxy(pg)
    try:
        yield proxy
    finally:
        proxy.close()


@pytest.fixture(params=[SyncDoor, AsyncDoor], ids=["sync", "async"])
def door_type(request: pytest.FixtureRequest) -> type[Door]:
    kind: type[Door] = request.param
    return kind
