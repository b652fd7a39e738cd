"""The actors of these tests; hosts import them from here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from theater_sql import ActorRegistry
from theater_sql.host import Actor, NoUpdate, Outcome, Persist, Stop

actors = ActorRegistry()


@dataclass
class Tally:
    """What was counted, and the last numbers, to see that none came twice or out of order."""

    count: int = 0
    last: list[int] = field(default_factory=list)


@actors.register(state=Tally)
class Counter(Actor[Tally]):
    """Counts the numbers that it is told; ``None`` asks for the state."""

    def process(self, state: Tally | None, actor_id: Any, message: int | None) -> Outcome[Tally]:
        state = state or Tally()
        if message is None:
            return NoUpdate(reply=state)
        new = Tally(state.count + 1, [*state.last[-19:], message])
        return Persist(new, reply=new.count)


class Waiter(Actor[int]):
    """Waits for as many seconds as it is told, and replies how often it did."""

    async def process(self, state: int | None, actor_id: Any, message: float) -> Outcome[int]:
        await asyncio.sleep(message)
        return Persist((state or 0) + 1, reply=(state or 0) + 1)


class Friend(Actor[int]):
    """Asks the actors on its list, one after the other, through each other."""

    async def process(self, state: int | None, actor_id: Any, path: list[Any]) -> Outcome[int]:
        depth = await self.theater.ask(Friend, path[0], path[1:]) if path else 0
        return Persist(depth + 1, reply=depth + 1)


class Echo(Actor[int]):
    """Counts what it is told, and replies it; what can be called, it calls."""

    def process(self, state: int | None, actor_id: Any, message: Any) -> Outcome[int]:
        return Persist((state or 0) + 1, reply=message() if callable(message) else message)


class Odd(Actor[int]):
    """Replies what only Python can hold."""

    def process(self, state: int | None, actor_id: Any, message: Any) -> Outcome[int]:
        return Persist(1, reply=Tally(1))


class Journal(Actor[list[int]]):
    """Writes down what it gets."""

    def process(self, state: list[int] | None, actor_id: Any, message: int) -> Outcome[list[int]]:
        return Persist([*(state or []), message])


class Forgetful(Actor[str]):
    """Is removed on demand."""

    def init(self, actor_id: Any, message: str) -> Outcome[str]:
        return Persist(message, reply="new")

    def process(self, state: str, actor_id: Any, message: str) -> Outcome[str]:
        return Stop.delete(reply="forgotten") if message == "forget" else Persist(message)

    def time_to_live(self, state: str, actor_id: Any) -> float:
        return 600.0 + len(state)


class Relay(Actor[int]):
    """Sends so many messages to a slow actor."""

    async def process(self, state: int | None, actor_id: Any, message: int) -> Outcome[int]:
        for _ in range(message):
            await self.theater.send(Waiter, actor_id, 0.02)
        return Persist(message)
