"""Two hosts that hold the same actors, one of which is away for a while: there is one history."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from tests.conftest import Figure
from tests.faults.support import create_tables, direct, found
from tests.ha.host import DEADLINE, Answers
from tests.ha.network import Network, network
from tests.postgres import NOT_DURABLE, Server, binaries, private

ROOT = Path(__file__).parents[2]
HEALTHY = 2.0
AWAY = 2 * DEADLINE
"""Seconds: calls that were under way give up meanwhile, and others do that begin meanwhile."""


class Host:
    """A process of ``tests.ha.host``."""

    def __init__(self, url: str, *options: str, inside: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [*inside, sys.executable, "-m", "tests.ha.host", url, *options],
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


class Counts(NamedTuple):
    """What hosts did to the counters, against what is stored.

    Each number of a counter belongs to one caller. ``doubled`` were given to two: one update
    overwrote the other. ``lost`` were given to one, and the counter is not there yet;
    ``unexplained`` to nobody, not even to one who was told that the outcome is unknown.
    ``uncounted`` are writes that the row has seen and the counter has not.
    """

    attempted: int
    acknowledged: int
    lost: int
    doubled: int
    unknown: int
    conflicts: int
    unavailable: int
    unexplained: int
    uncounted: int
    longest_gap: str


def count(url: str, hosts: list[Answers]) -> Counts:
    numbers = Counter((name, number) for host in hosts for name, number, _ in host.done)
    unknown = Counter(name for host in hosts for name in host.unknown)
    unavailable = sum(host.unavailable for host in hosts)
    lost = unexplained = uncounted = 0
    with direct(url) as storage:
        for name in {name for name, _ in numbers}:
            acknowledged = {number for one, number in numbers if one == name}
            row = found(storage, name)
            uncounted += row.version - row.state.count
            stored = set(range(1, row.state.count + 1))
            lost += len(acknowledged - stored)
            unexplained += max(0, len(stored - acknowledged) - unknown[name])
    return Counts(
        attempted=sum(host.asked for host in hosts),
        acknowledged=numbers.total(),
        lost=lost,
        doubled=numbers.total() - len(numbers),
        unknown=unknown.total(),
        # Each refused write is a turn that neither the caller nor the outcome accounts for.
        conflicts=sum(h.turns for h in hosts) - numbers.total() - unknown.total() - unavailable,
        unavailable=unavailable,
        unexplained=unexplained,
        uncounted=uncounted,
        longest_gap=f"{max(after - before for before, after in pairwise(_times(*hosts))):.1f} s",
    )


def assert_one_history(counts: Counts, figure: Figure) -> None:
    figure(str(counts))
    assert (counts.lost, counts.doubled) == (0, 0)
    assert (counts.unexplained, counts.uncounted) == (0, 0)
    assert counts.conflicts > 0


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
