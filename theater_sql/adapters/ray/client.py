"""RayTheater: sends messages to the actors of a pool, and sends them again when a host dies."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, Self

from theater_sql import ActorId
from theater_sql.adapters.ray.delivery import Delivery
from theater_sql.adapters.ray.hosts import Hosts
from theater_sql.adapters.ray.mail import LETTER_TO_ACTIVATE, Letter, Outbox, Sent, pickled
from theater_sql.adapters.ray.once import current
from theater_sql.host import Actor, Failure, Overloaded, TheaterClosed
from theater_sql.host.activation import ACTIVATE
from theater_sql.host.deadlines import Deadlines
from theater_sql.host.failures import NOT_ACCEPTED, address, log_failure
from theater_sql.host.reports import Reports
from theater_sql.identity import check_id, class_path, type_name


class RayTheater:
    """Sends to the actors of a pool: ``Theater``'s methods, from any process of the cluster.

    A message is sent again until a host has processed it, and happens once. It needs a running
    ``ray.init``.

    Args:
        ask_timeout: seconds that ``ask`` waits for the reply, and that all senders wait for room,
            unless told otherwise.
        resend_for: seconds for which a message is sent again at least while no host answers.
        max_waiting: messages that have no answer yet; beyond it their senders wait.
        on_error: called with each error that no ``ask`` takes; logs to ``theater_sql.host``
            by default.
    """

    def __init__(
        self,
        pool: str = "theater",
        *,
        namespace: str = "theater_sql",
        ask_timeout: float = 30.0,
        resend_for: float = 60.0,
        max_waiting: int = 100_000,
        on_error: Callable[[Failure], object] = log_failure,
    ) -> None:
        self._another = partial(
            RayTheater,
            pool,
            namespace=namespace,
            ask_timeout=ask_timeout,
            resend_for=resend_for,
            max_waiting=max_waiting,
            on_error=on_error,
        )
        self._hosts = Hosts(pool, namespace)
        self._ask_timeout = ask_timeout
        self._resend_for = resend_for
        self._reports = Reports(on_error)
        self._deadlines = Deadlines()
        self._room = asyncio.Semaphore(max_waiting)
        self._numbers = itertools.count(1)
        self._places: dict[type[Actor[Any]], tuple[str, str]] = {}
        self._delivery = Delivery(self._hosts, self._reports, self._room.release)
        self._is_closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def __reduce__(self) -> Any:
        # Another client: were it the same, hosts would take its messages for those of this one.
        return self._another, ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def send(
        self,
        actor: type[Actor[Any]],
        actor_id: ActorId,
        message: Any,
        *,
        timeout: float | None = None,
    ) -> None:
        """Hand over a message, and return as soon as there is room for it.

        What goes wrong with it later is told to ``on_error``.
        """
        await self._post(actor, actor_id, message, None, timeout)

    async def ask(
        self,
        actor: type[Actor[Any]],
        actor_id: ActorId,
        message: Any,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Hand over a message and return the reply to it, once its outcome is stored.

        What goes wrong is raised here: the storage's error, or the actor's own exception.
        """
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        outbox, seconds = await self._post(actor, actor_id, message, reply, timeout)
        try:
            return await self._deadlines.wait(reply, outbox, seconds)
        except asyncio.CancelledError:
            self._reports.unheard(outbox, message, reply)
            raise

    async def activate(
        self, actor: type[Actor[Any]], actor_id: ActorId, *, timeout: float | None = None
    ) -> bool:
        """Read an actor into its host's memory, and tell whether it has a state."""
        has_state: bool = await self.ask(actor, actor_id, ACTIVATE, timeout=timeout)
        return has_state

    async def settle(self) -> None:
        """Wait until all that was handed over is answered."""
        await self._delivery.settle()

    async def drain(self) -> None:
        """Wait until all that was handed over is answered, and take nothing more."""
        self._is_closed = True
        await self.settle()

    async def close(self) -> None:
        """Drain. Without it, what has no answer when the event loop ends may not be sent."""
        self._is_closed = True
        await self._delivery.end()
        self._deadlines.close()

    async def _post(
        self,
        actor: type[Actor[Any]],
        actor_id: ActorId,
        message: Any,
        reply: asyncio.Future[Any] | None,
        timeout: float | None,
    ) -> tuple[Outbox, float]:
        """Have a message sent; return to where, and how many of the seconds are left."""
        loop = self._check_loop()
        name, place = self._places.get(actor) or self._add_place(actor)
        parts = check_id(name, actor_id)
        known_id = parts if type(actor_id) is tuple else parts[0]
        if reply is not None and current.get() == (actor, known_id):
            where = address(name, known_id)
            raise RuntimeError(f"{where}: an actor that asks itself would wait for ever")
        data = LETTER_TO_ACTIVATE if message is ACTIVATE else pickled(message)
        seconds = self._ask_timeout if timeout is None else timeout
        if self._room.locked():
            deadline = loop.time() + seconds
            await self._wait_for_room(address(name, known_id), seconds)
            seconds = deadline - loop.time()
        else:
            await self._room.acquire()  # at once
        self._check_open()
        number = next(self._numbers)
        letter = Letter(number, number, place, known_id, data, current.get() is not None)
        patience = self._resend_for if reply is None else max(seconds, self._resend_for)
        sent = Sent(letter, message, reply, loop.time() + patience)
        return self._delivery.post(name, known_id, sent), seconds

    async def _wait_for_room(self, where: str, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._room.acquire()
        except TimeoutError:
            full = f"{where}: too many messages have no answer"
            raise Overloaded(f"{full}; {NOT_ACCEPTED}") from None

    def _check_open(self) -> None:
        if self._is_closed:
            self._room.release()
            raise TheaterClosed(f"the Theater is closed; {NOT_ACCEPTED}")

    def _check_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:
                raise RuntimeError("a RayTheater belongs to one event loop, and this is another")
            self._loop = loop
        return loop

    def _add_place(self, actor: Any) -> tuple[str, str]:
        if not (isinstance(actor, type) and issubclass(actor, Actor)):
            raise TypeError(f"messages go to subclasses of Actor, not to {actor!r:.80}")
        path, name = class_path(actor), actor.__qualname__
        if "<locals>" in name:
            raise TypeError(f"{path}: hosts import actors by name, so it has to be in a module")
        if actor.__module__ == "__main__":
            raise TypeError(f"{path}: hosts would run this program, so it has to be in a module")
        self._places[actor] = type_name(actor), f"{path.removesuffix(f'.{name}')}:{name}"
        return self._places[actor]
