"""How a transaction of the caller's ends: all of what was written with it, or nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool, StaticPool

from theater_sql import (
    NOT_PRESENT,
    ActorRegistry,
    AsyncSQLStorage,
    ConfigurationError,
    ConstraintViolation,
    SQLStorage,
    TransactionAborted,
    Unavailable,
)


@dataclass
class Count:
    n: int = 0


ACTORS = ActorRegistry()
COUNT = ACTORS.register("ends.Count", state=Count, table="ends_count")


def opened(url: str) -> SQLStorage:
    storage = SQLStorage(url, ACTORS)
    storage.create_all()
    return storage


def numbers(storage: SQLStorage, *ids: str) -> list[int | None]:
    found = storage.get_many([(COUNT, one) for one in ids]).raise_errors()
    return [one.state.n if one else None for one in found]


@pytest.mark.parametrize("how", ["connection", "session"])
def test_what_was_aborted_is_not_committed_by_a_caller_who_tries(pg_url: str, how: str) -> None:
    engine = sa.create_engine(pg_url, poolclass=NullPool, isolation_level="REPEATABLE READ")
    with opened(pg_url) as storage:
        storage.put(COUNT, "b", Count(1))
        target: Any = Session(engine) if how == "session" else engine.connect()
        with target:
            with storage.in_transaction(target) as tx:
                tx.put(COUNT, "a", Count(1))
                found = tx.get(COUNT, "b")
                storage.put(COUNT, "b", Count(2))
                with pytest.raises(TransactionAborted, match="was rolled back"):
                    tx.put(COUNT, "b", Count(3), expect=found.etag)
                with pytest.raises(TransactionAborted, match="nothing was sent"):
                    tx.put(COUNT, "c", Count(1))
            target.commit()
        assert numbers(storage, "a", "b", "c") == [None, 2, None]


def test_a_savepoint_of_the_sessions_covers_what_is_written_inside(url: str) -> None:
    engine = sa.create_engine(url, poolclass=NullPool)
    with opened(url) as storage:
        with Session(engine) as session, session.begin(), storage.in_transaction(session) as tx:
            tx.put(COUNT, "kept", Count(1))
            savepoint = session.begin_nested()
            tx.put(COUNT, "undone", Count(1))
            savepoint.rollback()
            tx.put(COUNT, "after", Count(1))
        assert numbers(storage, "kept", "undone", "after") == [1, None, 1]


def test_sqlite_rolls_back_by_itself(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'theater.db'}"
    engine = sa.create_engine(url, poolclass=NullPool)
    with opened(url) as storage:
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TRIGGER no_13 BEFORE INSERT ON ends_count WHEN new.n = 13 "
                "BEGIN SELECT RAISE(ROLLBACK, 'no'); END"
            )
        with engine.connect() as connection:
            with storage.in_transaction(connection) as tx:
                tx.put(COUNT, "before", Count(1))
                with pytest.raises((TransactionAborted, ConstraintViolation)) as caught:
                    tx.put(COUNT, "unlucky", Count(13))
                assert caught.type is TransactionAborted
                with pytest.raises(TransactionAborted):
                    tx.put(COUNT, "after", Count(1))
            connection.commit()
        assert numbers(storage, "before", "unlucky", "after") == [None, None, None]


def test_one_connection_for_all_can_not_be_shared_with_a_transaction() -> None:
    engine = sa.create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    with opened(engine) as storage:  # type: ignore[arg-type]
        with (
            engine.connect() as connection,
            pytest.raises(ConfigurationError, match="in memory"),
            storage.in_transaction(connection),
        ):
            pytest.fail("entered")
        storage.put(COUNT, "a", Count(1))
        assert numbers(storage, "a") == [1]
    engine.dispose()


def test_two_blocks_on_one_connection_follow_each_other(pg_url: str) -> None:
    async def block(storage: Any, connection: Any, name: str) -> int:
        async with storage.in_transaction(connection) as tx:
            for n in range(10):
                await tx.put(COUNT, f"{name}{n}", Count(1))
                taken = (await tx.get(COUNT, "taken")).etag
                with pytest.raises(Exception, match="already"):
                    await tx.put(COUNT, "taken", Count(2), expect=NOT_PRESENT.etag)
                assert taken
        return 10

    async def run() -> None:
        engine = create_async_engine(pg_url, poolclass=NullPool)
        async with AsyncSQLStorage(pg_url, ACTORS) as storage, engine.begin() as connection:
            await storage.put(COUNT, "taken", Count(1))
            await asyncio.gather(*[block(storage, connection, name) for name in "abc"])
        await engine.dispose()

    with opened(pg_url) as storage:
        asyncio.run(run())
        assert numbers(storage, *[f"{name}{n}" for name in "abc" for n in range(10)]) == [1] * 30


def test_a_second_transaction_of_a_file_leaves_its_connection_as_it_was(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'theater.db'}"
    engine = sa.create_engine(url, poolclass=NullPool, connect_args={"timeout": 0.1})
    with opened(url) as storage, engine.begin() as one, engine.connect() as two:
        with storage.in_transaction(one) as tx:
            tx.put(COUNT, "a", Count(1))
            with pytest.raises(Unavailable), storage.in_transaction(two):
                pytest.fail("entered")
        assert not two.in_transaction()
