"""Killed at any moment, the next run ends where an undisturbed one would have."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from tests.demo.support import all_rows, command, demo
from tests.demo.synthetic import make_history
from theater_sql.backends import engine_for
from theater_sql.demo.actors import Author, actors

COMMITS = 2_000


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_history(tmp_path_factory.mktemp("git") / "history", COMMITS)


@pytest.fixture(scope="module")
def undisturbed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    url = f"sqlite:///{tmp_path_factory.mktemp('undisturbed') / 'theater.db'}"
    demo(repository, url)
    return all_rows(url)


def start(repository: Path, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(repository, url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def commits_stored(url: str) -> int:
    """Return how many commits the authors know of; none while there is no table."""
    query = sa.select(sa.func.coalesce(sa.func.sum(actors.table(Author).c.commits), 0))
    try:
        with engine_for(url).connect() as connection:
            return int(connection.execute(query).scalar_one())
    except DBAPIError:
        return 0


@pytest.mark.parametrize(
    "moments",
    [(1,), (499,), (1_000, 1_001), (200, 700, 1_200, 1_700)],
    ids=["first", "chunk", "twice", "often"],
)
def test_kill_9(
    repository: Path, undisturbed: dict[str, Any], url: str, moments: tuple[int, ...]
) -> None:
    for moment in moments:
        with start(repository, url) as process:
            while commits_stored(url) < moment and process.poll() is None:
                time.sleep(0.002)
            process.kill()
        assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    assert commits_stored(url) < COMMITS
    demo(repository, url)
    assert all_rows(url) == undisturbed


def test_two_runs_at_once(repository: Path, undisturbed: dict[str, Any], url: str) -> None:
    runs = [start(repository, url) for _ in range(2)]
    ends = [(run.communicate()[1], run.returncode) for run in runs]
    assert ends == [("", 0)] * 2
    assert all_rows(url) == undisturbed


def test_interrupted_by_the_user(
    repository: Path, undisturbed: dict[str, Any], sqlite_url: str
) -> None:
    with start(repository, sqlite_url) as process:
        while commits_stored(sqlite_url) < 1 and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1].strip().endswith("interrupted; run it again to go on")
    assert process.returncode == 130
    demo(repository, sqlite_url)
    assert all_rows(sqlite_url) == undisturbed
