"""The Theater: takes messages to actors, and keeps the actors in memory between them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, Self

from theater_sql.contract import ActorId, AsyncStorage, Storage
from theater_sql.errors import RegistrationError
from theater_sql.host.activation import Activation, Envelope, Role
from theater_sql.host.actor import Actor
from theater_sql.host.failures import (
    AskTimeout,
    Failure,
    TheaterClosed,
    log_failure,
    logger,
)
from theater_sql.host.handles import handles_of
from theater_sql.host.idle import IdleActors
from theater_sql.identity import check_id, type_name

TURNS: Final = 50
"""How many messages an actor may process before the event loop gets its turn again."""

_inside: ContextVar[Theater | None] = ContextVar("theater_sql.host.inside", default=None)
"""The Theater whose actor the current code belongs to."""


class Theater:
    """Runs actors on one event loop, on top of any ``AsyncStorage``, which it does not close.

    At most one activation of an actor exists per Theater. Other Theaters may run the same actors:
    a storage with handles finds that out at the write, and the message is processed again.

    Args:
        max_activations: actors kept in memory; beyond it the one idle for longest is forgotten.
            Busy ones are not, so the bound is exceeded while there are too many of them.
        ask_timeout: seconds that ``ask`` waits for the reply, unless told otherwise.
        conflict_retries: how often a message is processed again when its write conflicts.
        drain_timeout: seconds after which ``close`` gives up what is not processed yet.
        on_error: called with each error that no ``ask`` takes; logs to ``theater_sql.host``
            by default.
    """

    def __init__(
        self,
        storage: AsyncStorage,
        *,
        max_activations: int = 100_000,
        ask_timeout: float = 30.0,
        conflict_retries: int = 1,
        drain_timeout: float | None = None,
        on_error: Callable[[Failure], object] = log_failure,
    ) -> None:
        if isinstance(storage, Storage):
            raise TypeError("Theater awaits its storage: use AsyncSQLStorage, not SQLStorage")
        self._open_handle = handles_of(storage)
        self._max_activations = max_activations
        self._ask_timeout = ask_timeout
        self._conflict_retries = conflict_retries
        self._drain_timeout = drain_timeout
        self._on_error = on_error
        self._roles: dict[type[Actor[Any]], Role] = {}
        self._activations: dict[tuple[str, ActorId], Activation] = {}
        self._idle = IdleActors(self._dismiss)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining = False
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def send(self, actor: type[Actor[Any]], actor_id: ActorId, message: Any) -> None:
        """Hand over a message; what goes wrong with it later is told to ``on_error``."""
        self._accept(self._find(actor, actor_id), Envelope(message, None))

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
        activation = self._find(actor, actor_id)
        task = asyncio.current_task()
        if task is not None and task is activation.task:
            raise RuntimeError(f"{activation!r}: an actor that asks itself would wait for ever")
        seconds = self._ask_timeout if timeout is None else timeout
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Any] = loop.create_future()
        self._accept(activation, Envelope(message, reply))
        timer = loop.call_later(seconds, _expire, reply, activation, seconds)
        try:
            return await reply
        except asyncio.CancelledError:
            if reply.done() and not reply.cancelled() and (error := reply.exception()):
                self._report(activation, message, error)
            raise
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Process what was accepted, and what actors send meanwhile; refuse everything else."""
        if asyncio.current_task() in self._tasks():
            raise RuntimeError("an actor that closes its Theater would wait for itself")
        self._draining = True
        try:
            async with asyncio.timeout(self._drain_timeout):
                while tasks := self._tasks():
                    await asyncio.wait(tasks)
        except TimeoutError:
            await self._abort()
        finally:
            self._closed = True
            self._idle.close()
            self._activations.clear()

    def _find(self, actor: type[Actor[Any]], actor_id: ActorId) -> Activation:
        """Return the one activation of an actor, which reads its state with its first message."""
        self._check_open()
        role = self._roles.get(actor) or self._add_role(actor)
        parts = check_id(role.name, actor_id)
        known_id = parts if type(actor_id) is tuple else parts[0]
        activation = self._activations.get((role.name, known_id))
        if activation is None:
            activation = Activation(role, known_id)
            self._activations[role.name, known_id] = activation
            self._evict()
        return activation

    def _check_open(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:
                raise RuntimeError("a Theater belongs to one event loop, and this is another one")
            self._loop = loop
        if self._closed or (self._draining and _inside.get() is not self):
            raise TheaterClosed("the Theater is closed; the message was not accepted")

    def _add_role(self, actor: Any) -> Role:
        if not (isinstance(actor, type) and issubclass(actor, Actor)):
            raise TypeError(f"messages go to subclasses of Actor, not to {actor!r:.80}")
        name = type_name(actor)
        if any(role.name == name for role in self._roles.values()):
            raise RegistrationError(f"two classes claim the name {name}: set __actor_name__ on one")
        instance = actor()
        instance.theater = self
        role = self._roles[actor] = Role(name, instance, self._open_handle)
        return role

    def _accept(self, activation: Activation, envelope: Envelope) -> None:
        if activation.mailbox is None:
            self._idle.remove(activation)
            activation.mailbox = deque()
            activation.task = asyncio.get_running_loop().create_task(self._run(activation))
        activation.mailbox.append(envelope)

    async def _run(self, activation: Activation) -> None:
        """Process the mailbox until it is empty."""
        _inside.set(self)
        mailbox = activation.mailbox
        assert mailbox is not None
        turns = 0
        try:
            while mailbox and not self._closed:
                await self._deliver(activation, mailbox.popleft())
                turns += 1
                if turns % TURNS == 0:
                    await asyncio.sleep(0)
        finally:
            self._rest(activation, mailbox)

    async def _deliver(self, activation: Activation, envelope: Envelope) -> None:
        message, sender = envelope
        try:
            reply = await activation.receive(message, self._conflict_retries)
        except Exception as error:
            self._fail(activation, envelope, error)
        except asyncio.CancelledError:
            if activation.task is None or activation.task.cancelling():
                self._give_up(activation, envelope)
                raise
            # The actor itself awaited something that was cancelled: its failure, not our end.
            self._fail(activation, envelope, RuntimeError(f"{activation!r} was cancelled inside"))
        except BaseException:
            self._give_up(activation, envelope)
            raise
        else:
            if sender is not None and not sender.done():
                sender.set_result(reply)

    def _rest(self, activation: Activation, mailbox: deque[Envelope]) -> None:
        """Make an activation idle. Nothing is awaited, so no message can slip in between."""
        activation.mailbox = activation.task = None
        for envelope in mailbox:
            self._give_up(activation, envelope)
        if self._closed or not activation.has_state:
            self._dismiss(activation)
            return
        try:
            seconds = activation.time_to_live()
        except Exception as error:
            self._dismiss(activation)
            self._report(activation, None, error)
        else:
            self._idle.add(activation, seconds)
            self._evict()

    def _evict(self) -> None:
        while len(self._activations) > self._max_activations:
            oldest = self._idle.pop_oldest()
            if oldest is None:
                return
            self._dismiss(oldest)

    def _dismiss(self, activation: Activation) -> None:
        activation.forget()
        self._activations.pop((activation.role.name, activation.actor_id), None)

    def _give_up(self, activation: Activation, envelope: Envelope) -> None:
        reason = "closed before the message was processed, or while it was"
        self._fail(activation, envelope, TheaterClosed(f"{activation!r}: {reason}"))

    def _fail(self, activation: Activation, envelope: Envelope, error: Exception) -> None:
        """Tell an error to whom it concerns."""
        message, sender = envelope
        if sender is not None and not sender.done():
            sender.set_exception(error)
        else:
            self._report(activation, message, error)

    def _report(self, activation: Activation, message: Any, error: BaseException) -> None:
        try:
            self._on_error(Failure(activation.role.name, activation.actor_id, message, error))
        except Exception as problem:
            logger.error("%r: on_error itself raised a %s", activation, type(problem).__name__)

    def _tasks(self) -> set[asyncio.Task[None]]:
        return {act.task for act in self._activations.values() if act.task is not None}

    async def _abort(self) -> None:
        self._closed = True
        if tasks := self._tasks():
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


def _expire(reply: asyncio.Future[Any], activation: Activation, seconds: float) -> None:
    if not reply.done():
        late = f"no reply within {seconds} s; the message stays accepted and may be processed"
        reply.set_exception(AskTimeout(f"{activation!r}: {late}"))
