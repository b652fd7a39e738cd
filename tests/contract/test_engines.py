"""What a storage opens: URLs, a caller's own engine, and what is refused with what to write."""

from __future__ import annotations

import socket
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool, StaticPool

from tests.contract.doors import Call, MakeDoor
from theater_sql import ActorRegistry, ConfigurationError, StorageCorrupt, StorageError


def test_callers_engine_is_neither_used_up_nor_disposed(make_door: MakeDoor, url: str) -> None:
    # 2A-4 caller-owned data source is not disposed
    engine = sa.create_engine(url, pool_size=1, max_overflow=0, pool_timeout=1)
    with make_door(engine, ActorRegistry()) as door:
        door.create_all()
        with engine.connect() as held:  # the pool's only connection
            door.put("A", "a", 1)
            assert door.get("A", "a").state == 1
            assert held.execute(sa.text("SELECT 1")).scalar() == 1
            connection = held.connection.driver_connection
        pool = engine.pool
    assert engine.pool is pool
    with engine.connect() as again:
        assert again.connection.driver_connection is connection, "the pool was emptied"
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM theater_actor")).scalar() == 1
    engine.dispose()


def test_engines_connect_listeners_are_kept(make_door: MakeDoor, tmp_path: Path) -> None:
    # A recipe: who registers a function or a setting on connect finds it in the lanes
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    opened: list[Any] = []
    sa.event.listen(engine, "connect", lambda connection, _: opened.append(connection))
    with make_door(engine, ActorRegistry()) as door:
        door.create_all()
        before = len(opened)
        door.put("A", "a", 1)
        assert len(opened) > before
    engine.dispose()


def test_schema_translate_map_of_an_engine_is_honoured(make_door: MakeDoor, pg_url: str) -> None:
    engine = sa.create_engine(pg_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA one")
        connection.exec_driver_sql("CREATE SCHEMA two")
    tenants = {
        name: engine.execution_options(schema_translate_map={None: name}) for name in ("one", "two")
    }
    actors = ActorRegistry()
    for name, tenant in tenants.items():
        with make_door(tenant, actors) as door:
            door.create_all()
            ids = [f"a{n}" for n in range(8)]
            etags = door.together([Call(door, "put", "A", i, name) for i in ids])
            door.together(
                [
                    Call(door, "put", "A", i, name, expect=etag)
                    for i, etag in zip(ids, etags, strict=True)
                ]
            )
            assert {f.state for f in door.together([Call(door, "get", "A", i) for i in ids])} == {
                name
            }
            door.delete("A", "a0")
    with engine.connect() as connection:
        for name in tenants:
            query = f"SELECT count(*), max(version) FROM {name}.theater_actor"
            assert tuple(connection.exec_driver_sql(query).one()) == (7, 2)
        found = connection.exec_driver_sql("SELECT to_regclass('public.theater_actor')").scalar()
        assert found is None


class AsyncEngine:
    """Stands in for SQLAlchemy's, which needs greenlet: not an Engine, but around one."""

    def __init__(self, sync_engine: sa.Engine) -> None:
        self.sync_engine = sync_engine


def test_async_engine_is_refused_with_the_line_to_write(make_door: MakeDoor, pg_url: str) -> None:
    engine = AsyncEngine(sa.create_engine(pg_url, poolclass=NullPool))
    with pytest.raises(ConfigurationError, match=r"AsyncEngine.*postgresql\+psycopg://"):
        make_door(engine, ActorRegistry())


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://u:hidden@h/d",
        "postgresql+psycopg2://u:hidden@h/d",
        "postgresql+psycopg_async://u:hidden@h/d",
        "sqlite+aiosqlite:///x.db",
        "mysql+pymysql://u:hidden@h/d",
        "postgres://u:hidden@h/d",
        "postgresql://u:hidden@h:port/d",
        "postgresql://h/d?password=hidden",
        "postgresql://h/d?sslPassword=hidden",
        "no url, hidden",
        "",
    ],
)
def test_other_urls_are_refused_without_showing_them(make_door: MakeDoor, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_door(url, ActorRegistry())
    assert "hidden" not in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert caught.value.__cause__ is None


def test_missing_driver_is_named_with_what_to_install(
    make_door: MakeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # as if it were not installed
    with pytest.raises(ConfigurationError, match=r"pip install 'theater-sql\[postgresql\]'"):
        make_door("postgresql+psycopg://h/d", ActorRegistry())


@pytest.mark.parametrize("wrong", [None, 5, b"sqlite://", Path("theater.db")])
def test_what_is_neither_url_nor_engine_is_refused(make_door: MakeDoor, wrong: Any) -> None:
    with pytest.raises(ConfigurationError):
        make_door(wrong, ActorRegistry())


@pytest.mark.parametrize("options", [{"timeout": 0}, {"writers": 0}, {"max_batch_rows": -1}])
def test_options_that_cant_work_are_refused(make_door: MakeDoor, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        make_door("sqlite://", ActorRegistry(), **options)


def test_engine_with_a_password_in_its_query_is_refused_as_a_url_is(make_door: MakeDoor) -> None:
    engine = sa.create_engine("postgresql+psycopg://h/d?password=hidden")
    with pytest.raises(ConfigurationError):
        make_door(engine, ActorRegistry())


def test_url_of_several_hosts_leads_past_those_that_are_dead_or_silent(
    make_door: MakeDoor, pg_url: str
) -> None:
    live = sa.make_url(pg_url)
    with socket.socket() as dead, socket.create_server(("127.0.0.1", 0)) as silent:
        dead.bind(("127.0.0.1", 0))
        ports = [dead.getsockname()[1], silent.getsockname()[1], live.port]
        hosts = [f"127.0.0.1:{port}" for port in ports]
        query = {"host": hosts, "target_session_attrs": "read-write"}
        with make_door(
            live.set(host=None, port=None, query=query), ActorRegistry(), timeout=6
        ) as d:
            d.create_all()
            d.put("A", "a", 1)
            assert d.get("A", "a").state == 1


def test_bare_postgresql_url_is_served(make_door: MakeDoor, pg_url: str) -> None:
    with make_door(pg_url.replace("postgresql+psycopg://", "postgresql://"), ActorRegistry()) as d:
        d.create_all()
        d.put("A", "a", 1)
        assert d.get("A", "a").state == 1


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_database_in_memory(make_door: MakeDoor, url: str) -> None:
    with make_door(url, ActorRegistry(), writers=3) as door:
        door.create_all()
        results = door.together([Call(door, "put", "A", f"a{n}", n) for n in range(50)])
        assert not [r for r in results if isinstance(r, BaseException)]
        found = door.together([Call(door, "get", "A", f"a{n}") for n in range(50)])
        assert [f.state for f in found] == list(range(50))


def test_two_storages_in_memory_share_nothing(make_door: MakeDoor) -> None:
    with (
        make_door("sqlite://", ActorRegistry()) as one,
        make_door("sqlite://", ActorRegistry()) as two,
    ):
        one.create_all()
        two.create_all()
        one.put("A", "a", 1)
        assert not two.get("A", "a")


def test_callers_engine_in_memory_is_served_or_refused(make_door: MakeDoor) -> None:
    # SQLAlchemy's default there is a connection, and so a database, for each thread
    engine = sa.create_engine("sqlite://")
    try:
        with make_door(engine, ActorRegistry()) as door:
            door.create_all()
            door.put("A", "a", 1)
            assert door.get("A", "a").state == 1
    except ConfigurationError:
        pass
    finally:
        engine.dispose()


def test_callers_static_engine_in_memory_keeps_its_transactions(make_door: MakeDoor) -> None:
    engine = sa.create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (n INTEGER)")
    with make_door(engine, ActorRegistry()) as door:
        door.create_all()
        door.put("A", "a", 1)
        with engine.connect() as connection:
            connection.exec_driver_sql("INSERT INTO mine VALUES (1)")
            connection.rollback()
            assert connection.exec_driver_sql("SELECT count(*) FROM mine").scalar() == 0
    with engine.connect() as connection:  # closing the storage did not close it
        assert connection.exec_driver_sql("SELECT count(*) FROM theater_actor").scalar() == 1
    engine.dispose()


def test_sqlite_file_is_durable_and_in_wal(make_door: MakeDoor, sqlite_url: str) -> None:
    with make_door(sqlite_url, ActorRegistry()) as door:
        door.create_all()
        door.put("A", "a", 1)
        path = str(sa.make_url(sqlite_url).database)
        connection = sqlite3.connect(path)
        try:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert connection.execute("SELECT count(*) FROM theater_actor").fetchone() == (1,)
        finally:
            connection.close()


def test_failing_listener_of_the_engine_is_an_error_of_ours(
    make_door: MakeDoor, tmp_path: Path
) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'a.db'}")

    @sa.event.listens_for(engine, "connect")
    def fail(*_: Any) -> None:
        raise RuntimeError("no token")

    with make_door(engine, ActorRegistry(), timeout=0.5) as door, pytest.raises(StorageError):
        door.get("A", "a")
    engine.dispose()


def test_connection_that_cant_be_made_ready_is_closed(make_door: MakeDoor, tmp_path: Path) -> None:
    class Counted(sqlite3.Connection):
        is_open = True

        def close(self) -> None:
            self.is_open = False
            super().close()

    path = tmp_path / "theater.db"
    path.write_bytes(b"this is no database. " * 99)
    connections: list[Counted] = []

    def connect() -> Counted:
        connections.append(sqlite3.connect(path, factory=Counted, check_same_thread=False))
        return connections[-1]

    engine = sa.create_engine(f"sqlite:///{path}", creator=connect, poolclass=NullPool)
    with make_door(engine, ActorRegistry()) as door, pytest.raises(StorageCorrupt):
        door.get("A", "a")
    assert connections and not any(connection.is_open for connection in connections)
