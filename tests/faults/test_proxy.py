"""What a client, the server and a test see of each cut, with the bare driver."""

from __future__ import annotations

import asyncio
import itertools
import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import psycopg
import pytest

from tests.conftest import Figure
from tests.faults.support import admin, bounded, eventually, scalar
from theater_sql.testing import BREAKS, Cut, FaultProxy, How, When

INSERT = "INSERT INTO seen VALUES (%s)"


@pytest.fixture
def seen(pg: str) -> Iterator[str]:
    with admin(pg) as connection:
        connection.execute("CREATE TABLE seen (name text)")
    yield "SELECT count(*) FROM seen WHERE name = '{}'"
    with admin(pg) as connection:
        connection.execute("DROP TABLE seen")


def sessions(pg: str) -> int:
    """Count the sessions that came through a proxy: they alone have this name."""
    count: int = scalar(pg, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cut'")
    return count


def connect(proxy: FaultProxy) -> psycopg.Connection[tuple[object, ...]]:
    connection = admin(proxy.url)
    connection.execute("SET application_name = 'cut'")
    return connection


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER, When.HALF])
def test_a_break_is_told_to_the_client_and_the_server_executed_or_not(
    proxy: FaultProxy, pg: str, seen: str, when: When, how: How
) -> None:
    with connect(proxy) as connection:
        cut = proxy.arm(Cut("^INSERT", when, how))
        with pytest.raises(psycopg.OperationalError):
            connection.execute(INSERT, [how.name])
    assert cut.fired.is_set()
    assert proxy.disarm(cut)
    assert scalar(pg, seen.format(how.name)) == (when is not When.BEFORE)
    eventually(lambda: sessions(pg) == 0)


@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER, When.HALF])
def test_what_hangs_is_never_answered_and_is_executed_or_not(
    proxy: FaultProxy, pg: str, seen: str, when: When
) -> None:
    with connect(proxy) as connection:
        proxy.arm(Cut("^INSERT", when, How.HANG))

        def insert() -> None:
            with suppress(psycopg.Error):
                connection.execute(INSERT, ["x"])

        assert not bounded(insert, 0.3)
        assert scalar(pg, seen.format("x")) == (when is not When.BEFORE)
        assert sessions(pg) == 1
        with socket.socket(fileno=os.dup(connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)  # it gives up
        eventually(lambda: sessions(pg) == 0)


@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER, When.HALF])
def test_what_is_delayed_comes_whole_and_the_connection_goes_on(
    proxy: FaultProxy, pg: str, seen: str, when: When
) -> None:
    with connect(proxy) as connection:
        proxy.arm(Cut("^INSERT", when, How.DELAY, delay=0.2))
        start = time.monotonic()
        connection.execute(INSERT, ["x"])
        assert time.monotonic() - start >= 0.2
        connection.execute(INSERT, ["x"])
    assert scalar(pg, seen.format("x")) == 2


def test_a_half_closed_connection_keeps_its_session_until_the_client_closes(
    proxy: FaultProxy, pg: str
) -> None:
    with closing(connect(proxy)) as connection:
        proxy.arm(Cut("^SELECT", When.BEFORE, How.HALF_CLOSE))
        connection.pgconn.send_query(b"SELECT 1")
        connection.pgconn.flush()
        with socket.socket(fileno=os.dup(connection.fileno())) as end:
            assert select.select([end], [], [], 5)[0]
            assert end.recv(1, socket.MSG_PEEK) == b""  # the end of this direction, not a reset
            time.sleep(0.1)
            assert sessions(pg) == 1
            end.shutdown(socket.SHUT_WR)
        eventually(lambda: sessions(pg) == 0)


@pytest.mark.parametrize("how", BREAKS)
def test_what_is_late_is_executed_when_it_is_released(
    proxy: FaultProxy, pg: str, seen: str, how: How
) -> None:
    with connect(proxy) as connection:
        cut = proxy.arm(Cut("^INSERT", When.LATE, how))
        with pytest.raises(psycopg.OperationalError):
            connection.execute(INSERT, ["x"])
    time.sleep(0.05)
    assert scalar(pg, seen.format("x")) == 0 and not cut.landed.is_set()
    cut.release.set()
    assert cut.landed.wait(5)
    assert scalar(pg, seen.format("x")) == 1


def test_a_late_flight_cannot_be_delayed() -> None:
    with pytest.raises(ValueError, match="DELAY it BEFORE"):
        Cut("", When.LATE, How.DELAY)


def test_a_cut_meets_one_flight_and_one_that_is_disarmed_none(
    proxy: FaultProxy, pg: str, seen: str
) -> None:
    with connect(proxy) as connection:
        cut = proxy.arm(Cut("^INSERT", When.BEFORE))
        connection.execute("SELECT 'INSERT'")
        assert not proxy.disarm(cut)
        connection.execute(INSERT, ["x"])
        assert not cut.fired.is_set()


def test_what_a_cut_calls_and_fails_is_raised_by_close(pg: str) -> None:
    proxy = FaultProxy(pg)
    with connect(proxy) as connection:
        proxy.arm(Cut("^SELECT", When.BEFORE, then=lambda: [][0]))
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(IndexError):
        proxy.close()
    proxy.close()


def test_nothing_passes_while_frozen_not_even_an_end(proxy: FaultProxy, pg: str) -> None:
    connection = connect(proxy)
    with proxy.frozen():
        connection.close()
        time.sleep(0.1)
        assert sessions(pg) == 1
    eventually(lambda: sessions(pg) == 0)


def test_a_large_state_passes_whole(proxy: FaultProxy) -> None:
    text = "x" * 5_000_000
    with connect(proxy) as connection:
        row = connection.execute("SELECT %s::text", [text]).fetchone()
    assert row == (text,)


def test_coroutines_use_it_like_threads(pg: str, figure: Figure) -> None:
    """The proxy runs on a loop of its own, so a call of it never waits for the caller's."""
    dsn = pg.replace("+psycopg", "")
    longest = 0.0

    async def use() -> None:
        nonlocal longest
        with FaultProxy(dsn) as proxy:
            connection = await psycopg.AsyncConnection.connect(proxy.url, autocommit=True)
            for when, how in itertools.product((When.BEFORE, When.AFTER, When.HALF), BREAKS):
                async with connection:
                    start = time.monotonic()
                    proxy.arm(Cut("^SELECT", when, how))
                    longest = max(longest, time.monotonic() - start)
                    with pytest.raises(psycopg.OperationalError):
                        await connection.execute("SELECT 1")
                connection = await psycopg.AsyncConnection.connect(proxy.url, autocommit=True)
            start = time.monotonic()
            proxy.cut_all()
            longest = max(longest, time.monotonic() - start)
            with pytest.raises(psycopg.OperationalError):
                await connection.execute("SELECT 1")
            await connection.close()

    asyncio.run(use())
    figure(f"the longest call of the proxy took {longest * 1000:.1f} ms")
