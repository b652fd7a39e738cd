"""Tables that are missing or different, files that are missing, and storages that are closed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.contract.doors import Call, MakeDoor
from theater_sql import (
    NOT_PRESENT,
    ActorRegistry,
    NotPermitted,
    SchemaMismatch,
    StorageClosed,
    StorageCorrupt,
    StorageError,
    Unavailable,
)


@dataclass
class Plain:
    n: int = 0


@pytest.fixture
def actors() -> ActorRegistry:
    actors = ActorRegistry()
    actors.register("Plain", state=Plain)
    return actors


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(url, poolclass=NullPool)
    yield engine
    engine.dispose()


def test_missing_table_is_a_schema_mismatch_at_once(
    make_door: MakeDoor, url: str, engine: sa.Engine, actors: ActorRegistry
) -> None:
    engine.connect().close()  # SQLite: the file is there, and empty
    with make_door(url, actors, timeout=60.0) as door:
        for actor_type in ("Plain", "nobody.Knows"):
            for call in (
                Call(door, "get", actor_type, "a"),
                Call(door, "put", actor_type, "a", Plain() if actor_type == "Plain" else 1),
                Call(door, "delete", actor_type, "a"),
            ):
                (error,) = door.together([call])
                assert isinstance(error, SchemaMismatch)
                assert "check()" in str(error)
        door.create_all()  # and it goes on once the table is there
        door.put("Plain", "a", Plain(1))


def test_missing_column_is_a_schema_mismatch(
    make_door: MakeDoor, url: str, engine: sa.Engine, actors: ActorRegistry
) -> None:
    with make_door(url, actors) as door:
        door.create_all()
        door.put("Plain", "a", Plain(1))
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE plain DROP COLUMN n")
        with pytest.raises(SchemaMismatch):
            door.get("Plain", "a")
        with pytest.raises(SchemaMismatch):
            door.put("Plain", "a", Plain(2))
        with pytest.raises(SchemaMismatch):
            door.put("Plain", "b", Plain(2))
        door.put("nobody.Knows", "a", 1)  # other tables are served


def test_table_changed_under_a_running_storage(
    make_door: MakeDoor, url: str, engine: sa.Engine, actors: ActorRegistry
) -> None:
    # A prepared plan goes out of date with every migration
    with make_door(url, actors) as door:
        door.create_all()
        for number in range(3):
            door.put("Plain", "a", Plain(number))
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE plain ADD COLUMN more TEXT")
        door.put("Plain", "a", Plain(9))
        assert door.get("Plain", "a").state == Plain(9)


def url_of(path: Path) -> sa.URL:
    return sa.URL.create("sqlite", database=str(path))


def test_missing_sqlite_file_is_told_and_not_created(make_door: MakeDoor, tmp_path: Path) -> None:
    file = tmp_path / "no folder yet #1?" / "theater.db"
    for path in (file, tmp_path / "none.db"):
        with make_door(url_of(path), ActorRegistry(), timeout=30.0) as door:
            for _ in range(2):
                with pytest.raises(Unavailable, match="missing"):
                    door.get("A", "a")
                with pytest.raises(Unavailable, match="nothing was written"):
                    door.put("A", "a", 1)
        assert not path.exists()
    assert not file.parent.exists()


def test_file_that_appears_later_is_served(make_door: MakeDoor, tmp_path: Path) -> None:
    path = tmp_path / "a b%20c#1?.db"
    with make_door(url_of(path), ActorRegistry()) as door:
        with pytest.raises(Unavailable):
            door.put("A", "a", 1)
        door.create_all()
        assert path.exists()
        door.put("A", "a", 1)
        assert door.get("A", "a").state == 1


def test_file_that_is_no_database(make_door: MakeDoor, tmp_path: Path) -> None:
    path = tmp_path / "theater.db"
    path.write_text("this is a text file, " * 100, encoding="ascii")
    with make_door(f"sqlite:///{path}", ActorRegistry(), timeout=30.0) as door:
        with pytest.raises(StorageCorrupt):
            door.get("A", "a")
        with pytest.raises(StorageCorrupt):
            door.put("A", "a", 1)
    assert path.read_text(encoding="ascii").startswith("this is")


def test_role_without_a_privilege(make_door: MakeDoor, pg_url: str) -> None:
    engine = sa.create_engine(pg_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    actors = ActorRegistry()
    actors.metadata.create_all(engine)
    role = "reader_" + str(engine.url.database)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN PASSWORD 'reader'")
            connection.exec_driver_sql(
                f"GRANT SELECT ON theater_actor, theater_actor_type TO {role}"
            )
        url = engine.url.set(username=role, password="reader")
        with make_door(url, actors, timeout=30.0) as door:
            assert door.get("A", "a") is NOT_PRESENT
            with pytest.raises(NotPermitted, match="nothing was written"):
                door.put("A", "a", 1)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {role}")
            connection.exec_driver_sql(f"DROP ROLE {role}")


def test_role_with_only_dml_rights_is_enough(make_door: MakeDoor, pg_url: str) -> None:
    # 2E #15
    engine = sa.create_engine(pg_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    actors = ActorRegistry()
    actors.metadata.create_all(engine)
    role = "writer_" + str(engine.url.database)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN PASSWORD 'writer'")
            connection.exec_driver_sql(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON theater_actor, theater_actor_type "
                f"TO {role}"
            )
        with make_door(engine.url.set(username=role, password="writer"), actors) as door:
            etag = door.put("A", "a", 1)
            door.put("A", "a", 2, expect=etag)
            assert door.get("A", "a").state == 2
            door.delete("A", "a")
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {role}")
            connection.exec_driver_sql(f"DROP ROLE {role}")


@pytest.mark.parametrize("used", [True, False])
def test_closed_storage_refuses_every_call(
    make_door: MakeDoor, sqlite_url: str, used: bool
) -> None:
    door = make_door(sqlite_url, ActorRegistry())
    door.create_all()
    if used:
        door.put("A", "a", 1)
    handle = door.handle("A", "a")
    raw = door.raw
    close = getattr(raw, "_core").lanes.close  # noqa: B009 - either door, closed twice
    close()
    close()
    for call in (
        Call(door, "get", "A", "a"),
        Call(door, "put", "A", "a", 2),
        Call(door, "delete", "A", "a"),
    ):
        (error,) = door.together([call])
        assert isinstance(error, StorageClosed)
        assert "nothing was sent" in str(error)
    with pytest.raises(StorageClosed):
        handle.put(3)
    door.close()
    with make_door(sqlite_url, ActorRegistry()) as after:
        assert bool(after.get("A", "a")) is used


def test_what_is_queued_when_closing_is_still_written(make_door: MakeDoor, url: str) -> None:
    import threading

    door = make_door(url, ActorRegistry())
    door.create_all()
    results: list[list[object]] = []
    calls = [Call(door, "put", "A", f"a{n}", n) for n in range(200)]
    thread = threading.Thread(target=lambda: results.append(door.together(calls)))
    thread.start()
    door.raw._core.lanes.close()
    thread.join(30)
    door.close()
    written = {n for n, r in enumerate(results[0]) if not isinstance(r, BaseException)}
    assert all(isinstance(r, StorageClosed) for r in results[0] if isinstance(r, BaseException))
    with make_door(url, ActorRegistry()) as after:
        assert {n for n in range(200) if after.get("A", f"a{n}")} == written


def test_wrong_password_is_told_without_the_password(
    make_door: MakeDoor, pg_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = sa.make_url(pg_url).set(password="secret-password")
    with make_door(url, ActorRegistry(), timeout=0.6) as door:
        with pytest.raises(StorageError) as caught:
            door.put("A", "a", 1)
        assert isinstance(caught.value, (Unavailable, NotPermitted))
        error: BaseException | None = caught.value
        while error is not None:
            assert "secret-password" not in f"{error!s} {error!r} {error.args}"
            error = error.__cause__ or error.__context__
        assert "secret-password" not in caplog.text + repr(door.raw) + repr(vars(door.raw))
