"""A leader that dies, hands over or freezes: nothing that was acknowledged is lost."""

from __future__ import annotations

import time

from tests.conftest import Figure
from tests.ha.cluster import Cluster
from tests.ha.load import Load, load

ROUNDS = 10
PATIENT = 30.0
"""Seconds for a call: longer than it takes until another node leads."""
HASTY = 4.0
"""Seconds for a call to a server that may never answer."""


def assert_true(load: Load, figure: Figure) -> None:
    faults, line = load.judge()
    figure(line)
    assert not faults, f"{len(faults)} faults, such as " + "; ".join(faults[:10])


def test_failover(cluster: Cluster, database: str, figure: Figure) -> None:
    with load(database, PATIENT) as written:
        for _ in range(ROUNDS):
            leader = cluster.healthy()
            time.sleep(1)
            leader.kill_postgres()
            cluster.leader_after(leader)
        cluster.healthy()
    assert_true(written, figure)


def test_switchover(cluster: Cluster, database: str, figure: Figure) -> None:
    with load(database, PATIENT) as written:
        leader = cluster.healthy()
        time.sleep(1)
        cluster.switch_over(leader)
        cluster.leader_after(leader)
        cluster.healthy()
    assert_true(written, figure)


def test_frozen_leader(cluster: Cluster, database: str, figure: Figure) -> None:
    with load(database, HASTY) as written:
        leader = cluster.healthy()
        time.sleep(1)
        with leader.frozen():
            cluster.leader_after(leader)
            time.sleep(6)  # for writes that the old leader does not know
        with written.two_leaders():
            cluster.healthy()
        time.sleep(2)
    assert_true(written, figure)
