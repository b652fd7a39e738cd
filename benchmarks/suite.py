"""The suites: which runs, in what turns, and what is told about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.arena import Arena, arena
from benchmarks.load import Run, Sample, measure
from benchmarks.memory import Memory, queued
from benchmarks.pgbench import LIMITS, limit
from benchmarks.targets import TARGETS, Finding, Target, finding, growth, memory_finding, runs

CALLERS: Final = (1, 16, 64, 256, 1024)
TASKS: Final = ("theater_sql", "psycopg pool", "asyncpg pool", "Core", "ORM", "LangGraph store")
THREADS: Final = ("theater_sql, threads", "psycopg pool, threads", "ORM, threads")
FILES: Final = ("theater_sql, SQLite", "aiosqlite", "ORM, SQLite, threads")
KINDS: Final = ("typed", "generic 300 B", "generic 10 KB", "20 types")
ROWS: Final = (1_000, 100_000, 1_000_000)
MEMORY: Final = "put_memory"

Samples = dict[Run, list[Sample]]


@dataclass
class Results:
    """All that the full suite measured."""

    findings: list[Finding]
    samples: Samples
    memory: Memory
    server: str


def measure_all(place: Arena, wanted: Sequence[Run], repeat: int, seconds: float) -> Samples:
    """Measure the runs in turns, so that noise hits all alike."""
    samples: Samples = defaultdict(list)
    for _ in range(repeat):
        for run in wanted:
            gauge = limit if run.contender in LIMITS else measure
            samples[run].append(gauge(place, run, seconds))
    return samples


def quick(only: str | None, repeat: int, seconds: float) -> list[Finding]:
    """Return the findings of all targets, or of those that ``only`` names."""
    targets = _targets(100_000)
    names = {target.name for target in targets} | {MEMORY}
    wanted = set(only.split(",")) if only else names
    if not wanted <= names:
        raise SystemExit(f"no such target: {sorted(wanted - names)}; there are {sorted(names)}")
    chosen = [target for target in targets if target.name in wanted]
    with arena() as place:
        samples = measure_all(place, runs(chosen), repeat, seconds)
        findings = [finding(target, samples) for target in chosen]
        if MEMORY in wanted:
            findings.append(memory_finding(queued(place, 10_000)))
    return findings


def full(repeat: int, seconds: float) -> Results:
    """Return the findings of all targets and the samples of all tables and plots."""
    targets = _targets(1_000_000)
    with arena() as place:
        pairs = [run for pair in refusals() for run in pair]
        samples = measure_all(place, [*runs(targets), *pairs], repeat, seconds)
        others = [run for run in dict.fromkeys(figures() + tables()) if run not in samples]
        samples |= measure_all(place, others, 1, seconds)
        memory = queued(place, 100_000)
        server = place.server.version()
    findings = [*(finding(target, samples) for target in targets), memory_finding(memory)]
    return Results(findings, samples, memory, server)


def _targets(rows: int) -> list[Target]:
    return [*TARGETS, growth("put", rows, 1.3), growth("get", rows, 1.3)]


def figures() -> list[Run]:
    """Return the runs that are plotted."""
    return [
        Run(contender, operation, callers)
        for operation in ("put", "get")
        for callers in CALLERS
        for contender in (*TASKS, *THREADS, *FILES)
        if is_plotted(contender, callers)
    ]


def is_plotted(contender: str, callers: int) -> bool:
    """Tell whether so many callers make sense: a thousand threads do not."""
    return callers <= 256 or not contender.endswith("threads")


def tables() -> list[Run]:
    """Return the runs that only tables show."""
    return [
        *(run for row in operations() for run in row),
        *(Run(name, "put", callers) for name, callers in limits()),
        *(
            Run(THREADS[0], f"{name} anywhere", 1, f"{n} rows")
            for name in ("put", "get")
            for n in ROWS
        ),
    ]


def operations() -> list[list[Run]]:
    """Return a row of runs for each operation and kind."""
    wanted = [(operation, kind) for kind in KINDS for operation in ("put", "get")]
    wanted += [("get missing", "typed"), ("create", "fleeting"), ("delete", "fleeting")]
    return [
        [Run(name, operation, 256, kind) for name in TASKS if is_able(name, operation)]
        for operation, kind in wanted
    ]


def is_able(contender: str, operation: str) -> bool:
    """Tell whether there is something to delete: ``fill`` knows no table of a contender's own."""
    return operation != "delete" or contender != "LangGraph store"


def limits() -> list[tuple[str, int]]:
    """Return what pgbench does, and with how many clients."""
    return [("pgbench", 16), ("pgbench", 64), ("pgbench, 256 rows", 1), ("pgbench, 256 rows", 2)]


def refusals() -> list[tuple[Run, Run]]:
    """Return pairs of runs: with one write in a hundred refused, and with none."""
    return [
        (
            Run(name, "put, 1 % refused", 256, "unique"),
            Run(name, "put, none refused", 256, "unique"),
        )
        for name in ("theater_sql", "psycopg pool")
    ]
