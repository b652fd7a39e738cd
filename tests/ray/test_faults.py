"""Hosts and nodes that die under load: every acknowledged message counts exactly once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter as Bag
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import pairwise
from statistics import median
from typing import Any

import ray
from ray.exceptions import RayError

from tests.conftest import Figure
from tests.ray.actors import Counter
from tests.ray.conftest import NODE
from tests.ray.support import counts
from theater_sql.adapters.ray import Pool, RayTheater, scale
from theater_sql.adapters.ray.placing import address_key, host_of
from theater_sql.identity import type_name

ACTORS = 40
KILLS = 10
HOSTS = 2


class Load:
    """Asks counters without a pause, and knows what was acknowledged, and when."""

    def __init__(self, theater: RayTheater) -> None:
        self.acknowledged: Bag[str] = Bag()
        self.times: dict[int, list[float]] = {number: [] for number in range(HOSTS)}
        self._theater = theater
        self._stopped = False

    async def around(self, trouble: Coroutine[Any, Any, None]) -> None:
        """Run while ``trouble`` does."""
        async with asyncio.TaskGroup() as group:
            for number in range(ACTORS):
                group.create_task(self._ask(f"actor {number}"))
            await trouble
            self._stopped = True

    async def _ask(self, name: str) -> None:
        times = self.times[host_of(address_key(type_name(Counter), name), HOSTS)]
        while not self._stopped:
            number = self.acknowledged[name] + 1
            count = await self._theater.ask(Counter, name, number, timeout=120)
            assert count == number  # none twice, none lost
            self.acknowledged[name] += 1
            times.append(time.monotonic())

    async def goes_on(self, number: int, since: float) -> float:
        """Wait until a host's actors answer again, and return for how long they did not."""
        times = self.times[number]
        before = len(times)
        while len(times) < before + 10 * ACTORS:
            await asyncio.sleep(0.05)
        moments = [since, *(moment for moment in times if moment > since)]
        return max(later - earlier for earlier, later in pairwise(moments))


def process_of(pool: Pool, number: int) -> tuple[int, str]:
    """Return the process of a host, and its node."""

    def where(_: Any) -> tuple[int, str]:
        return os.getpid(), ray.get_runtime_context().get_node_id()

    host: Any = ray.get_actor(f"{pool.name}/{number}", pool.namespace)
    found: tuple[int, str] = ray.get(host.__ray_call__.remote(where))
    return found


def until_elsewhere(pool: Pool, number: int, node: str) -> None:
    """Wait until a host has started on another node."""
    while True:
        with suppress(RayError):
            if process_of(pool, number)[1] != node:
                return
        time.sleep(0.2)


def test_hosts_killed_under_load(pool: Pool, figure: Figure) -> None:
    gaps: list[float] = []

    async def kills(load: Load) -> None:
        for turn in range(KILLS):
            await load.goes_on(turn % HOSTS, time.monotonic())
            process, _ = await asyncio.to_thread(process_of, pool, turn % HOSTS)
            os.kill(process, signal.SIGKILL)
            gaps.append(await load.goes_on(turn % HOSTS, time.monotonic()))

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
    figure(
        f"a node killed, {load.acknowledged.total()} acknowledged messages; the longest time "
        f"without an answer of its host: {gaps[0]:.1f} s"
    )
    assert counts(pool.url) == load.acknowledged


def run_load(pool: Pool, trouble: Callable[[Load], Coroutine[Any, Any, None]]) -> Load:
    async def run() -> Load:
        await scale(pool, HOSTS)
        async with RayTheater(pool.name) as theater:
            load = Load(theater)
            await load.around(trouble(load))
            return load

    return asyncio.run(run())
