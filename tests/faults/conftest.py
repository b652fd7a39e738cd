"""Databases with the tables of the fault tests, and a proxy in front of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.proxy import Proxy
from tests.faults.support import AsyncDoor, Door, Figure, SyncDoor, create_tables

_figures: list[str] = []


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Takes what a test measured, for the summary of the run."""
    return lambda line: _figures.append(f"{request.node.name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _figures:
        terminalreporter.section("figures of the fault tests")
        for line in _figures:
            terminalreporter.line(line)


@pytest.fixture
def pg(pg_url: str) -> str:
    """The URL of a PostgreSQL database with our tables."""
    create_tables(pg_url)
    return pg_url


@pytest.fixture
def lite(sqlite_url: str) -> str:
    """The URL of a SQLite database with our tables."""
    create_tables(sqlite_url)
    return sqlite_url


@pytest.fixture
def db(url: str) -> str:
    """A database with our tables, of the one kind and then of the other."""
    create_tables(url)
    return url


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
