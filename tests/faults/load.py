"""Writers that go on whatever happens, and an account of what they were told and what is there."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.faults.support import ACTORS, BOX, Count
from theater_sql import (
    ABSENT,
    NOT_PRESENT,
    AsyncSQLStorage,
    Conflict,
    OutcomeUnknown,
    StorageError,
    Unavailable,
)


class Load:
    """Each actor has one writer, so what it was told of its writes can be compared with the row."""

    def __init__(self, url: str, actors: int, timeout: float, options: dict[str, Any]) -> None:
        self.counts: Counter[str] = Counter(
            attempted=0, acknowledged=0, lost=0, doubled=0, unknown=0, conflicts=0, unavailable=0
        )
        self.latest = 0.0
        """Seconds after its deadline at which the latest call ended."""
        self.gap = 0.0
        """The longest time without an acknowledgement."""
        self._url, self._actors, self._timeout, self._options = url, actors, timeout, options
        self._is_over = False
        self._acknowledged_at = time.monotonic()

    async def run(self) -> None:
        options = {"timeout": self._timeout} | self._options
        async with AsyncSQLStorage(self._url, ACTORS, **options) as storage:
            await asyncio.gather(*[self._write(storage, f"w{n}") for n in range(self._actors)])

    def end(self) -> None:
        self._is_over = True

    async def _write(self, storage: AsyncSQLStorage, actor_id: str) -> None:
        expect: Any = ABSENT
        version = 0
        while not self._is_over:
            begun = time.monotonic()
            self.counts["attempted"] += 1
            try:
                expect = await storage.put(BOX, actor_id, Count(version + 1), expect=expect)
                version += 1
                self._acknowledge()
                continue
            except OutcomeUnknown:
                self.counts["unknown"] += 1
                possible = {version, version + 1}
            except Conflict:  # nobody else writes
                self.counts["conflicts"] += 1
                possible = {version}
            except Unavailable:
                self.counts["unavailable"] += 1
                possible = {version}
            self.latest = max(self.latest, time.monotonic() - begun - self._timeout)
            found = await self._read(storage, actor_id)
            self._compare(found, possible)
            expect, version = found.etag, found.version if found else 0
        self._compare(await self._read(storage, actor_id), {version})

    async def _read(self, storage: AsyncSQLStorage, actor_id: str) -> Any:
        while True:
            begun = time.monotonic()
            try:
                return await storage.get(BOX, actor_id)
            except StorageError:
                self.latest = max(self.latest, time.monotonic() - begun - self._timeout)

    def _acknowledge(self) -> None:
        self.counts["acknowledged"] += 1
        now = time.monotonic()
        self.gap = max(self.gap, now - self._acknowledged_at)
        self._acknowledged_at = now

    def _compare(self, found: Any, possible: set[int]) -> None:
        version = 0 if found is NOT_PRESENT else found.version
        self.counts["lost"] += max(0, min(possible) - version)
        self.counts["doubled"] += max(0, version - max(possible))
        if found and found.state.count != version:
            self.counts["lost"] += 1

    def check(self, slack: float = 1.0) -> str:
        """Fail if anything was lost, doubled or late; return the counts in words."""
        counts = self.counts
        assert counts["lost"] == counts["doubled"] == counts["conflicts"] == 0, counts
        assert counts["acknowledged"] > 0
        assert self.latest <= slack, f"a call ended {self.latest:.1f} s after its deadline"
        told = ", ".join(f"{name} {n}" for name, n in counts.items())
        return f"{told}; longest gap {self.gap:.1f} s"


@contextmanager
def under_load(
    url: str, *, actors: int = 20, timeout: float = 10.0, **options: Any
) -> Iterator[Load]:
    """Write in the background during the block; every actor is compared at its end."""
    load = Load(url, actors, timeout, options)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(load.run())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield load
    finally:
        load.end()
        thread.join(90)
    assert not thread.is_alive(), "a writer did not end"
    assert not failures, failures
