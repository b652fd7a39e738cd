"""With leases no actor is in the memory of two hosts."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.conftest import Figure
from tests.ray.actors import Counter, Journal, Tally, actors
from tests.ray.conftest import NewPool
from tests.ray.load import Load, run_load
from tests.ray.local import Local, run
from tests.ray.support import counts
from tests.ray.test_faults import kill_hosts
from theater_sql import NOT_PRESENT, AsyncSQLStorage, Conflict, Found, Unavailable
from theater_sql.adapters.ray import scale
from theater_sql.adapters.ray.lease import Lease
from theater_sql.adapters.ray.once import Remembered
from theater_sql.adapters.ray.operations import Handle, WithOperations

SECONDS = 1.0


async def leased(storage: AsyncSQLStorage) -> tuple[WithOperations, Lease]:
    """Return a storage with a lease of its own."""
    with_lease = WithOperations(storage, actors)
    with_lease.lease = Lease(storage, SECONDS)
    await with_lease.lease.take()
    return with_lease, with_lease.lease


def test_an_actor_belongs_to_who_has_it_until_that_lease_ends(url: str) -> None:
    async def test() -> None:
        async with AsyncSQLStorage(url, actors) as storage:
            await storage.create_all()
            one, lease = await leased(storage)
            other, _ = await leased(storage)
            first, second = one.handle(Counter, "a"), other.handle(Counter, "a")
            assert await first.get() is NOT_PRESENT
            await first.put(Remembered(Tally(1), {}))
            assert await is_claimed(second)
            await asyncio.sleep(2 * SECONDS)  # it is renewed meanwhile
            assert lease.is_live
            assert await is_claimed(second)
            freeze(lease)
            await asyncio.sleep(2 * SECONDS)
            assert not lease.is_live
            found = await second.get()
            assert isinstance(found, Found)
            assert found.state.state == Tally(1)
            with pytest.raises(Conflict):  # though nothing was written by the second
                await first.put(Remembered(Tally(2), {}))

    asyncio.run(test())


async def is_claimed(handle: Handle) -> bool:
    """Tell whether somebody waits in vain for an actor."""
    try:
        await asyncio.wait_for(handle.get(), 0.5)
    except TimeoutError:
        return True
    return False


def freeze(lease: Lease) -> None:
    """Have a lease as it is in a host that is frozen."""
    assert lease._task is not None
    lease._task.cancel()


def test_a_lease_that_was_taken_for_ended_can_not_be_renewed(url: str) -> None:
    async def test() -> None:
        async with AsyncSQLStorage(url, actors) as storage:
            await storage.create_all()
            _, lease = await leased(storage)
            _, other = await leased(storage)
            assert not await other.is_over(lease.holder)
            freeze(lease)
            await asyncio.sleep(2 * SECONDS)
            assert await other.is_over(lease.holder)
            with pytest.raises(Conflict):
                await lease._renew()

    asyncio.run(test())


def test_a_lease_that_is_given_up_is_over_at_once(url: str) -> None:
    async def test() -> None:
        async with AsyncSQLStorage(url, actors) as storage:
            await storage.create_all()
            _, lease = await leased(storage)
            _, other = await leased(storage)
            await lease.give_up()
            assert await other.is_over(lease.holder)

    asyncio.run(test())


def test_messages_keep_their_order_while_they_wait_for_a_lease_to_end(sqlite_url: str) -> None:
    async def test(local: Local) -> None:
        for name in "abcdef":
            async with local.client() as client:
                await client.ask(Journal, name, 0)
                lease = local.host._storage.lease
                assert lease is not None
                freeze(lease)
                local.start()
                for number in range(1, 100):
                    await client.send(Journal, name, number)
            assert local.stored(Journal, name) == list(range(100))

    run(sqlite_url, test, lease=0.5)


def test_who_waits_for_an_actor_that_another_host_keeps_is_told(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theater_sql.adapters.ray.lease.LONGEST_WAIT", 1.0)

    async def test(local: Local) -> None:
        async with local.client() as client:
            await client.ask(Journal, "a", 0)
            local.start()
            asked = [client.ask(Journal, "a", number, timeout=5) for number in range(1, 20)]
            told = await asyncio.gather(*asked, return_exceptions=True)
            assert {type(error) for error in told} == {Unavailable}
        assert local.stored(Journal, "a") == [0]

    run(sqlite_url, test, lease=0.5)


def test_hosts_with_leases_killed_and_resized_under_load(new_pool: NewPool, figure: Figure) -> None:
    pool = new_pool(lease=2.0)
    gaps: list[float] = []

    async def trouble(load: Load) -> None:
        gaps.extend(await kill_hosts(pool, load, 4))
        for hosts in (3, 2):
            await scale(pool, hosts)
            await load.goes_on(0, time.monotonic())

    load = run_load(pool, trouble)
    figure(
        f"leases of 2 s: 4 kills, {load.acknowledged.total()} acknowledged messages; the longest "
        f"time without an answer of the host: {min(gaps):.1f} to {max(gaps):.1f} s"
    )
    assert counts(pool.url) == load.acknowledged
