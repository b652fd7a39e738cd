"""Pools that grow and shrink: no actor is lost, and none gets a message twice."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
import ray

from tests.conftest import Figure, NewDatabase
from tests.ray.actors import Counter, Relay, Waiter, actors
from tests.ray.load import Load, run_load
from tests.ray.support import counts
from theater_sql import ConfigurationError, SchemaMismatch, SQLStorage
from theater_sql.adapters.ray import Pool, RayTheater, scale, stop
from theater_sql.adapters.ray.host import POOL


def test_growing_and_shrinking_under_load(pool: Pool, figure: Figure) -> None:
    gaps: list[float] = []

    async def resize(load: Load) -> None:
        for hosts in (4, 1, 3, 2):
            await load.goes_on(0, time.monotonic())
            start = time.monotonic()
            await scale(pool, hosts)
            gaps.append(await load.goes_on(0, start))

    load = run_load(pool, resize)
    figure(
        f"2, 4, 1, 3, 2 hosts, {load.acknowledged.total()} acknowledged messages; the longest "
        f"time without an answer: {', '.join(f'{gap:.1f}' for gap in gaps)} s"
    )
    assert counts(pool.url) == load.acknowledged


def test_what_actors_have_sent_is_not_lost_with_their_host(pool: Pool) -> None:
    names = [f"relay {number}" for number in range(10)]

    async def test() -> None:
        await scale(pool, 3)
        async with RayTheater(pool.name) as theater:
            await asyncio.gather(*[theater.ask(Relay, name, 100) for name in names])
            await scale(pool, 1)  # while most of what they have sent waits
            async with asyncio.timeout(30):
                while waited() != [100] * len(names):
                    await asyncio.sleep(0.2)

    def waited() -> list[int]:
        with SQLStorage(pool.url, actors) as storage:
            return [found.state if (found := storage.get(Waiter, name)) else 0 for name in names]

    asyncio.run(test())


def test_hosts_that_an_interrupted_call_has_left_are_ended(pool: Pool) -> None:
    asyncio.run(scale(pool, 4))
    ray.kill(ray.get_actor(f"{pool.name}/1", pool.namespace))
    with SQLStorage(pool.url, actors) as storage:  # as if it had been resized to one
        storage.put(POOL, pool.name, {"hosts": 1})
    asyncio.run(scale(pool, 1))
    assert running(pool) == ["0"]
    asyncio.run(scale(pool, 3))
    ray.kill(ray.get_actor(f"{pool.name}/1", pool.namespace))
    asyncio.run(stop(pool))
    assert running(pool) == []


def running(pool: Pool) -> list[str]:
    """Return the numbers of the hosts that there are, a moment after some were killed."""
    time.sleep(1)
    names = ray.util.list_named_actors(all_namespaces=True)
    prefix = f"{pool.name}/"
    return [one["name"].removeprefix(prefix) for one in names if one["name"].startswith(prefix)]


def test_a_pool_that_runs_with_other_settings_is_refused(pool: Pool) -> None:
    asyncio.run(scale(pool, 1))
    with pytest.raises(ConfigurationError, match="runs with other settings: stop"):
        asyncio.run(scale(replace(pool, lease=1.0), 2))
    asyncio.run(stop(pool))
    time.sleep(1)
    asyncio.run(scale(replace(pool, lease=1.0), 1))


def test_a_pool_that_can_not_start_leaves_no_host(pool: Pool) -> None:
    with pytest.raises(ConfigurationError, match="hosts can't import 'no_module:actors'"):
        asyncio.run(scale(replace(pool, actors="no_module:actors"), 2))
    assert running(pool) == []
    asyncio.run(scale(pool, 1))
    assert running(pool) == ["0"]


def test_a_pool_without_its_tables_is_told_by_its_own_error(
    pool: Pool, new_pg: NewDatabase
) -> None:
    with new_pg() as empty:
        with pytest.raises(SchemaMismatch, match="run the migrations"):
            asyncio.run(scale(replace(pool, url=empty), 1))
        assert running(pool) == []


def test_a_registry_is_named_by_module_and_attribute() -> None:
    with pytest.raises(ConfigurationError, match="'shop' has to be 'module:attribute'"):
        Pool("sqlite://", "shop")


def test_a_pool_of_no_host_is_refused(pool: Pool) -> None:
    with pytest.raises(ConfigurationError, match="one host or more"):
        asyncio.run(scale(pool, 0))


def test_a_stopped_pool_goes_on_with_what_is_stored(pool: Pool) -> None:
    async def ask() -> int:
        async with RayTheater(pool.name) as theater:
            reply: int = await theater.ask(Counter, "a", 1)
            return reply

    asyncio.run(scale(pool, 3))
    assert asyncio.run(ask()) == 1
    asyncio.run(stop(pool))
    asyncio.run(scale(pool, 1))
    assert asyncio.run(ask()) == 2


def test_a_host_that_was_paused_by_somebody_who_died_goes_on(pool: Pool) -> None:
    async def test() -> None:
        await scale(pool, 1)
        host: Any = ray.get_actor(f"{pool.name}/0", pool.namespace)
        await host.pause.remote()
        async with RayTheater(pool.name) as theater:
            assert await theater.ask(Counter, "a", 1, timeout=60) == 1

    asyncio.run(test())
