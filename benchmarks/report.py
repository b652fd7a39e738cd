"""The page: tables between its markers in ``docs/benchmarks.md``, and the plots next to it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import psycopg
import sqlalchemy

from benchmarks.load import Run
from benchmarks.plots import plot
from benchmarks.suite import ROWS, TASKS, THREADS, Results, Samples, limits, operations, refusals
from benchmarks.targets import Finding

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def write(results: Results) -> None:
    """Write the tables and the plots, and leave the prose as it is."""
    samples = results.samples
    parts = {
        "targets": _table(
            ["", "reached", "target", "stretch", ""], map(_target_row, results.findings)
        ),
        "machine": _machine(results.server),
        "operations": _operations(samples),
        "cpu": _cpu(samples),
        "limits": _limits(samples),
        "growth": _growth(samples),
        "refused": _refused(samples),
        "memory": _memory(results),
    }
    text = PAGE.read_text(encoding="utf-8")
    for name, part in parts.items():
        text = replaced(text, name, part)
    PAGE.write_text(text, encoding="utf-8")
    plot(samples, PAGE.parent / "benchmarks")


def replaced(text: str, name: str, part: str) -> str:
    """Return the page with another text between the markers of that name."""
    begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    changed, times = pattern.subn(lambda _: f"{begin}\n\n{part}\n\n{end}", text)
    if times != 1:
        raise ValueError(f"{PAGE.name} needs the markers of {name!r} once")
    return changed


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _target_row(found: Finding) -> list[str]:
    bound = "at least" if found.better == "higher" else "at most"
    return [
        found.what,
        _short(found.ratio),
        f"{bound} {found.target:g}",
        "" if found.stretch is None else f"{found.stretch:g}",
        "met" if found.met else "**not met**",
    ]


def _machine(server: str) -> str:
    return (
        f"{os.cpu_count()} cores, shared by the clients and the server; "
        f"Python {platform.python_version()}, PostgreSQL {server}, "
        f"SQLAlchemy {sqlalchemy.__version__}, psycopg {psycopg.__version__}."
    )


def _rate(samples: Samples, run: Run) -> float:
    return median(sample.rate for sample in samples[run])


def _operations(samples: Samples) -> str:
    rows = []
    for ours, *others in operations():
        rate = _rate(samples, ours)
        times = ["-"] * (len(TASKS) - 1)
        times[: len(others)] = [_short(rate / _rate(samples, other)) for other in others]
        rows.append([f"{ours.operation}, {ours.kind}", f"{rate:,.0f}", *times])
    return _table(["256 tasks", "theater_sql, calls/s", *(f"over {n}" for n in TASKS[1:])], rows)


def _cpu(samples: Samples) -> str:
    rows = []
    for name in TASKS:
        cells = [name]
        for operation in ("put", "get"):
            found = samples[Run(name, operation)]
            cells += [_short(median(getattr(s, side) for s in found)) for side in _SIDES]
        rows.append(cells)
    return _table(["256 tasks, µs", "put, client", "server", "get, client", "server"], rows)


_SIDES = ("client", "server")


def _limits(samples: Samples) -> str:
    ours = _rate(samples, Run("theater_sql"))
    rows = []
    for name, clients in limits():
        rate = _rate(samples, Run(name, "put", clients))
        rows.append([f"{name}, {clients} clients", f"{rate:,.0f}", _short(ours / rate)])
    return _table(["", "rows/s", "theater_sql, 256 tasks, over it"], rows)


def _growth(samples: Samples) -> str:
    rows = []
    for operation in ("put", "get"):
        runs = [Run(THREADS[0], f"{operation} anywhere", 1, f"{n} rows") for n in ROWS]
        first, *_ = p50s = [median(sample.p50 for sample in samples[run]) for run in runs]
        rows.append([operation, *(f"{p50:.0f} µs ({p50 / first:.2f})" for p50 in p50s)])
    return _table(["one thread, p50", *(f"{n:,} rows" for n in ROWS)], rows)


def _refused(samples: Samples) -> str:
    rows = []
    for poisoned, clean in refusals():
        rate, before = _rate(samples, poisoned), _rate(samples, clean)
        rows.append([clean.contender, f"{before:,.0f}", f"{rate:,.0f}", _short(rate / before)])
    return _table(["256 tasks", "none refused, put/s", "1 % refused, put/s", "ratio"], rows)


def _memory(results: Results) -> str:
    put, bare = results.memory
    return (
        f"A waiting put takes {put:,.0f} bytes: {bare:,.0f} for its task, its id and its state, "
        f"and {put - bare:,.0f} for theater_sql."
    )


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"
