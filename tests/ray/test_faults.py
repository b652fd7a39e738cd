"""Hosts and nodes that die under load: every acknowledged message counts exactly once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from statistics import median
from typing import Any

import ray
from ray.exceptions import RayError

from tests import postgres
from tests.conftest import Figure
from tests.ray.actors import actors
from tests.ray.conftest import NODE, PLACE
from tests.ray.load import HOSTS, Load, run_load
from tests.ray.support import counts
from theater_sql import SQLStorage
from theater_sql.adapters.ray import Pool, stop

KILLS = 10
CRASHES = 5
FREEZES = 4


def process_of(pool: Pool, number: int) -> tuple[int, str]:
    """Return the process of a host, and its node."""

    def where(_: Any) -> tuple[int, str]:
        return os.getpid(), ray.get_runtime_context().get_node_id()

    host: Any = ray.get_actor(f"{pool.name}/{number}", pool.namespace)
    found: tuple[int, str] = ray.get(host.__ray_call__.remote(where))
    return found


@contextmanager
def frozen(*processes: int) -> Iterator[None]:
    """Stop processes, and have them go on after the block; some may have been killed by then."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def until_elsewhere(pool: Pool, number: int, node: str) -> None:
    """Wait until a host has started on another node."""
    while True:
        with suppress(RayError):
            if process_of(pool, number)[1] != node:
                return
        time.sleep(0.2)


async def kill_hosts(pool: Pool, load: Load, kills: int) -> list[float]:
    """Kill one host after the other, and return for how long each did not answer."""
    gaps = []
    for turn in range(kills):
        await load.goes_on(turn % HOSTS, time.monotonic())
        process, _ = await asyncio.to_thread(process_of, pool, turn % HOSTS)
        os.kill(process, signal.SIGKILL)
        gaps.append(await load.goes_on(turn % HOSTS, time.monotonic()))
    return gaps


def test_hosts_killed_under_load(pool: Pool, figure: Figure) -> None:
    gaps: list[float] = []

    async def kills(load: Load) -> None:
        gaps.extend(await kill_hosts(pool, load, KILLS))

    load = run_load(pool, kills)
    figure(
        f"{KILLS} kills, {load.acknowledged.total()} acknowledged messages; the longest time "
        f"without an answer of the host: {min(gaps):.1f} to {max(gaps):.1f} s, "
        f"median {median(gaps):.1f} s"
    )
    assert counts(pool.url) == load.acknowledged


def test_a_node_killed_under_load(cluster: Any, pool: Pool, figure: Figure) -> None:
    gaps: list[float] = []

    async def kill(load: Load) -> None:
        [victim] = cluster.worker_nodes
        nodes = [process_of(pool, number)[1] for number in range(HOSTS)]
        number = nodes.index(victim.node_id)
        await load.goes_on(number, time.monotonic())
        start = time.monotonic()
        await asyncio.to_thread(cluster.remove_node, victim, False)
        # The host outlives its node for a while, and goes on answering.
        await asyncio.to_thread(until_elsewhere, pool, number, victim.node_id)
        gaps.append(await load.goes_on(number, start))

    try:
        load = run_load(pool, kill)
    finally:
        cluster.add_node(**NODE)
        cluster.wait_for_nodes()
    figure(
        f"a node killed, {load.acknowledged.total()} acknowledged messages; the longest time "
        f"without an answer of its host: {gaps[0]:.1f} s"
    )
    assert counts(pool.url) == load.acknowledged


def test_hosts_frozen_under_load(pool: Pool, figure: Figure) -> None:
    gaps: list[float] = []

    async def freezes(load: Load) -> None:
        for turn in range(FREEZES):
            await load.goes_on(turn % HOSTS, time.monotonic())
            process, _ = await asyncio.to_thread(process_of, pool, turn % HOSTS)
            start = time.monotonic()
            with frozen(process):
                await asyncio.sleep(1 + turn)
            gaps.append(await load.goes_on(turn % HOSTS, start))

    load = run_load(pool, freezes)
    figure(
        f"{FREEZES} freezes of 1 to {FREEZES} s, {load.acknowledged.total()} acknowledged "
        f"messages; the longest time without an answer: {max(gaps):.1f} s"
    )
    assert counts(pool.url) == load.acknowledged


def test_a_node_frozen_until_its_host_is_elsewhere(
    cluster: Any, pool: Pool, figure: Figure
) -> None:
    gaps: list[float] = []

    async def freeze(load: Load) -> None:
        [victim] = cluster.worker_nodes
        where = [process_of(pool, number) for number in range(HOSTS)]
        [(number, process)] = [
            (number, process)
            for number, (process, node) in enumerate(where)
            if node == victim.node_id
        ]
        [raylet] = victim.all_processes["raylet"]
        await load.goes_on(number, time.monotonic())
        start = time.monotonic()
        with frozen(raylet.process.pid, process):
            await asyncio.to_thread(until_elsewhere, pool, number, victim.node_id)
            await load.goes_on(number, time.monotonic())
        # The old host goes on in the midst of what it was doing, until Ray's node ends it.
        gaps.append(await load.goes_on(number, start))
        await load.goes_on(number, time.monotonic())

    try:
        load = run_load(pool, freeze)
    finally:
        cluster.remove_node(*cluster.worker_nodes, False)
        cluster.add_node(**NODE)
        cluster.wait_for_nodes()
    figure(
        f"a node frozen, {load.acknowledged.total()} acknowledged messages; the longest time "
        f"without an answer of its host: {gaps[0]:.1f} s"
    )
    assert counts(pool.url) == load.acknowledged


def test_a_database_that_crashes_under_load(cluster: Any, figure: Figure) -> None:
    gaps: list[float] = []

    async def crashes(load: Load) -> None:
        for _ in range(CRASHES):
            await load.goes_on(0, time.monotonic())
            start = time.monotonic()
            await asyncio.to_thread(database.restart, "immediate")
            gaps.append(await load.goes_on(0, start))

    with postgres.created(postgres.binaries()) as database, database.running() as server:
        url = server.url(server.maintenance_dbname)
        with SQLStorage(url, actors) as storage:
            storage.create_all()
        pool = Pool(url, PLACE, name="crashes")
        try:
            load = run_load(pool, crashes)
        finally:
            asyncio.run(stop(pool))
        assert counts(url) == load.acknowledged
    figure(
        f"{CRASHES} crashes of the database, {load.acknowledged.total()} acknowledged messages; "
        f"the longest time without an answer: {max(gaps):.1f} s"
    )
