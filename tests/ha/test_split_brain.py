"""Two hosts that hold the same actors, one of which is away for a while: there is one history."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Figure
from tests.faults.host import DEADLINE, Answers
from tests.faults.hosts import Host, assert_one_history, count, times
from tests.faults.support import create_tables
from tests.ha.network import Network, network
from tests.postgres import NOT_DURABLE, Server, binaries, private

HEALTHY = 2.0
AWAY = 2 * DEADLINE
"""Seconds: calls that were under way give up meanwhile, and others do that begin meanwhile."""


@pytest.fixture
def cable() -> Iterator[Network]:
    with network() as made:
        yield made


@contextmanager
def serving(address: str) -> Iterator[Server]:
    """Run a server that others can reach at an address of ours, too."""
    listen = f"listen_addresses = '127.0.0.1, {address}'"
    with private(binaries(), f"{NOT_DURABLE}\n{listen}\n") as server:
        url = server.url("postgres").replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            (rules,) = connection.execute("SHOW hba_file").fetchone() or ("",)
            with Path(rules).open("a", encoding="ascii") as file:
                file.write("host all all samenet scram-sha-256\n")
            connection.execute("SELECT pg_reload_conf()")
        create_tables(server.url("postgres"))
        yield server


def count_with_one_away(
    first: Host, second: Host, away: AbstractContextManager[None]
) -> list[Answers]:
    """Have both count, the first alone be away for a while, and both go on."""
    with first.counting() as one, second.counting() as other:
        time.sleep(HEALTHY)
        with away:
            left = time.monotonic()
            time.sleep(AWAY)
            back = time.monotonic()
        time.sleep(HEALTHY + DEADLINE)
    grace = 0.5  # for what was on its way
    assert [when for when in times(one) if when < left], "it was never there"
    assert not [when for when in times(one) if left + grace < when < back]
    assert [when for when in times(one) if when > back], "it never came back"
    assert [when for when in times(other) if left + grace < when < back]
    return [one, other]


def test_a_host_without_a_network(cable: Network, figure: Figure) -> None:
    with serving(cable.address) as server:
        url = server.url("postgres")
        far = replace(server, host=cable.address).url("postgres")
        hosts = count_with_one_away(Host(far, inside=cable.inside), Host(url), cable.cut())
        assert_one_history(count(url, hosts), figure)


def test_a_host_that_is_frozen(pg_url: str, figure: Figure) -> None:
    create_tables(pg_url)
    first = Host(pg_url)
    hosts = count_with_one_away(first, Host(pg_url), first.frozen())
    assert_one_history(count(pg_url, hosts), figure)


def test_hosts_that_write_blindly_are_found_out(pg_url: str, figure: Figure) -> None:
    create_tables(pg_url)
    first = Host(pg_url, "blind")
    counts = count(pg_url, count_with_one_away(first, Host(pg_url, "blind"), first.frozen()))
    figure(str(counts))
    assert counts.doubled > 0
