"""The limit: what the server does when pgbench, written in C, sends it the same writes."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from math import nan
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from benchmarks.arena import Arena
from benchmarks.data import KINDS, first_etag
from benchmarks.load import Run, Sample
from tests.postgres import binaries

LIMITS: Final = {"pgbench": 1, "pgbench, 256 rows": 256}
"""Rows of a statement, by the name that runs call it."""

# The plan of theater_sql's connections: a nested loop in the order of the arrays.
_PLAN = (
    "-c plan_cache_mode=force_generic_plan -c enable_hashjoin=off -c enable_mergejoin=off "
    "-c enable_seqscan=off -c enable_bitmapscan=off"
)
_KIND = KINDS["limit"]


def limit(arena: Arena, run: Run, seconds: float) -> Sample:
    """Let pgbench's clients write for a slice of time, in whole seconds."""
    arena.prepare("postgresql", "put", [_KIND])
    rows = LIMITS[run.contender]
    script = _single() if rows == 1 else _batches(run.callers)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        options = ["--no-vacuum", "--protocol=prepared", f"--file={file.name}",
                   f"--client={run.callers}", f"--jobs={min(run.callers, 2)}",
                   f"--time={max(1, round(seconds))}", *_defines(run.callers, rows)]  # fmt: skip
        output = subprocess.run(
            [binaries() / "pgbench", *options],
            env=_environment(arena),
            capture_output=True,
            text=True,
        )
    found = re.search(r"^tps = ([\d.]+)", output.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(output.stderr)
    return Sample(float(found[1]) * rows, nan, nan, nan, nan)


def _environment(arena: Arena) -> dict[str, str]:
    server = arena.server
    return os.environ | {
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGUSER": server.user,
        "PGPASSWORD": server.password or "",
        "PGDATABASE": server.maintenance_dbname,
        "PGOPTIONS": _PLAN,
    }


def _values() -> dict[str, Any]:
    names = [column.name for column in _KIND.columns]
    return dict(zip(names, _KIND.values(_KIND.state(1)), strict=True))


def _actors(client: int, rows: int) -> range:
    first = 2 + client * rows
    return range(first, first + rows)


def _defines(clients: int, rows: int) -> Iterator[str]:
    """Yield the variables of the scripts: the values of one row, or an array for each column."""
    for name, value in _values().items():
        yield f"--define={name}={value if rows == 1 else _array([value] * rows)}"
    for client in range(clients if rows > 1 else 0):
        actors = sorted(_actors(client, rows), key=str)
        yield f"--define=ids_{client}={_array([f'actor-{n}' for n in actors])}"
        yield f"--define=etags_{client}={_array([first_etag(n) for n in actors])}"


def _array(values: list[Any]) -> str:
    return "{" + ",".join(f'"{value}"' for value in values) + "}"


def _single() -> str:
    changes = ", ".join(f"{name} = :{name}" for name in _values())
    # An etag that stays the same is compared and written like any other.
    etag = "CAST(lpad(CAST(:own AS text), 32, '0') AS uuid)"
    return (
        "\\set own 2 + :client_id\n"
        f"UPDATE {_KIND.table.name} SET {changes}, etag = {etag}, version = version + 1, "
        "updated_at = now() "
        f"WHERE actor_id = 'actor-' || CAST(:own AS text) AND etag = {etag};\n"
    )


def _batches(clients: int) -> str:
    """Return a script in which every client has actors of its own."""
    return "".join(
        f"\\if :client_id = {client}\n{_batch(client)};\n\\endif\n" for client in range(clients)
    )


def _batch(client: int) -> str:
    table = _KIND.table
    names = list(_values())
    arrays = ", ".join(f"CAST(:{name} AS {_type(table.c[name])}[])" for name in names)
    changes = ", ".join(f"{name} = batch.{name}" for name in [*names, "etag"])
    return (
        f"UPDATE {table.name} SET {changes}, version = {table.name}.version + 1, "
        f"updated_at = now() FROM unnest(CAST(:ids_{client} AS text[]), "
        f"CAST(:etags_{client} AS uuid[]), {arrays}) "
        f"AS batch(actor_id, etag, {', '.join(names)}) "
        f"WHERE {table.name}.actor_id = batch.actor_id AND {table.name}.etag = batch.etag"
    )


def _type(column: sa.Column[Any]) -> str:
    return column.type.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
