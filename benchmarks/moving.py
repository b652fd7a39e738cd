"""How fast a type gets its own table while its actors are written, and what writers feel of it.

Four processes increment actors by compare and swap. What they acknowledged must be the sum in
the table behind it.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from benchmarks.arena import arena
from theater_sql import ABSENT, ActorRegistry, Conflict, SQLStorage
from theater_sql.bindings import Binding
from theater_sql.migrations.moves import Stay
from theater_sql.migrations.promotion import Promotion
from theater_sql.migrations.stages import own_connection

WRITERS = 4
PAGE = 10_000


@dataclass
class Tally:
    """The state of an actor that counts."""

    n: int = 0


OLD, NEW = ActorRegistry(), ActorRegistry()
NEW.register("Tally", state=Tally, table="tally")


def measure(rows: int) -> Iterator[dict[str, Any]]:
    """Promote and demote so many rows; yield the figures of each."""
    with arena() as place:
        url = place.urls["postgresql"].render_as_string(hide_password=False)
        _fill(url, rows)
        engine = place.engines["postgresql"]
        told: list[dict[str, Any]] = []
        moves: dict[str, list[tuple[float, float]]] = {}
        with _writing(url, rows, told), own_connection(engine) as own:
            time.sleep(5)
            moves["before"] = [(0.0, time.time())]
            for what in ("promote", "demote"):
                moves[what] = _timed(Promotion(own, NEW, NEW.match("Tally")), what)
        waits = [wait for one in told for wait in one["waits"]]
        acknowledged = sum(one["acknowledged"] for one in told)
        calm = _p99(waits, moves["before"])
        for what in ("promote", "demote"):
            [(begun, ended)] = moves[what]
            during = _p99(waits, moves[what])
            yield {
                "move": what,
                "rows": rows,
                "seconds": round(ended - begun, 1),
                "rows_per_second": round(rows / (ended - begun)),
                "writers_p99_ms_before": round(calm * 1000, 1),
                "writers_p99_ms_during": round(during * 1000, 1),
                "ratio": round(during / calm, 1),
            }
        yield {"acknowledged": acknowledged, "missing": rows + acknowledged - _sum(engine)}


def _fill(url: str, rows: int) -> None:
    with SQLStorage(url, NEW) as storage:
        storage.create_all()
    with SQLStorage(url, OLD) as storage:
        for start in range(0, rows, PAGE):
            ids = range(start, min(start + PAGE, rows))
            storage.put_many([("Tally", str(n), {"n": 1}, ABSENT) for n in ids]).raise_errors()


def _timed(promotion: Promotion, what: str) -> list[tuple[float, float]]:
    """Move, and return when rows were under way: the waits between the stages left out."""
    move = promotion._move
    times = []

    def timed(source: Binding, target: Binding) -> list[Stay]:
        begun = time.time()
        stay = move(source, target)
        times.append((begun, time.time()))
        return stay

    promotion._move = timed  # type: ignore[method-assign]
    assert getattr(promotion, what)() == []
    return times


@contextmanager
def _writing(url: str, rows: int, told: list[dict[str, Any]]) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.moving", url, str(rows)]
    writers = [
        subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, text=True)
        for seed in range(WRITERS)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    try:
        yield
    finally:
        for writer in writers:
            writer.terminate()
        told += [json.loads(writer.communicate()[0]) for writer in writers]


def _p99(waits: list[tuple[float, float]], times: list[tuple[float, float]]) -> float:
    some = sorted(s for at, s in waits if any(begun <= at < ended for begun, ended in times))
    return some[len(some) * 99 // 100]


def _sum(engine: sa.Engine) -> int:
    query = sa.text("SELECT sum(CAST(state ->> 'n' AS bigint)) FROM theater_actor")
    with engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def _write(url: str, rows: int, seed: int) -> None:
    """Increment actors until the signal comes, then print what was acknowledged."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    numbers = random.Random(seed)
    waits: list[tuple[float, float]] = []
    with SQLStorage(url, NEW) as storage:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while not stopped:
            name = str(numbers.randrange(rows))
            found: Any = storage.get("Tally", name)
            begun = time.time()
            try:
                storage.put("Tally", name, Tally(found.state.n + 1), expect=found.etag)
            except Conflict:
                continue
            waits.append((begun, time.time() - begun))
    sys.stdout.write(json.dumps({"acknowledged": len(waits), "waits": waits}))


if __name__ == "__main__":
    _write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
