"""What a host can do: messages with and without a put, and far more actors than it has room for.

``bare`` is what ``written`` comes to without a host: the same puts, by handles. In ``sent`` nobody
asks for a reply. Each run has a process of its own, so that its memory is its own. What the actors
counted must be what was sent.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.arena import arena
from theater_sql import ActorRegistry, AsyncSQLStorage, SQLStorage
from theater_sql.host import Actor, NoUpdate, Outcome, Persist, Theater

SENDERS = 256
ROOM = 1_000
SECONDS = 10.0
STEP = 7_919
"""Prime, so that it leads to every actor before it comes back to the first."""


@dataclass(slots=True)
class Sum:
    """The state of an actor that adds up what it is sent."""

    n: int = 0


class Adder(Actor[Sum]):
    """Adds, and stores each sum; what is nothing changes nothing."""

    __actor_name__ = "Adder"

    def process(self, state: Sum | None, actor_id: str, message: int) -> Outcome[Sum]:
        n = state.n if state else 0
        if not message:
            return NoUpdate(reply=n)
        return Persist(Sum(n + message), reply=n + message)


ACTORS = ActorRegistry()
ACTORS.register(Adder, state=Sum, table="adder")


def measure_host(actors: int, messages: int) -> Iterator[dict[str, Any]]:
    """Yield the figures of each run."""
    with arena() as place:
        for database, address in place.urls.items():
            url = address.render_as_string(hide_password=False)
            for what in ("unwritten", "bare", "written", "sent", "crowd"):
                with SQLStorage(url, ACTORS) as storage:
                    storage.create_all()
                command = [sys.executable, "-m", "benchmarks.host", url]
                done = subprocess.run(
                    [*command, what, str(actors), str(messages)],
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                )
                figures = json.loads(done.stdout)
                missing = figures["messages"] - _sums(place.engines[database], figures)
                yield {"run": what, "database": database, **figures, "missing": missing}


def _sums(engine: sa.Engine, figures: dict[str, Any]) -> int:
    """Return the sum over all actors, and empty their table for the next run."""
    with engine.begin() as connection:
        query = "SELECT coalesce(sum(n), 0), count(*), min(n), max(n) FROM adder"
        total, figures["actors"], figures["least"], figures["most"] = connection.execute(
            sa.text(query)
        ).one()
        connection.execute(sa.text("DELETE FROM adder"))
    return int(total)


async def _run(url: str, what: str, actors: int, messages: int) -> dict[str, Any]:
    """Make one run and return its figures."""
    room = ROOM if what == "crowd" else 2 * SENDERS  # only a crowd waits to be let in
    async with (
        AsyncSQLStorage(url, ACTORS, timeout=60) as storage,
        Theater(storage, max_activations=room, max_mailbox=100) as theater,
    ):
        if what == "unwritten":
            await asyncio.gather(*[theater.ask(Adder, str(n), 1) for n in range(SENDERS)])
        gc.freeze()  # as services do: what was imported is looked at no more,
        gc.set_threshold(50_000)  # and the ups and downs of a burst start no collection
        empty, cpu, begun = _memory(), time.process_time(), time.perf_counter()
        match what:
            case "crowd":
                sent, written = await _crowd(theater, actors, messages), messages
            case "bare":
                sent = written = await _bare(storage)
            case "sent":
                sent = written = await _in_turn(theater, 1, ask=False)
                await theater.drain()
            case "written":
                sent = written = await _in_turn(theater, 1)
            case _:
                sent, written = await _in_turn(theater, 0), SENDERS
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return {
        "messages": written,
        "per_second": round(sent / seconds),
        "cpu_us_per_message": round(cpu / sent * 1e6, 1),
        "seconds": round(seconds, 1),
        "mib_before": empty,
        "mib_after": _memory(),
        "mib_at_most": _memory("VmHWM"),
    }


async def _crowd(theater: Theater, actors: int, messages: int) -> int:
    """Spread messages over all actors, so that hardly any is in memory when it gets its next."""
    numbers = iter(range(messages))

    async def sender() -> None:
        for number in numbers:
            await theater.ask(Adder, str(number * STEP % actors), 1)

    await asyncio.gather(*[sender() for _ in range(SENDERS)])
    return messages


async def _in_turn(theater: Theater, message: int, *, ask: bool = True) -> int:
    """Have each sender ask an actor of its own, again and again, or only send to it."""
    door = theater.ask if ask else theater.send
    end = time.perf_counter() + SECONDS
    asked = 0

    async def sender(name: str) -> None:
        nonlocal asked
        while time.perf_counter() < end:
            await door(Adder, name, message)
            asked += 1

    await asyncio.gather(*[sender(str(number)) for number in range(SENDERS)])
    return asked


async def _bare(storage: AsyncSQLStorage) -> int:
    """Have each task write an actor of its own, again and again."""
    end = time.perf_counter() + SECONDS
    written = 0

    async def writer(name: str) -> None:
        nonlocal written
        handle = storage.handle(Adder, name)
        n = 0
        while time.perf_counter() < end:
            n += 1
            await handle.put(Sum(n))
            written += 1

    await asyncio.gather(*[writer(str(number)) for number in range(SENDERS)])
    return written


def _memory(line: str = "VmRSS") -> int:
    """Return the MiB that are resident now, or with ``VmHWM`` that ever were."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition(f"{line}:")[2].split()[0]) // 1024


if __name__ == "__main__":
    found = asyncio.run(_run(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    sys.stdout.write(json.dumps(found))
