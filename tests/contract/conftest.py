"""Both doors on both databases, and the kinds of storage."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.conftest import NewDatabase
from tests.contract.doors import DOORS, Door, MakeDoor
from tests.contract.kinds import ACTORS, KINDS, Kind

_numbers = count(1)


def new_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('contract') / 'theater.db'}"
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


@pytest.fixture(scope="session")
def shared_engine(shared_url: str) -> Iterator[sa.Engine]:
    """The shared database with its tables, for looking at rows and breaking them."""
    engine = sa.create_engine(shared_url, poolclass=NullPool)
    ACTORS.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session", params=DOORS)
def shared_door(
    request: pytest.FixtureRequest, shared_url: str, shared_engine: sa.Engine
) -> Iterator[Door]:
    """A storage on the shared database."""
    with DOORS[request.param](shared_url, ACTORS) as door:
        yield door


@pytest.fixture(params=DOORS)
def make_door(request: pytest.FixtureRequest) -> MakeDoor:
    """What opens a storage, by one door and then by the other."""
    return DOORS[request.param]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def actor_id() -> str:
    """An id that no other test has."""
    return f"actor-{next(_numbers)}"
