"""What a storage asks of sessions that it shares, and what one finds that does not know of it."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa

from tests.contract.doors import MakeDoor
from tests.contract.test_durability import (
    setting,
    test_relaxed_does_not_wait_for_the_disk,
    test_the_default_is_full,
)
from tests.faults.support import ACTORS, BOX, Answer, Count, Door, SyncDoor, admin, direct, opened
from tests.pooler.conftest import Database
from theater_sql import NOT_PRESENT, OutcomeUnknown, SQLStorage, Unavailable

SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql
  AS 'BEGIN PERFORM pg_sleep(3); RETURN NEW; END';
CREATE TRIGGER slow BEFORE INSERT ON box FOR EACH ROW EXECUTE FUNCTION slow()
"""


def chosen(storage: SQLStorage) -> dict[str, str]:
    """Return what holds for a lane's statements and is not the server's choice."""
    session = storage._core.backend.connect(0.1)
    try:
        sql = "SELECT name, setting FROM pg_settings WHERE source = 'session'"
        return dict(session.query(sql, []))
    finally:
        session.close()


def test_a_flush_has_the_settings_of_a_direct_lane(pg: str, database: Database) -> None:
    with direct(pg) as straight, SQLStorage(database.pooled, ACTORS, pooler=True) as pooled:
        settings = chosen(straight)
        assert settings == chosen(pooled)
    assert settings["plan_cache_mode"] == "force_generic_plan"
    assert settings["lock_timeout"] == "100"


def test_full_durability_is_none_of_the_servers(make_door: MakeDoor, pg_url: str) -> None:
    database = sa.make_url(pg_url).database
    with admin(pg_url) as connection:
        connection.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert setting(make_door, pg_url) == "on"


def test_the_server_gives_up_with_the_caller(pg: str, door_type: type[Door]) -> None:
    with admin(pg) as connection:
        connection.execute(SLOW)
        try:
            with opened(door_type, pg, timeout=1.0) as door:
                [answer] = door.run(lambda s: s.put(BOX, "a", Count()))
            time.sleep(4)
        finally:
            connection.execute("DROP FUNCTION slow CASCADE")
    assert isinstance(answer.error, (OutcomeUnknown, Unavailable)), answer
    with direct(pg) as other:
        assert other.get(BOX, "a") is NOT_PRESENT  # nor is it written later


def test_a_caller_behind_a_pooler_is_told_what_to_set(pg: str, database: Database) -> None:
    answers: list[Answer] = []
    with opened(SyncDoor, database.pooled) as one, opened(SyncDoor, database.pooled) as two:
        for door in (one, two) * 10:
            answers += door.run(lambda s: s.put(BOX, "a", Count()))
    told = [a for a in answers if "pooler=True" in str(a.error)]
    assert told
    assert {type(a.error) for a in told} == {Unavailable}
    assert max(a.seconds for a in told) < 5  # and not until the deadline


@pytest.mark.parametrize("prepares", [True, False])
def test_an_engine_is_taken_as_well(pg: str, database: Database, prepares: bool) -> None:
    """The storage sees to its own connections, whatever the engine has."""
    arguments = {} if prepares else {"prepare_threshold": None}
    engine = sa.create_engine(database.pooled, connect_args=arguments)
    with SQLStorage(engine, ACTORS, pooler=True) as storage:
        for n in range(20):
            storage.put(BOX, "a", Count(n))
    engine.dispose()
    with admin(database.pooled) as connection:
        [[prepared]] = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchall()
    assert prepared == 0
