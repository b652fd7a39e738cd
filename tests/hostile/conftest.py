"""The worlds in which all has to end alike: two databases, each by two doors."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests import postgres
from tests.contract.doors import DOORS, Door
from tests.hostile.kinds import ACTORS
from theater_sql import ABSENT, TheaterSQLError


@dataclass
class World:
    """A storage on a database, and a look at the database beside it."""

    name: str
    door: Door
    engine: sa.Engine

    def rows(self) -> dict[str, list[Any]]:
        """Return all that is stored, as the database has it."""
        with self.engine.connect() as connection:
            return {
                table.name: sorted(
                    map(repr, connection.execute(sa.text(f"SELECT * FROM {table.name}")))
                )
                for table in ACTORS.metadata.tables.values()
            }

    def check_usable(self) -> None:
        """Put and get as if nothing had happened."""
        self.door.put("usable", "a", {"a": 1}, expect=ABSENT)
        assert self.door.get("usable", "a").state == {"a": 1}
        self.door.delete("usable", "a")


@pytest.fixture(scope="session")
def worlds(
    postgres_server: postgres.Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[World]]:
    folder = tmp_path_factory.mktemp("hostile")
    name = f"hostile_{tmp_path_factory.getbasetemp().name.replace('-', '_')}"
    admin = postgres_server.url(postgres_server.maintenance_dbname).replace("+psycopg", "")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        connection.execute(f'CREATE DATABASE "{name}"')
        made = []
        for url in (f"sqlite:///{folder / 'theater.db'}", postgres_server.url(name)):
            engine = sa.create_engine(url, poolclass=NullPool)
            ACTORS.metadata.create_all(engine)
            for door, make in DOORS.items():
                made.append(
                    World(f"{engine.name} {door}", make(url, ACTORS, durability="relaxed"), engine)
                )
        yield made
        for world in made:
            world.door.close()
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def outcome(call: Callable[[], Any]) -> str:
    """Return "kept", or the name of the error; only one of ours may come out, fit to be shown."""
    raised: TheaterSQLError | None = None
    try:
        call()
    except TheaterSQLError as error:
        raised = error
    if raised is None:
        return "kept"
    assert "secret" not in str(raised)
    assert str(pickle.loads(pickle.dumps(raised))) == str(raised)
    return type(raised).__name__
