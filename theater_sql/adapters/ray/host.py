"""One host of a pool: a Ray actor that runs a ``Theater`` for its share of the actors."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from ray import cloudpickle

from theater_sql import ActorRegistry, AsyncSQLStorage, ConfigurationError, Options
from theater_sql.adapters.ray.client import RayTheater
from theater_sql.adapters.ray.delivery import PATIENCE
from theater_sql.adapters.ray.lease import Lease, LeaseLost
from theater_sql.adapters.ray.mail import LETTER_TO_ACTIVATE, Answer, Letter, Map, found, pickled
from theater_sql.adapters.ray.once import Once, Operation, ReplyLost, once
from theater_sql.adapters.ray.operations import WithOperations
from theater_sql.host import Theater, TheaterClosed
from theater_sql.host.activation import ACTIVATE
from theater_sql.host.theater import inside

POOL: Final = "theater_sql.pool"
"""The actor type whose generic rows say how many hosts a pool has."""
DRAIN: Final = 5.0
"""Seconds in which messages under way have to end when the pool is resized."""
LONGEST_PAUSE: Final = 15.0
"""Seconds after which a host goes on that was told to pause and never to go on."""
LAST_LETTERS: Final = 60.0
"""Seconds in which what its actors have sent has to be taken before a host ends."""
CONFLICT_RETRIES: Final = 10
KEPT_FOR: Final = 60.0
"""Seconds for which the answer to a slow letter is kept."""
FOR_EVER: Final = 1e6
"""Seconds; who asked waits for as long as it wants to."""


@dataclass(frozen=True)
class Pool:
    """What the hosts of a pool are started with.

    Attributes:
        url: the database, for ``AsyncSQLStorage``.
        actors: where the ``ActorRegistry`` is, ``"module:attribute"``, to be imported by hosts.
        name: tells pools of one namespace apart.
        max_activations: actors that one host keeps in memory.
        options: further options of the storage.
        runtime_env: Ray's, for the hosts.
        lease: seconds after which the actors of a host that died may be read elsewhere; with it
            no actor is ever in the memory of two hosts. ``None`` does without.
    """

    url: str = field(repr=False)
    actors: str
    name: str = "theater"
    namespace: str = "theater_sql"
    max_activations: int = 100_000
    options: Options = field(default_factory=Options)
    runtime_env: dict[str, Any] = field(default_factory=dict, repr=False)
    lease: float | None = None

    def __post_init__(self) -> None:
        module, _, attribute = self.actors.partition(":")
        if not (module and attribute):
            raise ConfigurationError(f"actors={self.actors!r} has to be 'module:attribute'")


class Host:
    """Takes batches of letters, and answers each of them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._actors = _registry(pool.actors)
        storage = AsyncSQLStorage(pool.url, self._actors, **pool.options)
        self._storage = WithOperations(storage, self._actors)
        self._sender = RayTheater(pool.name, namespace=pool.namespace)
        self._classes: dict[str, type[Once]] = {}
        self._under_way: dict[tuple[str, int], asyncio.Task[Answer]] = {}
        self._slow: set[tuple[str, int]] = set()
        self._map = Map(0, 0)
        self._theater: Theater | None = None
        self._is_paused = False
        self._turn = asyncio.Lock()
        self._alarm: asyncio.TimerHandle | None = None

    async def deliver(
        self, version: int, client: str, letters: list[Letter], patience: float
    ) -> tuple[Map, list[Answer] | None]:
        """Answer letters, if they come by the same map as the host's own; return that map.

        A letter that takes more seconds than ``patience`` is answered ``"slow"``: it goes on, and
        its answer is had by sending it once more.
        """
        if self._is_behind(version):
            async with self._turn:
                if self._is_behind(version):  # still
                    await self._catch_up()
        if self._theater is None or version != self._map.version:
            return self._map, None
        tasks = [self._task(self._theater, client, letter) for letter in letters]
        if patience > PATIENCE:  # they were slow before
            await asyncio.wait(tasks, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            patience /= 8  # so long an answer waits for others, to go with them
        await asyncio.wait(tasks, timeout=patience)
        return self._map, [
            self._answer(client, letter, task) for letter, task in zip(letters, tasks, strict=True)
        ]

    async def pause(self) -> None:
        """Process what is under way, forget all actors, and take nothing until ``resume``."""
        async with self._turn:
            self._is_paused = True
            await self._forget()
            self._alarm = asyncio.get_running_loop().call_later(LONGEST_PAUSE, self._end_pause)

    async def is_of(self, pool: Pool) -> bool:
        """Tell whether the host was started with these settings."""
        return pool == self._pool

    async def leave(self) -> None:
        """Have others take what the actors here have sent to them: this host ends."""
        await self.resume()  # by the map in which it has no actors, so that its clients learn of it
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_LETTERS):
                await self._sender.settle()
        await self.pause()

    async def resume(self) -> Map:
        """Go on, with the map that is stored; return it."""
        async with self._turn:
            self._end_pause()
            await self._catch_up()
            return self._map

    async def _catch_up(self) -> None:
        stored = await self._storage.storage.get(POOL, self._pool.name)
        latest = Map(stored.version, stored.state["hosts"]) if stored else Map(0, 0)
        if latest != self._map or not self._is_up_to(latest.version):
            await self._forget()
            await self._take_lease()
            self._map = latest
            self._theater = Theater(
                self._storage,
                max_activations=self._pool.max_activations,
                ask_timeout=FOR_EVER,
                conflict_retries=CONFLICT_RETRIES,
                drain_timeout=DRAIN,
            )

    async def resize(self, hosts: int) -> None:
        """Store how many hosts the pool has from now on."""
        storage, name = self._storage.storage, self._pool.name
        stored = await storage.get(POOL, name)
        await storage.put(POOL, name, {"hosts": hosts}, expect=stored.etag)

    def _end_pause(self) -> None:
        self._is_paused = False
        if self._alarm is not None:
            self._alarm.cancel()

    def _is_behind(self, version: int) -> bool:
        return not self._is_paused and not self._is_up_to(version)

    def _is_up_to(self, version: int) -> bool:
        """Tell whether the host can answer letters that come by this version of the map."""
        is_known = 0 < self._map.version >= version
        return is_known and self._theater is not None and not self._has_lost_lease()

    async def _forget(self) -> None:
        theater, self._theater = self._theater, None
        if theater is not None:
            await theater.close()
            # Those who close had to leave may have left writes behind.
            await self._storage.commits.settle()
        if self._storage.lease is not None:
            await self._storage.lease.give_up()

    async def _take_lease(self) -> None:
        if self._pool.lease is not None:
            self._storage.lease = Lease(self._storage.storage, self._pool.lease)
            await self._storage.lease.take()

    def _has_lost_lease(self) -> bool:
        lease = self._storage.lease
        return self._theater is not None and lease is not None and not lease.is_live

    def _task(self, theater: Theater, client: str, letter: Letter) -> asyncio.Task[Answer]:
        """Return what processes a letter: once, however often it comes meanwhile."""
        key = (client, letter.number)
        task = self._under_way.get(key)
        if task is None or (task.done() and task.result()[0] in ("again", "lost")):
            operation = Operation(client, letter.number, letter.since)
            task = asyncio.create_task(self._process(theater, operation, letter))
            self._under_way[key] = task
        return task

    def _answer(self, client: str, letter: Letter, task: asyncio.Task[Answer]) -> Answer:
        key = (client, letter.number)
        if task.done():
            self._under_way.pop(key, None)
            return task.result()
        if key not in self._slow:  # its client comes for the answer, if it lives
            self._slow.add(key)
            task.add_done_callback(lambda _: self._keep(key))
        return "slow", b""

    def _keep(self, key: tuple[str, int]) -> None:
        self._slow.discard(key)
        asyncio.get_running_loop().call_later(KEPT_FOR, self._under_way.pop, key, None)

    async def _process(self, theater: Theater, operation: Operation, letter: Letter) -> Answer:
        lease = self._storage.lease
        if letter.is_of_actor:
            inside.set(theater)  # it waits for no room: busy actors would wait for each other
        try:
            actor = self._classes.get(letter.actor) or self._add_class(letter.actor)
            reply = await theater.ask(actor, letter.actor_id, (operation, _message(letter)))
            if lease is not None and not lease.is_live:
                return "lost", b""  # the actor may be elsewhere, and what it told here old
            return _pickled_reply(reply)
        except LeaseLost:
            return "again", b""
        except TheaterClosed:
            return "lost", b""
        except Exception as error:
            return "error", _pickled_error(error)

    def _add_class(self, place: str) -> type[Once]:
        wrapped = found(place)
        made = once(wrapped, self._actors.match(wrapped).name, self._sender)
        self._classes[place] = made
        return made


def _registry(place: str) -> ActorRegistry:
    try:
        actors = found(place)
    except (ImportError, AttributeError) as error:
        hint = "it has to be on all nodes, or come with the runtime_env"
        raise ConfigurationError(f"hosts can't import {place!r}: {error}; {hint}") from error
    if not isinstance(actors, ActorRegistry):
        raise ConfigurationError(f"{place} is not an ActorRegistry")
    return actors


def _message(letter: Letter) -> Any:
    is_empty = letter.message == LETTER_TO_ACTIVATE
    return ACTIVATE if is_empty else cloudpickle.loads(letter.message)


def _pickled_reply(reply: Any) -> Answer:
    try:
        return "reply", pickled(reply)
    except Exception as error:
        what = f"its reply, a {type(reply).__name__}, can't be pickled ({type(error).__name__})"
        return "error", pickled(ReplyLost(f"the message was processed once, and {what}"))


def _pickled_error(error: Exception) -> bytes:
    """Return an error for another process, or one in its place that says what it was."""
    try:
        data = pickled(error)
        cloudpickle.loads(data)
    except Exception:
        told = (
            f"an actor raised a {type(error).__name__}, which can't be pickled: give it __reduce__"
        )
        data = pickled(RuntimeError(told))
    return data
