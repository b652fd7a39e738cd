"""What happens to a PostgreSQL server under load: one named error, or nothing to be noticed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import postgres
from tests.conftest import Figure
from tests.faults.load import under_load
from tests.faults.support import (
    BOX,
    Count,
    Door,
    admin,
    create,
    create_tables,
    direct,
    eventually,
    found,
    opened,
    put,
    swap,
)
from theater_sql import OutcomeUnknown, StorageFull, Unavailable

SETTINGS = "max_connections = 20\nfull_page_writes = off\n"


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    """A server that nobody else uses."""
    with postgres.created(postgres.binaries(), SETTINGS) as cluster, cluster.running():
        yield cluster


@pytest.fixture
def own(cluster: postgres.Cluster) -> str:
    """A database of that server, with our tables."""
    server = postgres.Server("127.0.0.1", cluster.port, "postgres", cluster.password)
    boss = server.url("postgres")
    with admin(boss) as connection:
        connection.execute("DROP DATABASE IF EXISTS own WITH (FORCE)")
        connection.execute("CREATE DATABASE own")
    url = server.url("own")
    create_tables(url)
    return url


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_restarts(cluster: postgres.Cluster, own: str, mode: str, figure: Figure) -> None:
    with under_load(own) as load:
        for _ in range(5):
            time.sleep(0.7)
            cluster.restart(mode)
        time.sleep(1)
    figure(f"5 restarts, {mode}: {load.check()}")


def test_kill_9_of_a_backend(cluster: postgres.Cluster, own: str, figure: Figure) -> None:
    """All sessions end with it, and the server recovers as from a crash."""
    with under_load(own) as load:
        for _ in range(5):
            before = load.counts["acknowledged"]
            eventually(lambda: load.counts["acknowledged"] > before + 100, 30)  # noqa: B023
            with admin(own) as boss:
                others = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
                pids = [row[0] for row in boss.execute(f"{others} AND pid <> pg_backend_pid()")]
            os.kill(random.choice(pids), signal.SIGKILL)
            eventually(lambda: not is_up(own))
            eventually(lambda: is_up(own), 30)
    figure(f"5 backends: {load.check()}")


def is_up(url: str) -> bool:
    try:
        admin(url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_sessions_that_are_ended(own: str, figure: Figure) -> None:
    with under_load(own) as load, admin(own) as boss:
        for _ in range(20):
            time.sleep(0.15)
            boss.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = 'own' AND pid <> pg_backend_pid()"
            )
    figure(f"20 times all sessions: {load.check()}")


@contextmanager
def frozen(cluster: postgres.Cluster) -> Iterator[None]:
    stopped = cluster.processes()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def test_frozen_for_thirty_seconds(cluster: postgres.Cluster, own: str, figure: Figure) -> None:
    with under_load(own, timeout=2.0) as load:
        time.sleep(1)
        with frozen(cluster):
            time.sleep(30)
        time.sleep(2)
    told = load.check()
    assert load.counts["unknown"] + load.counts["unavailable"] >= 20
    assert load.gap > 29
    figure(f"{told}; the latest call ended {load.latest * 1000:.0f} ms after its deadline")


def test_no_connection_is_left(own: str, door_type: type[Door], figure: Figure) -> None:
    """Who has lanes goes on; who has none is unavailable, and is served when there is room."""
    with opened(door_type, own) as first, opened(door_type, own, timeout=1.0) as second:
        first.run(put("a", Count()))
        taken = list(all_connections(own))
        [goes_on] = first.run(put("a", Count(1)))
        [refused] = second.run(put("b", Count()))
        for connection in taken:
            connection.close()
        [served] = second.run(lambda s: s.put(BOX, "b", Count(), timeout=5))
    assert goes_on.error is None
    assert isinstance(refused.error, Unavailable) and refused.seconds < 2
    assert served.error is None
    figure(f"{len(taken)} connections taken: {refused.error}")


def all_connections(url: str) -> Iterator[psycopg.Connection[Any]]:
    with suppress(psycopg.OperationalError):
        while True:
            yield admin(url)


def test_a_read_only_server(own: str, door_type: type[Door]) -> None:
    """As a leader is that was deposed; a call that is under way waits until there is another."""
    with opened(door_type, own) as door, admin(own) as boss:
        [first] = door.run(put("a", Count()))
        set_read_only(boss, "on")
        wait = door.start(swap("a", Count(1), first.value))
        [refused, read] = door.run(
            lambda s: s.put(BOX, "b", Count(), timeout=0.5), lambda s: s.get(BOX, "a")
        )
        set_read_only(boss, "off")
        [written] = wait()
    assert isinstance(refused.error, Unavailable)
    assert read.value.version == 1
    assert written.error is None


def set_read_only(boss: psycopg.Connection[Any], value: str) -> None:
    boss.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
    boss.execute("SELECT pg_reload_conf()")
    shown = "SHOW default_transaction_read_only"
    eventually(lambda: boss.execute(shown).fetchone() == (value,))
    time.sleep(0.2)  # the other sessions are told as well


def test_a_column_that_changes_its_type(own: str, door_type: type[Door]) -> None:
    """Every prepared plan is out of date then, and would be for ever on its connection."""
    with opened(door_type, own) as door, admin(own) as boss:
        [first] = door.run(put("a", Count()))
        door.run(lambda s: s.get(BOX, "a"))
        boss.execute("ALTER TABLE box ALTER COLUMN note TYPE varchar(50)")
        read, written = door.run(lambda s: s.get(BOX, "a"), swap("a", Count(1), first.value))
    assert read.error is None and written.error is None


SLOW = """
CREATE SEQUENCE slept;
CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('slept') <= TG_ARGV[0]::bigint THEN PERFORM pg_sleep(30); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sleep BEFORE UPDATE ON box FOR EACH ROW EXECUTE FUNCTION sleep({times});
"""


@pytest.mark.parametrize("times", [1, 1000], ids=["once", "always"])
def test_a_statement_that_takes_too_long(own: str, door_type: type[Door], times: int) -> None:
    """The server ends it; the storage goes on after it."""
    with opened(door_type, own, timeout=1.0) as door, admin(own) as boss:
        [first] = door.run(put("a", Count()))
        boss.execute(SLOW.format(times=times))
        [written] = door.run(lambda s: s.put(BOX, "a", Count(1), expect=first.value, timeout=4))
        [beside] = door.run(create("b", Count()))
        boss.execute("DROP TRIGGER sleep ON box")
        with direct(own) as other:
            stored = found(other, "a")
    assert beside.error is None
    if times == 1:
        assert written.error is None and stored.version == 2
    else:
        assert isinstance(written.error, Unavailable | OutcomeUnknown)
        assert written.seconds < 5 and stored.version == 1


def test_deadlocks_with_other_transactions(own: str, figure: Figure) -> None:
    """They lock two rows in the other order, and hold them long."""
    with under_load(own, actors=10) as load, admin(own) as boss:
        eventually(lambda: load.counts["acknowledged"] > 10)
        ended = 0
        for _ in range(12):
            boss.execute("BEGIN")
            try:
                for name in ("w9", "w3", "w6", "w1"):
                    lock = "SELECT 1 FROM box WHERE actor_id = %s FOR UPDATE"
                    boss.execute(lock, [name])
                    time.sleep(0.05)
                boss.execute("COMMIT")
                ended += 1
            except psycopg.errors.DeadlockDetected:
                boss.execute("ROLLBACK")
    figure(f"{ended} of 12 transactions beside it went through: {load.check()}")


def test_a_serializable_server(own: str, figure: Figure) -> None:
    with admin(own) as boss:
        boss.execute("ALTER DATABASE own SET default_transaction_isolation = 'serializable'")
        with under_load(own, writers=2) as load, under_load_of_sums(own) as sums:
            time.sleep(3)
    figure(f"{sums[0]} serializable sums beside it: {load.check()}")


@contextmanager
def under_load_of_sums(url: str) -> Iterator[list[int]]:
    """Read and write the same rows in serializable transactions, which get in each other's way."""
    done = [0]
    is_over = threading.Event()

    def run() -> None:
        with admin(url) as connection:
            connection.execute("CREATE TABLE sums (n bigint)")
            while not is_over.is_set():
                with suppress(psycopg.errors.SerializationFailure), connection.transaction():
                    connection.execute("INSERT INTO sums SELECT sum(count) FROM box")
                    connection.execute("UPDATE box SET note = 'seen' WHERE actor_id = 'w1'")
                    done[0] += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield done
    finally:
        is_over.set()
        thread.join()


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[Path]:
    """Mount a file system in memory, which only root may; the server's user owns it."""
    path.mkdir()
    size = f"size={megabytes}m,mode=0700"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(path)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a full disk needs a file system of its own: run as root")
    if account := postgres.account():
        os.chown(path, account["user"], account["group"])
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
        path.rmdir()


def fill(path: Path, left: int = 0) -> None:
    """Leave so many bytes of room in a file system."""
    with (path / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(b"x" * 2**16):
            pass
    os.truncate(path / "filler", (path / "filler").stat().st_size - left)


def test_a_table_on_a_full_disk(
    cluster: postgres.Cluster, own: str, door_type: type[Door], figure: Figure
) -> None:
    with small_disk(cluster.home / "small", 8) as disk, admin(own) as boss:
        boss.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        boss.execute("ALTER TABLE box SET TABLESPACE small")
        acknowledged, refused = {}, 0
        with opened(door_type, own) as door:
            fill(disk, left=200_000)
            for n in range(100):
                noise = random.randbytes(4000).hex()  # which can't be compressed
                [answer] = door.run(create(f"{n}", Count(n, noise)))
                if answer.error is None:
                    acknowledged[f"{n}"] = answer.value
                else:
                    assert isinstance(answer.error, StorageFull), answer.error
                    refused += 1
            for actor_id, etag in acknowledged.items():
                [read] = door.run(lambda s, i=actor_id: s.get(BOX, i))  # type: ignore[misc]
                assert read.value.etag == etag
            (disk / "filler").unlink()
            [after] = door.run(create("after", Count()))
        assert after.error is None
        assert acknowledged and refused
        stored = boss.execute("SELECT count(*) FROM box").fetchone()
        assert stored == (len(acknowledged) + 1,)
        boss.execute("ALTER TABLE box SET TABLESPACE pg_default")
        boss.execute("DROP TABLESPACE small")
    figure(f"{len(acknowledged)} acknowledged and there, {refused} refused and not there")


def test_a_log_on_a_full_disk(figure: Figure) -> None:
    """The server goes down with a PANIC, and what it had acknowledged is there when it is back."""
    settings = "min_wal_size = 32MB\nmax_wal_size = 32MB\n"
    with (
        postgres.created(postgres.binaries(), settings) as cluster,
        small_disk(cluster.home / "small", 80) as disk,
    ):
        shutil.move(cluster.data / "pg_wal", disk / "wal")
        for path in [disk / "wal", *(disk / "wal").rglob("*")]:
            shutil.chown(path, *owner(disk))
        (cluster.data / "pg_wal").symlink_to(disk / "wal")
        with cluster.running() as server:
            url = server.url("postgres")
            create_tables(url)
            with under_load(url, timeout=2.0) as load:
                time.sleep(1)
                fill(disk)
                eventually(lambda: not is_up(url), 60)
                (disk / "filler").unlink()
                eventually(lambda: is_up(url) or is_started(cluster), 30)
                before = load.counts["acknowledged"]
                eventually(lambda: load.counts["acknowledged"] > before + 100, 30)
    figure(load.check())


def is_started(cluster: postgres.Cluster) -> bool:
    """Start a server that has gone down."""
    try:
        cluster.start()
    except postgres.NoPostgresError:
        return False
    return True


def owner(path: Path) -> tuple[int, int]:
    told = path.stat()
    return told.st_uid, told.st_gid
