"""Run the demonstration, and read what it left behind."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from theater_sql.backends import engine_for
from theater_sql.cli import main
from theater_sql.demo.actors import Author, Day, Repository, SourceFile, actors

UNREPEATABLE = ("etag", "created_at", "updated_at")
"""What differs from run to run. The version does not: no message is stored twice."""


def command(repository: Path, url: str) -> list[str]:
    """Return the command line of ``theater-sql demo``."""
    return [sys.executable, "-m", "theater_sql.cli", "demo", str(repository), "--url", url]


def run_command(repository: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Run the demonstration as a user does."""
    return subprocess.run(command(repository, url), capture_output=True, text=True, check=False)


def run_here(repository: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Run the demonstration in this process, which spares half a second of imports."""
    arguments = ["demo", str(repository), "--url", url]
    with redirect_stdout(io.StringIO()) as output, redirect_stderr(io.StringIO()) as errors:
        code = main(arguments)
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())


def demo(repository: Path, url: str) -> str:
    """Run the demonstration here to its end, and return what it printed."""
    done = run_here(repository, url)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def rows(url: str, actor: type[Any]) -> dict[str, dict[str, Any]]:
    """Return the rows of an actor type by actor id, without what differs from run to run."""
    table = actors.table(actor)
    wanted = [column for column in table.columns if column.name not in UNREPEATABLE]
    with engine_for(url).connect() as connection:
        found = connection.execute(sa.select(*wanted)).mappings().all()
    return {row["actor_id"]: dict(row) for row in found}


def all_rows(url: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the rows of every table of the demonstration."""
    return {actor.__name__: rows(url, actor) for actor in (Author, SourceFile, Repository, Day)}
