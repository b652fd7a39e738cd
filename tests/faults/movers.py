"""Processes around a type that moves: writers of old and new code, and the one that migrates.

Run as a program: ``python -m tests.faults.movers write URL KIND SEED`` or ``migrate URL WHAT``.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

from theater_sql import ABSENT, GENERIC, ActorMoved, ActorRegistry, Conflict, SQLStorage, homes
from theater_sql.backends import engine_for
from theater_sql.migrations.promotion import Promotion
from theater_sql.migrations.renaming import Renaming
from theater_sql.migrations.stages import own_connection

ACTORS_THERE = 2000
LIFETIME = 0.5


@dataclass
class Tally:
    n: int = 0


OLD, NEW = ActorRegistry(), ActorRegistry()
NEW.register("Tally", state=Tally, table="tally")
RENAMED = ActorRegistry()
RENAMED.register("shop.Tally", table=GENERIC, aliases=("Tally",))
REGISTRIES = {"old": OLD, "new": NEW, "renamed": RENAMED}


class Writer:
    """Increments actors by compare and swap, and creates some, until it is told to stop."""

    def __init__(self, url: str, kind: str, seed: int) -> None:
        self._is_new = kind == "new"
        self._name = "shop.Tally" if kind == "renamed" else "Tally"
        self._storage = SQLStorage(url, REGISTRIES[kind])
        self._random = random.Random(seed)
        self._seed = seed
        self.counts = {"acknowledged": 0, "created": 0, "conflicts": 0, "moved": 0, "missing": 0}
        self.waits: list[tuple[float, float]] = []

    def run(self) -> None:
        while not _stopped:
            begun = time.time()
            try:
                self._write()
            except Conflict:
                self.counts["conflicts"] += 1
            except ActorMoved:
                self.counts["moved"] += 1
                time.sleep(0.01)
            else:
                self.waits.append((begun, time.time() - begun))
        self._storage.close()

    def _write(self) -> None:
        if self._random.random() < 0.05:
            name = f"{self._seed}-{self.counts['created']}"
            self._storage.put(self._name, name, self._state(1), expect=ABSENT)
            self.counts["created"] += 1
        else:
            name = str(self._random.randrange(ACTORS_THERE))
            found = self._storage.get(self._name, name)
            if not found:
                self.counts["missing"] += 1
                return
            state: Any = found.state
            n = state.n if self._is_new else state["n"]
            self._storage.put(self._name, name, self._state(n + 1), expect=found.etag)
        self.counts["acknowledged"] += 1

    def _state(self, n: int) -> Any:
        return Tally(n) if self._is_new else {"n": n}


def migrate(url: str, what: str) -> None:
    """Promote, demote or rename, as a revision does."""
    engine = engine_for(url)
    with own_connection(engine) as connection:
        if what == "rename":
            assert Renaming(connection, RENAMED, "Tally", "shop.Tally").rename() == 0
        else:
            assert getattr(Promotion(connection, NEW, NEW.match("Tally")), what)() == []


_stopped: list[int] = []


def main(what: str, url: str, *rest: str) -> None:
    """Do what a test asks this process for."""
    homes.LIFETIME = LIFETIME  # type: ignore[misc]
    if what == "migrate":
        migrate(url, *rest)
        return
    signal.signal(signal.SIGTERM, lambda number, frame: _stopped.append(number))
    writer = Writer(url, rest[0], int(rest[1]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    writer.run()
    sys.stdout.write(json.dumps({"counts": writer.counts, "waits": writer.waits}))


if __name__ == "__main__":
    main(*sys.argv[1:])
