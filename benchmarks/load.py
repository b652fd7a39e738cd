"""Callers: so many tasks or threads, each at its workload for a slice of time."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from math import inf
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks.arena import Arena
from benchmarks.contenders import CONTENDERS, Entry
from benchmarks.data import kinds
from benchmarks.workloads import WORKLOADS, Steps

METHODS = ("get", "put", "create", "delete")
WARM_UP = 0.15
"""Seconds between the last caller's first call and the slice that counts."""


class Run(NamedTuple):
    """One measurement: who does what, how many at once, to which kind of actor."""

    contender: str
    operation: str = "put"
    callers: int = 256
    kind: str = "typed"


class Sample(NamedTuple):
    """What a run gave: calls per second, latencies and CPU time per call in microseconds."""

    rate: float
    p50: float
    p99: float
    client: float
    server: float


class _Slice:
    """The slice of time that counts, the calls that ended, and the CPU clocks at both its ends.

    It begins a moment after every caller is ready for calls that are timed, or when it has
    waited long enough: a pool that is not fair may starve one for as long as the others call.
    """

    def __init__(self, run: Run, seconds: float, cpu: Callable[[], float]) -> None:
        self.begin = self.end = inf
        self.callers: list[_Caller] = []
        self._latest = perf_counter() + 0.3 + run.callers / 250
        self._seconds = seconds if run.callers <= 256 else 2 * seconds
        self._unready = run.callers
        self._lock = threading.Lock()
        self._cpu = cpu
        self._clocks: list[tuple[float, float]] = []

    def ready(self) -> None:
        """Count one more caller as ready."""
        with self._lock:
            self._unready -= 1
            if self._unready == 0 and self.begin == inf:
                self._begin()

    def _begin(self) -> None:
        self.begin = perf_counter() + WARM_UP
        self.end = self.begin + self._seconds

    def pauses(self) -> Iterator[float]:
        """Yield how long to sleep, again and again, and read the clocks at both ends."""
        for edge in ("begin", "end"):
            while (left := getattr(self, edge) - perf_counter()) > 0:
                yield min(left, 0.02)
                with self._lock:
                    if self.begin == inf and perf_counter() > self._latest:
                        self._begin()
            self._clocks.append((time.process_time(), self._cpu()))

    def sample(self) -> Sample:
        """Return what was measured."""
        calls = [
            c for caller in self.callers for c in zip(caller.ends, caller.latencies, strict=True)
        ]
        counted = sorted(latency for end, latency in calls if self.begin <= end < self.end)
        if not counted:
            raise RuntimeError("no call ended within the slice: make it longer")
        last = min(self.end, max(end for end, _ in calls))  # a workload may run out
        microseconds = 1e6 / len(counted)
        (client, server), (client_after, server_after) = self._clocks
        return Sample(
            len(counted) / (last - self.begin),
            counted[len(counted) // 2] * 1e6,
            counted[len(counted) * 99 // 100] * 1e6,
            (client_after - client) * microseconds,
            (server_after - server) * microseconds,
        )


class _Caller:
    """One caller: its steps, and the ends and latencies of its calls.

    What is done for each call is little, and leaves nothing to the garbage collector: it takes
    the time of the process that is measured.
    """

    def __init__(self, contender: Any, steps: Steps, part: _Slice) -> None:
        self.methods = {name: getattr(contender, name) for name in METHODS}
        self.steps = steps
        self.part = part
        self.ends = array("d")
        self.latencies = array("d")
        self._ready = False
        part.callers.append(self)

    def be_ready(self) -> None:
        """Let the slice begin, as far as this caller is concerned."""
        if not self._ready:
            self._ready = True
            self.part.ready()

    def note(self, began: float, ended: float) -> None:
        """Count a call."""
        if not self._ready:
            self.be_ready()
        self.ends.append(ended)
        self.latencies.append(ended - began)


def measure(arena: Arena, run: Run, seconds: float) -> Sample:
    """Let the callers warm up, then count what they do."""
    entry = CONTENDERS[run.contender]
    arena.prepare(entry.backend, run.operation, kinds(run.kind))
    gc.collect()
    gc.freeze()  # what earlier runs left behind is no work for this one's collections
    if entry.tasks:
        return asyncio.run(_tasks(arena, entry, run, seconds))
    return _threads(arena, entry, run, seconds)


def _callers(run: Run) -> Iterator[Steps]:
    """Yield each caller's steps; their actors lie evenly in the table."""
    numbers = count(1)
    choice = kinds(run.kind)
    for n in range(run.callers):
        kind = choice[n % len(choice)]
        actor_id = f"actor-{2 + n * kind.rows // run.callers}"
        yield WORKLOADS[run.operation](kind, actor_id, numbers)


async def _tasks(arena: Arena, entry: Entry, run: Run, seconds: float) -> Sample:
    contender = entry.make(arena.urls[entry.backend])
    part = _Slice(run, seconds, arena.server_cpu)
    await contender.open()
    try:
        async with asyncio.TaskGroup() as group:
            for steps in _callers(run):
                group.create_task(_await_all(_Caller(contender, steps, part)))
            for pause in part.pauses():
                await asyncio.sleep(pause)
    finally:
        await contender.close()
    return part.sample()


async def _await_all(caller: _Caller) -> None:
    result, now = None, 0.0
    try:
        while now < caller.part.end:
            method, args, timed, refused = caller.steps.send(result)
            began = perf_counter()
            try:
                result = await caller.methods[method](*args)
            except Exception:
                if not refused:
                    raise
                result = None
            else:
                if refused:
                    raise RuntimeError("the database took a write that it has to refuse")
            now = perf_counter()
            if timed:
                caller.note(began, now)
    except StopIteration:  # nothing is left to do
        return
    finally:
        caller.be_ready()  # the others must not wait for one that failed


def _threads(arena: Arena, entry: Entry, run: Run, seconds: float) -> Sample:
    contender = entry.make(arena.urls[entry.backend])
    part = _Slice(run, seconds, arena.server_cpu)
    contender.open()
    try:
        with ThreadPoolExecutor(run.callers) as pool:
            callers = [_Caller(contender, steps, part) for steps in _callers(run)]
            futures = [pool.submit(_call_all, caller) for caller in callers]
            for pause in part.pauses():
                time.sleep(pause)
            for future in futures:
                future.result()
    finally:
        contender.close()
    return part.sample()


def _call_all(caller: _Caller) -> None:
    result, now = None, 0.0
    try:
        while now < caller.part.end:
            method, args, timed, refused = caller.steps.send(result)
            began = perf_counter()
            try:
                result = caller.methods[method](*args)
            except Exception:
                if not refused:
                    raise
                result = None
            else:
                if refused:
                    raise RuntimeError("the database took a write that it has to refuse")
            now = perf_counter()
            if timed:
                caller.note(began, now)
    except StopIteration:
        return
    finally:
        caller.be_ready()
