"""The base class of actors."""

from __future__ import annotations

from typing import Any, Protocol, cast

from theater_sql.contract import ActorId, S, Stateful
from theater_sql.host.outcome import NO_UPDATE, Turn


class Actor(Stateful[S]):
    """A type of actors, addressed by this class and an id; ``S`` is the type of their states.

    There is one instance per Theater, whatever the number of actors: keep what belongs to an
    actor in its state. One actor gets one message at a time, in the order each sender sent.

    What goes to the sender is the ``reply`` of the outcome, and only once that outcome is stored::

        class Counter(Actor[int]):
            def process(self, state: int | None, actor_id: str, message: str) -> Outcome[int]:
                count = state or 0
                match message:
                    case "up":
                        return Persist(count + 1, reply=count + 1)
                    case "read":
                        return NoUpdate(reply=count)
                    case _:
                        return Stop.delete()

    When somebody else has written the actor meanwhile, its state is read and the message is
    processed again, so a method may run more than once for one message. An exception goes to the
    sender; the stored state stays, and the next message starts from it.
    """

    theater: AwaitedTheater
    """The Theater that runs this instance, to send to other actors."""

    def init(self, actor_id: Any, message: Any, /) -> Turn[S]:
        """Process the first message of an actor that is not stored.

        By default it is ``process`` with ``None`` for the state.
        """
        return self.process(cast(S, None), actor_id, message)

    def process(self, state: S, actor_id: Any, message: Any, /) -> Turn[S]:
        """Process a message; plain methods run on the event loop, so they must not block."""
        return NO_UPDATE

    def time_to_live(self, state: S, actor_id: Any, /) -> float:
        """Return how many seconds the actor may stay idle before it is forgotten, not stored.

        Asked each time it becomes idle; 0 forgets at once, ``math.inf`` never.
        """
        return 600.0


class AwaitedTheater(Protocol):
    """A ``Theater``, or what has its methods and runs the actors elsewhere."""

    async def send(
        self,
        actor: type[Actor[Any]],
        actor_id: ActorId,
        message: Any,
        *,
        timeout: float | None = None,
    ) -> None:
        """See ``Theater.send``."""

    async def ask(
        self,
        actor: type[Actor[Any]],
        actor_id: ActorId,
        message: Any,
        *,
        timeout: float | None = None,
    ) -> Any:
        """See ``Theater.ask``."""

    async def activate(
        self, actor: type[Actor[Any]], actor_id: ActorId, *, timeout: float | None = None
    ) -> bool:
        """See ``Theater.activate``."""

    async def drain(self) -> None:
        """See ``Theater.drain``."""

    async def close(self) -> None:
        """See ``Theater.close``."""
