"""Which calls share a flush, and whether what comes back is what was given."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.contract.doors import LIMIT, Call, Door


class Flushes:
    """The flushes of more than one row: how many rows, and whether in one statement."""

    def __init__(self, run: Callable[..., list[Any]]) -> None:
        self._run = run
        self._seen: list[tuple[int, bool]] = []
        self._held = 0
        self._lock = threading.Lock()
        self._go = threading.Event()
        self._go.set()

    def spy(self, session: Any, statement: Any, rows: Sequence[Any]) -> list[Any]:
        with self._lock:
            self._held += 1
        assert self._go.wait(LIMIT)
        with self._lock:
            self._held -= 1
        if len(rows) > 1 and statement.layout.table.name != "theater_actor_type":
            self._seen.append((len(rows), statement.batch is not None))
        return self._run(session, statement, rows)

    def take(self) -> list[tuple[int, bool]]:
        """Return what was seen since the last time."""
        seen, self._seen = self._seen, []
        return seen

    def took(self, rows: int) -> bool:
        """Tell whether so many rows went since the last time, all in batches of one statement."""
        seen = self.take()
        return sum(size for size, _ in seen) == rows and all(single for _, single in seen)

    @contextmanager
    def held(self, door: Door, calls: int, plugs: Sequence[Call]) -> Iterator[None]:
        """Keep both lanes busy with a call each until so many others wait behind."""
        lanes = door.raw._core.lanes
        queues = (lanes._writes, lanes._reads)

        def release() -> None:
            try:
                wait_until(lambda: sum(len(g) for q in queues for g in groups(q)) == calls)
            finally:
                self._go.set()

        wait_until(lambda: self._held == 0)
        self._go.clear()
        with ThreadPoolExecutor(len(plugs) + 1) as pool:
            started = [pool.submit(plug.start) for plug in plugs]
            try:
                wait_until(lambda: self._held == len(plugs))
                started.append(pool.submit(release))
                yield
            finally:
                for future in started:
                    future.result(LIMIT)


def groups(queue: Any) -> list[Any]:
    return list(queue._groups[False].values())


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def same(one: Any, other: Any) -> bool:
    """Compare as strictly as can be: 1 is not 1.0 or True, and -0.0 is not 0.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)) and not hasattr(one, "bounds"):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(same(a, b) for a, b in pairs)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)


def altered(found: list[Any], wanted: list[Any]) -> list[tuple[Any, Any]]:
    assert len(found) == len(wanted)
    return [pair for pair in zip(found, wanted, strict=True) if not same(*pair)]
