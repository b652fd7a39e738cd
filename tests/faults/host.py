"""A Theater in a process of its own, whose counters count up until its input ends.

``python -m tests.faults.host URL`` prints a line when it begins, and at the end what it was told,
as JSON. With ``blind`` behind the URL it writes without a look at what is there.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.faults.support import ACTORS, Count
from tests.faults.workers import Counter
from theater_sql import AsyncSQLStorage, Conflict, OutcomeUnknown, StorageError, Unavailable
from theater_sql.contract import AsyncStorage
from theater_sql.host import Failure, Outcome, Theater

COUNTERS = 4
DEADLINE = 3.0


@dataclass
class Answers:
    """What a host was told, and how many turns its actors took for that."""

    done: list[tuple[str, int, float]] = field(default_factory=list)
    """The counter, what it counted to, and when that was acknowledged."""
    unknown: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    """The counters of messages whose reply nobody asked for ..."""
    failed: list[str] = field(default_factory=list)
    """... and of those among them that were reported to have changed nothing."""
    unexpected: list[str] = field(default_factory=list)
    asked: int = 0
    turns: int = 0
    refused: int = 0
    """Messages that met a conflict twice."""
    unavailable: int = 0
    reported: int = 0
    """How many of these came from messages that were sent."""

    def note(self, name: str, error: BaseException) -> bool:
        """Count an error; tell whether it says that nothing was written."""
        match error:
            case OutcomeUnknown():
                self.unknown.append(name)
            case Unavailable():
                self.unavailable += 1
            case Conflict():
                self.refused += 1
            case _:
                self.unexpected.append(repr(error))
        return isinstance(error, Unavailable | Conflict)

    def hear(self, failure: Failure) -> None:
        """Take in what became of a message that was sent."""
        name = str(failure.actor_id)
        self.reported += 1
        if self.note(name, failure.error):
            self.failed.append(name)
        else:
            self.sent.remove(name)  # it counts as unknown


class Tallied(Counter):
    """Counts how often it is asked to process a message, too."""

    __actor_name__ = "Box"
    turns = 0

    def process(self, state: Count | None, actor_id: str, message: str) -> Outcome[Count]:
        Tallied.turns += 1
        return super().process(state, actor_id, message)


class Blind(AsyncStorage):
    """A storage of three calls, which expect nothing."""

    def __init__(self, storage: AsyncSQLStorage) -> None:
        self._storage = storage

    async def get(self, actor_type: Any, actor_id: Any) -> Any:
        return await self._storage.get(actor_type, actor_id)

    async def put(self, actor_type: Any, actor_id: Any, state: Any) -> Any:
        return await self._storage.put(actor_type, actor_id, state)

    async def delete(self, actor_type: Any, actor_id: Any) -> None:
        await self._storage.delete(actor_type, actor_id)


async def count_up(theater: Theater, name: str, stop: asyncio.Event, answers: Answers) -> None:
    while not stop.is_set():
        answers.sent.append(name)
        await theater.send(Tallied, name, "up", timeout=60)
        for _ in range(3):
            answers.asked += 1
            try:
                count = await theater.ask(Tallied, name, "up", timeout=60)
            except StorageError as error:
                answers.note(name, error)
            else:
                answers.done.append((name, count, time.monotonic()))


async def run(url: str, blind: bool) -> Answers:
    stop, answers = asyncio.Event(), Answers()
    async with (
        AsyncSQLStorage(url, ACTORS, timeout=DEADLINE) as storage,
        Theater(Blind(storage) if blind else storage, on_error=answers.hear) as theater,
    ):
        names = [f"counter {n}" for n in range(COUNTERS)]
        counting = asyncio.gather(*[count_up(theater, name, stop, answers) for name in names])
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        stop.set()
        await counting
    answers.turns = Tallied.turns
    return answers


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(run(sys.argv[1], "blind" in sys.argv[2:])))))
