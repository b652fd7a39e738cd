"""The demonstration on a cluster stores what it stores without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.demo.support import demo, rows
from tests.demo.synthetic import make_history
from theater_sql.cli import main
from theater_sql.demo.actors import Author, Repository, SourceFile


def test_the_demo_on_ray_stores_what_it_stores_in_one_process(
    cluster: Any, pg_url: str, sqlite_url: str, tmp_path: Path
) -> None:
    repository = make_history(tmp_path / "history", commits=500)
    demo(repository, sqlite_url)
    assert main(["demo", str(repository), "--url", pg_url, "--host", "ray"]) == 0
    assert numbers(pg_url) == numbers(sqlite_url)


def numbers(url: str) -> dict[str, dict[str, list[int]]]:
    """Return all whole numbers of the actors that have tables of their own, by actor."""
    return {
        kind.__name__: {
            name: [value for value in row.values() if type(value) is int]
            for name, row in rows(url, kind).items()
        }
        for kind in (Author, SourceFile, Repository)
    }
