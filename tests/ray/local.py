"""A pool in this process, without Ray: its calls can be meddled with."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any, TypeAlias

from tests.ray.actors import actors
from theater_sql import NOT_PRESENT, SQLStorage
from theater_sql.adapters.ray import Pool, RayTheater
from theater_sql.adapters.ray.host import POOL, Host

Deliver: TypeAlias = Callable[..., Awaitable[Any]]


class HostDied(Exception):
    """What a call ends with when its host does."""


class Local:
    """Hosts that clients call as those of Ray; what they hand each other is pickled.

    Attributes:
        meddle: what a call comes to, instead of to ``deliver`` of its host.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.pool = Pool(url, "tests.ray.actors:actors", name="local", **options)
        self.meddle: Callable[[Deliver, tuple[Any, ...]], Awaitable[Any]] | None = None
        self._started: list[Host] = []
        self.host = self.start()

    def start(self) -> Host:
        """Start the only host, in place of the one before, which may go on all the same."""
        self.host = Host(self.pool)
        self._started.append(self.host)
        self.connect(self.host._sender)
        return self.host

    def client(self, **options: Any) -> RayTheater:
        """Return a client of the pool."""
        return self.connect(RayTheater(self.pool.name, **options))

    def connect(self, theater: RayTheater) -> RayTheater:
        """Have a client call the hosts here."""
        hosts: Any = theater._hosts
        hosts._handle = lambda number: _Handle(self)
        return theater

    def stored(self, actor_type: Any, actor_id: Any) -> Any:
        """Return an actor's stored state."""
        with SQLStorage(self.pool.url, actors) as storage:
            found = storage.get(actor_type, actor_id)
            return found.state if found else NOT_PRESENT

    async def call(self, arguments: tuple[Any, ...]) -> Any:
        """Call the host, as over a wire."""
        deliver = self.host.deliver
        sent = pickle.loads(pickle.dumps(arguments))
        answer = await (self.meddle(deliver, sent) if self.meddle else deliver(*sent))
        return pickle.loads(pickle.dumps(answer))

    async def close(self) -> None:
        """Close what hosts have open."""
        for host in self._started:
            await host.pause()
            host._end_pause()
            await host._storage.storage.close()


class _Handle:
    """Ray's handle of a host, of which clients call one method."""

    def __init__(self, local: Local) -> None:
        self._local = local
        self.deliver = self

    def remote(self, *arguments: Any) -> Awaitable[Any]:
        call = asyncio.create_task(self._local.call(arguments), context=Context())
        return asyncio.shield(call)  # who gives up stops nothing there


@asynccontextmanager
async def started(url: str, **options: Any) -> AsyncIterator[Local]:
    """Yield a pool of one host."""
    with SQLStorage(url, actors) as storage:
        storage.create_all()
        storage.put(POOL, "local", {"hosts": 1})
    local = Local(url, **options)
    try:
        yield local
    finally:
        await local.close()


def run(url: str, test: Callable[[Local], Awaitable[None]], **options: Any) -> None:
    """Run a test on a pool of one host."""

    async def inside() -> None:
        async with started(url, **options) as local:
            await test(local)

    asyncio.run(inside())
