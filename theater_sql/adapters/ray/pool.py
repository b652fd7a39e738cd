"""Start, resize and stop the hosts of a pool."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError
from ray.util import list_named_actors

from theater_sql import ConfigurationError, TheaterSQLError
from theater_sql.adapters.ray.host import Host, Pool
from theater_sql.adapters.ray.hosts import PAUSE, host_name


async def scale(pool: Pool, hosts: int) -> None:
    """Have a pool run on so many hosts: start it, or make it larger or smaller.

    Messages wait meanwhile. Call it once at a time; if it fails, call it again. What runs already
    keeps its code: for another one ``stop`` the pool first.

    Raises:
        ConfigurationError: the pool can't run, or runs with other settings.
    """
    if hosts < 1:
        raise ConfigurationError("a pool has one host or more")
    is_new = not _found(pool, 0)
    try:
        await _scale(pool, hosts)
    except BaseException:
        if is_new:  # else the next call would meet hosts of settings that were wrong
            await stop(pool)
        raise


async def _scale(pool: Pool, hosts: int) -> None:
    first = _start(pool, 0)
    if not await _tell(first, "is_of", pool):
        raise ConfigurationError(
            f"a pool {pool.name!r} runs with other settings: stop() it first, or name this one"
        )
    running = [first, *[_start(pool, number) for number in range(1, hosts)]]
    before = (await _tell(first, "resume")).hosts
    surplus = _found(pool, hosts)
    if before != hosts:
        await asyncio.gather(*[_tell(host, "pause") for host in running + surplus])
        await _tell(first, "resize", hosts)
        await asyncio.gather(*[_tell(host, "resume") for host in running])
    await asyncio.gather(*[_tell(host, "leave") for host in surplus])
    for host in surplus:
        ray.kill(host)


async def stop(pool: Pool) -> None:
    """Kill all hosts of a pool; what is stored stays, and ``scale`` starts it again."""
    for host in _found(pool, 0):
        ray.kill(host)


def _start(pool: Pool, number: int) -> Any:
    """Return a host, which is started if it is not there yet."""
    remote: Any = ray.remote(Host)
    return remote.options(
        name=host_name(pool.name, number),
        namespace=pool.namespace,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0.001,  # what claims nothing at all Ray does not spread
        max_restarts=-1,
        max_task_retries=0,  # a client sends again, and says by which number it did before
        max_concurrency=10_000,
        scheduling_strategy="SPREAD",
        runtime_env=pool.runtime_env,
    ).remote(pool)


def _found(pool: Pool, first: int) -> list[Any]:
    """Return the hosts that run from this number on, also what an interrupted call has left."""
    hosts = []
    for actor in list_named_actors(all_namespaces=True):
        name, _, number = actor["name"].rpartition("/")
        if (name, actor["namespace"]) == (pool.name, pool.namespace) and number.isdecimal():
            with suppress(ValueError):  # it has gone meanwhile
                if int(number) >= first:
                    hosts.append(ray.get_actor(actor["name"], pool.namespace))
    return hosts


async def _tell(host: Any, method: str, *arguments: Any) -> Any:
    """Call a method of a host, again if it dies meanwhile and is restarted."""
    while True:
        try:
            return await getattr(host, method).remote(*arguments)
        except ActorUnavailableError:
            await asyncio.sleep(PAUSE)
        except ActorDiedError as error:
            if not error.actor_init_failed:
                raise
            what = str(error).rstrip().rpartition("\n")[2]  # under a traceback of Ray's
            raise ConfigurationError(f"the pool's hosts can't start: {what}") from None
        except RayTaskError as error:
            if isinstance(error.cause, TheaterSQLError):
                raise error.cause from None
            raise
