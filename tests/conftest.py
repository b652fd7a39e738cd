"""Databases for the tests: ``sqlite_url``, ``pg_url``, and ``url``, which is each in turn.

Every test gets databases of its own, which hold the tables of ``PRELOADED`` and nothing else.
With ``-n`` the workers share one PostgreSQL server, which the process that started them runs.
"""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pytest_postgresql import factories
from pytest_postgresql.executors import NoopExecutor
from pytest_postgresql.janitor import DatabaseJanitor
from sqlalchemy import MetaData, create_engine

from tests import postgres

PRELOADED = MetaData()

NewDatabase = Callable[[], AbstractContextManager[str]]
Figure = Callable[[str], None]
"""Takes a line for the summary of the run."""

_numbers = itertools.count(1)
_figures: list[str] = []
_shared = pytest.StashKey[dict[str, Any]]()


def pytest_configure() -> None:
    # A shell that starts a job in the background has it ignore SIGINT, and its children too.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> list[str]:
    return [f"PostgreSQL: {postgres.describe()}", f"SQLite: {sqlite3.sqlite_version}"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _figures:
        terminalreporter.section("figures")
        for line in _figures:
            terminalreporter.line(line)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Takes what a test measured, for the summary of the run."""
    return lambda line: _figures.append(f"{request.node.name}: {line}")


def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Start the server that the workers share."""
    with ExitStack() as stack:
        try:
            config.stash[_shared] = asdict(stack.enter_context(postgres.server()))
        except postgres.NoPostgresError as error:
            config.stash[_shared] = {"error": str(error)}
        config.add_cleanup(stack.pop_all().close)


def pytest_configure_node(node: Any) -> None:
    node.workerinput["postgres"] = node.config.stash[_shared]


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[postgres.Server]:
    """The server. Where none can be had, every test that needs it fails; none is skipped."""
    shared = getattr(request.config, "workerinput", {}).get("postgres")
    try:
        if shared is None:
            with postgres.server() as server:
                yield server
        elif "error" in shared:
            raise postgres.NoPostgresError(shared["error"])
        else:
            yield postgres.Server(**shared)
    except postgres.NoPostgresError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def load_template(
    *, host: str, port: int, user: str, password: str | None, dbname: str, autocommit: bool
) -> None:
    """Fill the template database, of which each test gets a clone."""
    preload(postgres.Server(host, port, user, password).url(dbname))


def preload(url: str) -> None:
    """Create the tables that every test database starts with."""
    if PRELOADED.tables:
        engine = create_engine(url)
        PRELOADED.create_all(engine)
        engine.dispose()


postgresql_noproc = factories.postgresql_noproc(
    dbname=f"theater_sql_{os.getpid()}", load=[load_template], depends_on="postgres_server"
)


@pytest.fixture(scope="session")
def new_pg(postgres_server: postgres.Server, postgresql_noproc: NoopExecutor) -> NewDatabase:
    """What makes a PostgreSQL database: a clone of the template, dropped when the block ends."""

    @contextmanager
    def new() -> Iterator[str]:
        name = f"{postgresql_noproc.dbname}_{next(_numbers)}"
        with DatabaseJanitor(
            host=postgres_server.host,
            port=postgres_server.port,
            user=postgres_server.user,
            password=postgres_server.password,
            maintenance_dbname=postgres_server.maintenance_dbname,
            template_dbname=postgresql_noproc.template_dbname,
            dbname=name,
        ):
            yield postgres_server.url(name)

    return new


@pytest.fixture
def pg_url(new_pg: NewDatabase) -> Iterator[str]:
    """A PostgreSQL database of the test's own."""
    with new_pg() as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database in a file of its own."""
    url = f"sqlite:///{tmp_path / 'theater.db'}"
    preload(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """A database, first of the one kind, then of the other."""
    fixture = "pg_url" if request.param == "postgresql" else "sqlite_url"
    return str(request.getfixturevalue(fixture))


def new_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Yield the URL of a new database of the kind that is asked for."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('shared') / 'theater.db'}"
        return
    new_pg: NewDatabase = request.getfixturevalue("new_pg")
    with new_pg() as url:
        yield url


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def shared_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database for the tests that only need an actor id of their own."""
    yield from new_database(request, tmp_path_factory)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database for the tests of one module, which may have tables of their own in it."""
    yield from new_database(request, tmp_path_factory)
