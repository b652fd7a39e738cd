"""What can't work behind a pooler is refused before anything is sent."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.contract.doors import MakeDoor
from theater_sql import ActorRegistry, ConfigurationError, SQLStorage


def test_startup_options_are_refused(make_door: MakeDoor, pg_url: str) -> None:
    url = sa.make_url(pg_url).update_query_dict({"options": "-c statement_timeout=5s"})
    engine = sa.create_engine(url)
    for given in (url, engine):
        with pytest.raises(ConfigurationError, match=r"ALTER ROLE"):
            make_door(given, ActorRegistry(), pooler=True)


def test_sqlite_has_no_pooler(make_door: MakeDoor, sqlite_url: str) -> None:
    with pytest.raises(ConfigurationError, match="PostgreSQL"):
        make_door(sqlite_url, ActorRegistry(), pooler=True)


@pytest.mark.parametrize("pooler", ["yes", None, 1])
def test_another_word_is_refused(make_door: MakeDoor, url: str, pooler: Any) -> None:
    with pytest.raises(ConfigurationError, match="pooler= is True or False"):
        make_door(url, ActorRegistry(), pooler=pooler)


def test_a_driver_that_is_too_old_is_refused(
    monkeypatch: pytest.MonkeyPatch, make_door: MakeDoor, pg_url: str
) -> None:
    monkeypatch.setattr(psycopg.Pipeline, "is_supported", lambda: False)
    with pytest.raises(ConfigurationError, match="libpq 14"):
        make_door(pg_url, ActorRegistry(), pooler=True)


def test_a_callers_connection_that_prepares_is_refused(pg_url: str) -> None:
    with SQLStorage(pg_url, ActorRegistry(), pooler=True) as storage:
        engine = sa.create_engine(pg_url, poolclass=NullPool)
        with (
            engine.begin() as connection,
            pytest.raises(ConfigurationError, match="prepare_threshold"),
            storage.in_transaction(connection),
        ):
            pass


def test_a_callers_connection_that_prepares_nothing_is_taken(pg_url: str) -> None:
    with SQLStorage(pg_url, ActorRegistry(), pooler=True) as storage:
        storage.create_all()
        arguments = {"prepare_threshold": None}
        engine = sa.create_engine(pg_url, poolclass=NullPool, connect_args=arguments)
        with engine.begin() as connection, storage.in_transaction(connection) as tx:
            etag = tx.put("anything", "a", 1)
        assert storage.get("anything", "a").etag == etag
