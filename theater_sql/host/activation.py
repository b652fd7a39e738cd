"""One actor in memory: what a message does to its state, and to the stored one."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Awaitable
from typing import Any, Final

from theater_sql.contract import ActorId, Found, NotPresent
from theater_sql.errors import Conflict
from theater_sql.host.failures import NOT_ACCEPTED, InvalidOutcome, Overloaded, address, late
from theater_sql.host.handles import Handle
from theater_sql.host.mailbox import Mailbox
from theater_sql.host.outcome import OUTCOMES, NoPersist, NoUpdate, Outcome, Persist, Stop
from theater_sql.host.roles import Role

ACTIVATE: Final = object()
"""The message that no actor gets: it is there to have the state read."""


class Activation:
    """One actor in memory.

    The mailbox belongs to the address and outlives the state: to stop or to crash is to forget
    the state, and the next message reads it again. So no message is lost with an activation.

    Attributes:
        mailbox: waiting messages; there is none while the actor is idle, to save its memory.
        task: processes the mailbox; there is none while the actor is idle.
        expires: when the actor has been idle for long enough.
        alarm: when ``IdleActors`` will look at it; never later than ``expires``.
    """

    __slots__ = ("_handle", "_state", "actor_id", "alarm", "expires", "mailbox", "role", "task")

    def __init__(self, role: Role, actor_id: ActorId) -> None:
        self.role = role
        self.actor_id = actor_id
        self.mailbox: Mailbox | None = None
        self.task: asyncio.Task[None] | None = None
        self.expires = math.inf
        self.alarm = math.inf
        self._handle: Handle | None = None
        self._state: Any = None

    def __repr__(self) -> str:
        return address(self.role.name, self.actor_id)

    @property
    def name(self) -> str:
        """The name of its type."""
        return self.role.name

    @property
    def has_state(self) -> bool:
        """Tell whether a next message goes on with the state in memory."""
        return self._handle is not None

    def forget(self) -> None:
        """Drop the state in memory; the next message starts from the stored one."""
        self._handle = None
        self._state = None

    def time_to_live(self) -> float:
        """Return for how many seconds the state may stay in memory from now on."""
        seconds = self.role.actor.time_to_live(self._state, self.actor_id)
        if not seconds >= 0:  # NaN too
            raise ValueError(f"{self!r}: time_to_live returned {seconds!r}")
        return float(seconds)  # what can't be one fails here, where it costs no more than memory

    def expire(self, future: asyncio.Future[Any], seconds: float) -> None:
        """Tell a sender that nothing came of its message in time."""
        if future.done():
            return
        if self.mailbox is not None and self.mailbox.withdraw(future):
            full = f"{self!r}: its mailbox is full; {NOT_ACCEPTED}"
            future.set_exception(Overloaded(full))
        else:
            future.set_exception(late(self, seconds))

    async def receive(self, message: Any, conflict_retries: int) -> Any:
        """Process a message and return the reply, once the outcome is stored."""
        try:
            while True:
                outcome = await self._decide(message)
                try:
                    if (write := self._write(outcome)) is not None:
                        await write
                except Conflict:
                    if not conflict_retries:
                        raise
                    conflict_retries -= 1
                    self.forget()
                else:
                    self._remember(outcome)
                    return outcome.reply
        except BaseException:
            # What is in memory may be neither what is stored nor what the actor meant.
            self.forget()
            raise

    async def _decide(self, message: Any) -> Outcome[Any]:
        actor = self.role.actor
        present = self._handle is not None or await self._restore()
        if message is ACTIVATE:
            return NoUpdate(reply=True) if present else Stop.no_persist(reply=False)
        if present:
            return await self._settle(actor.process(self._state, self.actor_id, message))
        outcome = await self._settle(actor.init(self.actor_id, message))
        # Without a state there is none to go on with.
        return Stop.no_persist(reply=outcome.reply) if type(outcome) is NoUpdate else outcome

    async def _restore(self) -> bool:
        """Read the stored state, and tell whether there is one."""
        handle = self.role.open_handle(type(self.role.actor), self.actor_id)
        found: Any = await handle.get()
        if not isinstance(found, Found | NotPresent):
            # To take it for "not present" would overwrite a living actor with a new one.
            raise TypeError(f"{self!r}: the storage's get returned a {type(found).__name__}")
        self._handle = handle
        self._state = found.state if isinstance(found, Found) else None
        return isinstance(found, Found)

    async def _settle(self, turn: object) -> Outcome[Any]:
        """Await an asynchronous turn, and refuse what is not an outcome."""
        if isinstance(turn, OUTCOMES):
            return turn
        outcome = await turn if inspect.isawaitable(turn) else turn
        if isinstance(outcome, OUTCOMES):
            return outcome
        raise InvalidOutcome(
            f"{self!r}: the actor returned a {type(outcome).__name__}; nothing was stored; "
            "return Persist(state), NoPersist(state), NO_UPDATE or a Stop"
        )

    def _write(self, outcome: Outcome[Any]) -> Awaitable[object] | None:
        """Return what makes the storage what the outcome says, if anything has to."""
        handle = self._handle
        assert handle is not None
        match outcome:
            case Persist(state) | Stop("persist", state):
                return handle.put(state)
            case Stop("delete"):
                return handle.delete()
        return None

    def _remember(self, outcome: Outcome[Any]) -> None:
        """Make memory what the outcome says, once the storage is."""
        match outcome:
            case Persist(state) | NoPersist(state):
                self._state = state
            case Stop():
                self.forget()
