"""Several upgraders of one database: one works, the others wait, and none is left half done."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import create_engine

from tests.migrations.project import ROOT, schema, scratch, write
from theater_sql import Unavailable
from theater_sql.backends import engine_for
from theater_sql.migrations import turns, upgrade
from theater_sql.migrations.turns import take_turn

UPGRADE = """
import sys
from theater_sql.migrations import upgrade
print("ready", flush=True)
sys.stdin.readline()
upgrade(*sys.argv[1:])
"""


def upgrader(url: str, home: Path) -> subprocess.Popen[str]:
    """Start a process that upgrades when it is told to."""
    return subprocess.Popen(
        [sys.executable, "-c", UPGRADE, url, str(home)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_six_upgraders_of_an_empty_database_all_succeed(url: str, tmp_path: Path) -> None:
    home = scratch(tmp_path, metadata="None", imports="")
    # Long enough for all to have seen the empty database, if nobody waited.
    write(home, "0001", None, "time.sleep(1)\nop.create_table('one', sa.Column('a', sa.Integer))")
    write(home, "0002", "0001", "op.create_table('two', sa.Column('a', sa.Integer))")
    processes = [upgrader(url, home) for _ in range(6)]
    for process in processes:
        go(process)
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    assert {"one", "two"} <= set(schema(url))


def test_a_killed_upgrade_leaves_nothing_half_done(url: str, tmp_path: Path) -> None:
    home = scratch(tmp_path, metadata="None", imports="")
    write(home, "0001", None, "op.create_table('one', sa.Column('a', sa.Integer))")
    write(
        home,
        "0002",
        "0001",
        "op.create_table('two', sa.Column('a', sa.Integer))\n"
        "op.execute('INSERT INTO two VALUES (1)')\n"
        "os.kill(os.getpid(), signal.SIGKILL)",
    )
    process = upgrader(url, home)
    go(process)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    with engine_for(url).connect() as connection:
        assert sa.inspect(connection).get_table_names() == []
    write(home, "0002", "0001", "op.create_table('two', sa.Column('a', sa.Integer))")
    upgrade(url, home)
    assert {"one", "two"} <= set(schema(url))


def test_a_failed_upgrade_leaves_nothing_half_done(url: str, tmp_path: Path) -> None:
    home = scratch(tmp_path, metadata="None", imports="")
    write(home, "0001", None, "op.create_table('one', sa.Column('a', sa.Integer))\n1 / 0")
    with pytest.raises(ZeroDivisionError):
        upgrade(url, home)
    with engine_for(url).connect() as connection:
        assert sa.inspect(connection).get_table_names() == []


def test_the_turn_leaves_no_transaction_open(url: str) -> None:
    with engine_for(url, create=True).connect() as connection:
        take_turn(connection)
        assert not connection.in_transaction()


def test_a_second_call_on_the_same_connection_changes_nothing(url: str) -> None:
    with engine_for(url, create=True).connect() as connection:
        take_turn(connection)
        take_turn(connection)
        with connection.begin():
            connection.exec_driver_sql("CREATE TABLE one (a INTEGER)")


def test_the_turn_ends_when_the_connection_is_given_back_to_a_pool(url: str) -> None:
    engine = create_engine(url, pool_size=1, max_overflow=0)
    try:
        with engine.connect() as connection:
            take_turn(connection)
            connection.begin()
            with pytest.raises(sa.exc.DBAPIError):
                connection.exec_driver_sql("SELECT no_such_column")
        with engine_for(url).connect() as other:
            take_turn(other)
            with other.begin():
                other.exec_driver_sql("CREATE TABLE one (a INTEGER)")
        with engine.connect() as connection:
            assert list(connection.info) == []
            if engine.dialect.name == "sqlite":
                driver = connection.connection.dbapi_connection
                assert driver is not None
                assert driver.isolation_level == ""
                assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 5000
    finally:
        engine.dispose()


def test_a_transaction_of_the_callers_is_kept(url: str, tmp_path: Path) -> None:
    home = scratch(tmp_path, metadata="None", imports="")
    env = (home / "env.py").read_text(encoding="utf-8").replace("engine.connect", "engine.begin")
    (home / "env.py").write_text(env, encoding="utf-8")
    write(home, "0001", None, "op.create_table('one', sa.Column('a', sa.Integer))")
    upgrade(url, home)
    assert "one" in schema(url)


def test_who_waits_does_not_hold_up_an_index_built_concurrently(pg_url: str) -> None:
    engine = engine_for(pg_url)

    def wait() -> None:
        with engine.connect() as other:
            take_turn(other)

    waiting = threading.Thread(target=wait)
    with engine.connect() as connection:
        take_turn(connection)
        with connection.begin():
            connection.exec_driver_sql("CREATE TABLE one (a INTEGER)")
        waiting.start()
        time.sleep(0.5)  # until it asks for the lock
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql("SET statement_timeout = '20s'")
        connection.exec_driver_sql("CREATE INDEX CONCURRENTLY first ON one (a)")
        assert waiting.is_alive()
    waiting.join(20)
    assert not waiting.is_alive()


def test_who_waits_too_long_is_told(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(turns, "_PATIENCE", 0.3)
    with engine_for(url, create=True).connect() as connection:
        take_turn(connection)
        with connection.begin(), pytest.raises(Unavailable, match=r"another upgrade|somebody else"):
            upgrade(url, scratch(tmp_path, metadata="None", imports=""))
