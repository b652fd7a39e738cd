"""The Theater: takes messages to actors, and keeps the actors in memory between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any, Final, Self

from theater_sql.contract import ActorId, AsyncStorage, Storage
from theater_sql.host.activation import ACTIVATE, Activation
from theater_sql.host.actor import Actor
from theater_sql.host.deadlines import Deadlines
from theater_sql.host.failures import (
    NOT_ACCEPTED,
    Failure,
    Overloaded,
    TheaterClosed,
    address,
    log_failure,
)
from theater_sql.host.gate import Gate
from theater_sql.host.handles import handles_of
from theater_sql.host.idle import IdleActors
from theater_sql.host.mailbox import Envelope, Mailbox
from theater_sql.host.reports import Reports
from theater_sql.host.roles import Roles
from theater_sql.identity import check_id, type_name

TURNS: Final = 50
"""How many messages an actor may process before the event loop gets its turn again."""

inside: ContextVar[Theater | None] = ContextVar("theater_sql.host.inside", default=None)
"""The Theater whose actor the current code belongs to."""


class Theater:
    """Runs actors on one event loop, on top of any ``AsyncStorage``, which it does not close.

    At most one activation of an actor exists per Theater. Other Theaters may run the same actors:
    a storage with handles finds that out at the write, and the message is processed again.

    Args:
        max_activations: actors kept in memory; beyond it the one idle for longest is forgotten.
            While so many are busy senders wait, save for actors, which would wait for each other.
        max_mailbox: messages that one actor has waiting; beyond it their senders wait.
        ask_timeout: seconds that ``ask`` waits for the reply, and that all senders wait for room,
            unless told otherwise.
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
        max_mailbox: int = 1_000,
        ask_timeout: float = 30.0,
        conflict_retries: int = 1,
        drain_timeout: float | None = None,
        on_error: Callable[[Failure], object] = log_failure,
    ) -> None:
        if isinstance(storage, Storage):
            raise TypeError("Theater awaits its storage: use AsyncSQLStorage, not SQLStorage")
        if max_mailbox < 1:
            raise ValueError("max_mailbox is at least 1: an actor gets its messages through it")
        if conflict_retries < 0:
            raise ValueError("conflict_retries is at least 0, which is to give up at once")
        self._max_activations = max_activations
        self._max_mailbox = max_mailbox
        self._ask_timeout = ask_timeout
        self._conflict_retries = conflict_retries
        self._drain_timeout = drain_timeout
        self._reports = Reports(on_error)
        self._roles = Roles(handles_of(storage))
        self._activations: dict[tuple[str, ActorId], Activation] = {}
        self._idle = IdleActors(self._dismiss)
        self._gate = Gate(self._is_crowded)
        self._deadlines = Deadlines()
        self._context = copy_context()
        self._context.run(inside.set, self)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining = False
        self._closed = False

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
        seconds = self._ask_timeout if timeout is None else timeout
        if self._gate.is_shut:
            seconds = await self._pass_gate(actor, actor_id, seconds)
        activation, room = self._place(actor, actor_id, Envelope(message, None))
        if room is not None:
            if asyncio.current_task() is activation.task:
                seconds = 0.0  # there will be no room as long as this message is being processed
            await self._deadlines.wait(room, activation, seconds)

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
        seconds = self._ask_timeout if timeout is None else timeout
        if self._gate.is_shut:
            seconds = await self._pass_gate(actor, actor_id, seconds)
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        activation, _ = self._place(actor, actor_id, Envelope(message, reply))
        try:
            return await self._deadlines.wait(reply, activation, seconds)
        except asyncio.CancelledError:
            self._reports.unheard(activation, message, reply)
            raise

    async def activate(
        self, actor: type[Actor[Any]], actor_id: ActorId, *, timeout: float | None = None
    ) -> bool:
        """Read an actor into memory ahead of its first message, and tell whether it has a state."""
        stored: bool = await self.ask(actor, actor_id, ACTIVATE, timeout=timeout)
        return stored

    async def drain(self) -> None:
        """Process what was accepted, and what actors send meanwhile; refuse everything else."""
        self._refuse_senders()
        while tasks := self._tasks():
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Drain, then give up what is not processed in time, and tell its senders."""
        self._refuse_senders()
        try:
            async with asyncio.timeout(self._drain_timeout):
                await self.drain()
        except TimeoutError:
            await self._abort()
        finally:
            self._closed = True
            self._idle.close()
            self._deadlines.close()
            self._activations = {key: act for key, act in self._activations.items() if act.task}

    def _refuse_senders(self) -> None:
        if asyncio.current_task() in self._tasks():
            raise RuntimeError("an actor that closes its Theater would wait for itself")
        self._draining = True
        self._gate.open()  # to tell one waiting sender after the other

    def _is_crowded(self, coming: int) -> bool:
        """Tell whether as many actors are busy as may be in memory; there is room for one."""
        busy = len(self._activations) - len(self._idle) + coming
        return not self._draining and busy >= max(1, self._max_activations)

    async def _pass_gate(self, actor: type[Actor[Any]], actor_id: ActorId, seconds: float) -> float:
        """Wait until one more actor may be busy, and return how many seconds are left.

        Actors don't wait here: those that are busy would wait for each other.
        """
        self._check_open()
        if inside.get() is self:
            return seconds
        try:
            return await self._gate.wait(seconds)
        except TimeoutError:
            where = address(type_name(actor), actor_id)
            raise Overloaded(f"{where}: too many actors are busy; {NOT_ACCEPTED}") from None

    def _place(
        self, actor: type[Actor[Any]], actor_id: ActorId, envelope: Envelope
    ) -> tuple[Activation, asyncio.Future[Any] | None]:
        """Put a message where its actor finds it, and return what is done once there is room."""
        activation = self._find(actor, actor_id)
        if activation.mailbox is None:
            self._idle.remove(activation)
            activation.mailbox = Mailbox(self._max_mailbox)
            # Not in the sender's context, for others send too; nor eagerly, before its message.
            activation.task = asyncio.Task(self._run(activation), context=self._context.copy())
        elif envelope.reply is not None and asyncio.current_task() is activation.task:
            raise RuntimeError(f"{activation!r}: an actor that asks itself would wait for ever")
        return activation, activation.mailbox.put(envelope)

    def _find(self, actor: type[Actor[Any]], actor_id: ActorId) -> Activation:
        """Return the one activation of an actor, which reads its state with its first message."""
        self._check_open()
        role = self._roles.get(actor) or self._roles.add(actor, self)
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
        if self._closed or (self._draining and inside.get() is not self):
            raise TheaterClosed(f"the Theater is closed; {NOT_ACCEPTED}")

    async def _run(self, activation: Activation) -> None:
        """Process the mailbox until it is empty."""
        mailbox = activation.mailbox
        assert mailbox is not None
        turns = 0
        try:
            while mailbox and not self._closed:
                await self._deliver(activation, mailbox.take())
                turns += 1
                if turns % TURNS == 0 or not mailbox:  # who just got a reply may ask again
                    await asyncio.sleep(0)
        finally:
            self._rest(activation, mailbox)

    async def _deliver(self, activation: Activation, envelope: Envelope) -> None:
        message, sender = envelope
        try:
            reply = await activation.receive(message, self._conflict_retries)
        except Exception as error:
            self._reports.fail(activation, envelope, error)
        except asyncio.CancelledError:
            if activation.task is None or activation.task.cancelling():
                self._reports.give_up(activation, envelope)
                raise
            # The actor itself awaited something that was cancelled: its failure, not our end.
            self._reports.fail(
                activation, envelope, RuntimeError(f"{activation!r} was cancelled inside")
            )
        except BaseException:
            self._reports.give_up(activation, envelope)
            raise
        else:
            if sender is not None and not sender.done():
                sender.set_result(reply)

    def _rest(self, activation: Activation, mailbox: Mailbox) -> None:
        """Make an activation idle. Nothing is awaited, so no message can slip in between."""
        activation.mailbox = activation.task = None
        for envelope in mailbox.take_all():
            self._reports.give_up(activation, envelope)
        if self._closed or not activation.has_state:
            self._dismiss(activation)
        else:
            self._keep(activation)
        self._gate.open()

    def _keep(self, activation: Activation) -> None:
        """Leave an activation in memory for as long as it says."""
        try:
            seconds = activation.time_to_live()
        except Exception as error:
            self._dismiss(activation)
            self._reports.report(activation, None, error)
        else:
            self._idle.add(activation, seconds)
            self._evict()

    def _evict(self) -> None:
        while len(self._activations) > self._max_activations and len(self._idle):
            self._dismiss(self._idle.pop_oldest())

    def _dismiss(self, activation: Activation) -> None:
        activation.forget()
        self._activations.pop((activation.role.name, activation.actor_id), None)

    def _tasks(self) -> set[asyncio.Task[None]]:
        return {act.task for act in self._activations.values() if act.task is not None}

    async def _abort(self) -> None:
        self._closed = True
        if tasks := self._tasks():
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
