"""Two hosts that hold the same actors, one of which is away for a while: there is one history."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Figure
from tests.faults.support import BOX, create_tables, direct, found
from tests.ha.host import DEADLINE, Answers
from tests.ha.network import Network, network
from tests.postgres import NOT_DURABLE, Server, binaries, private

ROOT = Path(__file__).parents[2]
HEALTHY = 2.0
AWAY = 2 * DEADLINE
"""Seconds: calls that were under way give up meanwhile, and others do that begin meanwhile."""


class Host:
    """A process of ``tests.ha.host``."""

    def __init__(self, url: str, *inside: str) -> None:
        self._process = subprocess.Popen(
            [*inside, sys.executable, "-m", "tests.ha.host", url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def counting(self) -> Iterator[Answers]:
        """Let it count while the block runs; what it was told is complete afterwards."""
        answers = Answers()
        try:
            assert self._process.stdout is not None
            assert self._process.stdout.readline() == "ready\n"
            yield answers
            text, _ = self._process.communicate(timeout=60)
            assert self._process.returncode == 0
            vars(answers).update(json.loads(text))
        finally:
            self._process.kill()
            self._process.communicate()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


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


def assert_one_history(url: str, hosts: list[Answers], figure: Figure) -> None:
    """Each number of a counter was given to one caller at most, and is a version of the row."""
    numbers = Counter((name, count) for host in hosts for name, count, _ in host.done)
    doubled = sum(times - 1 for times in numbers.values())
    unknown = Counter(name for host in hosts for name in host.unknown)
    lost = unexplained = 0
    with direct(url) as storage:
        for name in {name for name, _ in numbers}:
            stored = found(storage, name, BOX)
            assert stored.version == stored.state.count
            acknowledged = {count for one, count in numbers if one == name}
            every = set(range(1, stored.version + 1))
            lost += len(acknowledged - every)
            unexplained += max(0, len(every - acknowledged) - unknown[name])
    figure(_figures(hosts, lost, doubled, unexplained))
    assert (lost, doubled, unexplained) == (0, 0, 0)


def _figures(hosts: list[Answers], lost: int, doubled: int, unexplained: int) -> str:
    asked, done = sum(host.asked for host in hosts), sum(len(host.done) for host in hosts)
    # A message that is processed once more had a write refused, and so had one given up.
    unknown = sum(len(host.unknown) for host in hosts)
    unavailable = sum(host.unavailable for host in hosts)
    refused = sum(host.turns for host in hosts) - done - unknown - unavailable
    given_up = sum(host.given_up for host in hosts)
    gap = max(after - before for before, after in pairwise(_times(*hosts)))
    return (
        f"attempted {asked}, acknowledged {done}, {lost=}, {doubled=}, {unknown=}, "
        f"writes refused {refused}, conflicts told {given_up}, {unavailable=}, {unexplained=}, "
        f"longest gap {gap:.1f} s"
    )


def _times(*hosts: Answers) -> list[float]:
    return sorted(when for host in hosts for _, _, when in host.done)


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
    assert [when for when in _times(one) if when < left], "it was never there"
    assert not [when for when in _times(one) if left + grace < when < back]
    assert [when for when in _times(one) if when > back], "it never came back"
    assert [when for when in _times(other) if left + grace < when < back]
    return [one, other]


def test_a_host_without_a_network(cable: Network, figure: Figure) -> None:
    with serving(cable.address) as server:
        url = server.url("postgres")
        far = replace(server, host=cable.address).url("postgres")
        hosts = count_with_one_away(Host(far, *cable.inside), Host(url), cable.cut())
        assert_one_history(url, hosts, figure)


def test_a_host_that_is_frozen(pg_url: str, figure: Figure) -> None:
    create_tables(pg_url)
    first = Host(pg_url)
    hosts = count_with_one_away(first, Host(pg_url), first.frozen())
    assert_one_history(pg_url, hosts, figure)
