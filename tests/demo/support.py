"""Run the demonstration as a user does, and read what it left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from theater_sql.backends import engine_for
from theater_sql.demo.actors import Author, Day, Repository, SourceFile, actors

UNREPEATABLE = ("etag", "created_at", "updated_at")
"""What differs from run to run. The version does not: no message is stored twice."""


def command(repository: Path, url: str) -> list[str]:
    """Return the command line of ``theater-sql demo``."""
    return [sys.executable, "-m", "theater_sql.cli", "demo", str(repository), "--url", url]


def demo(repository: Path, url: str) -> str:
    """Run the demonstration to its end, and return what it printed."""
    done = subprocess.run(command(repository, url), capture_output=True, text=True, check=False)
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
