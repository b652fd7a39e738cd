"""What has to be reached: a run of ours against a run of another's."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any, NamedTuple

from benchmarks.load import Run, Sample
from benchmarks.memory import Memory


class Target(NamedTuple):
    """A bound on the ratio of our figure to theirs.

    A ``rate`` has to be at least so many times theirs, a latency at most.
    """

    name: str
    what: str
    ours: Run
    theirs: Run
    bound: float
    stretch: float | None = None
    figure: str = "rate"

    @property
    def better(self) -> str:
        return "higher" if self.figure == "rate" else "lower"


class Finding(NamedTuple):
    """A target, and what was reached."""

    name: str
    what: str
    ratio: float
    target: float
    stretch: float | None
    better: str
    met: bool
    ours: float
    theirs: float
    unit: str

    def record(self) -> dict[str, Any]:
        """Return what is printed as JSON."""
        return {name: _short(value) for name, value in self._asdict().items()}


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def finding(target: Target, samples: dict[Run, list[Sample]]) -> Finding:
    """Return the median over the repetitions: in each, both were measured in turns."""
    ours = [getattr(sample, target.figure) for sample in samples[target.ours]]
    theirs = [getattr(sample, target.figure) for sample in samples[target.theirs]]
    ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
    return Finding(
        target.name,
        target.what,
        ratio,
        target.bound,
        target.stretch,
        target.better,
        ratio >= target.bound if target.better == "higher" else ratio <= target.bound,
        median(ours),
        median(theirs),
        f"{target.ours.operation}/s" if target.figure == "rate" else "us",
    )


def memory_finding(memory: Memory) -> Finding:
    """Return what a waiting put takes, against a task that holds the same and waits."""
    kilobytes = memory.put / 1024
    what = "KB of memory per waiting put, its task and 300 B state included"
    return Finding(
        "put_memory", what, kilobytes, 3, None, "lower", kilobytes <= 3,
        memory.put, memory.bare, "bytes",
    )  # fmt: skip


def runs(targets: Iterable[Target]) -> list[Run]:
    """Return each run once, ours next to those that it is compared with."""
    return list(dict.fromkeys(run for target in targets for run in (target.ours, target.theirs)))


_OURS, _SYNC = "theater_sql", "theater_sql, threads"
_FILE, _FILE_SYNC = "theater_sql, SQLite", "theater_sql, SQLite, threads"
_POOL, _BARE = "psycopg pool", "psycopg connection"
_TYPES = "20 types"


def _put(contender: str, callers: int = 256, kind: str = "typed") -> Run:
    return Run(contender, "put", callers, kind)


def _get(contender: str, callers: int = 256) -> Run:
    return Run(contender, "get", callers)


def growth(operation: str, rows: int, bound: float) -> Target:
    """Return the target of a table of so many rows against one of a thousand."""
    name = f"{operation}_growth_pg"
    what = f"{operation} p50, one thread, {rows:,} rows over 1,000 rows"
    ours, theirs = (Run(_SYNC, f"{operation} anywhere", 1, f"{n} rows") for n in (rows, 1000))
    return Target(name, what, ours, theirs, bound, figure="p50")


TARGETS = [
    Target("put_async_pg", "put, 256 tasks, over the psycopg pool",
           _put(_OURS), _put(_POOL), 8, 12),
    Target("put_async_pg_orm", "put, 256 tasks, over the ORM",
           _put(_OURS), _put("ORM"), 40, 60),
    Target("put_async_pg_limit", "put, 256 tasks, over pgbench with 256-row batches, 2 clients",
           _put(_OURS), _put("pgbench, 256 rows", 2), 0.25, 0.45),
    Target("put_types_pg", "put, 256 tasks, twenty actor types, over the psycopg pool",
           _put(_OURS, kind=_TYPES), _put(_POOL, kind=_TYPES), 4),
    Target("get_async_pg", "get, 256 tasks, over the psycopg pool",
           _get(_OURS), _get(_POOL), 6, 12),
    Target("put_threads_pg_orm", "put, 64 threads, over the ORM",
           _put(_SYNC, 64), _put("ORM, threads", 64), 12),
    Target("put_threads_pg", "put, 64 threads, over the psycopg pool",
           _put(_SYNC, 64), _put("psycopg pool, threads", 64), 3),
    Target("put_one_sync_pg", "put p50, one thread, over a bare psycopg connection",
           _put(_SYNC, 1), _put(_BARE, 1), 1.3, figure="p50"),
    Target("get_one_sync_pg", "get p50, one thread, over a bare psycopg connection",
           _get(_SYNC, 1), _get(_BARE, 1), 1.5, figure="p50"),
    Target("put_one_async_pg", "put p50, one task, over the psycopg pool",
           _put(_OURS, 1), _put(_POOL, 1), 1.2, figure="p50"),
    Target("get_one_async_pg", "get p50, one task, over the psycopg pool",
           _get(_OURS, 1), _get(_POOL, 1), 1.3, figure="p50"),
    Target("put_async_sqlite", "put, 256 tasks, SQLite, over aiosqlite",
           _put(_FILE), _put("aiosqlite"), 25),
    Target("put_async_sqlite_orm", "put, 256 tasks, SQLite, over the ORM in threads",
           _put(_FILE), _put("ORM, SQLite, threads"), 25),
    Target("put_one_sqlite", "put p50, one thread, SQLite, over bare sqlite3",
           _put(_FILE_SYNC, 1), _put("sqlite3", 1), 1.4, figure="p50"),
]  # fmt: skip
