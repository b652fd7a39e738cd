"""Many processes that upgrade one empty database at the same moment, again and again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.conftest import NewDatabase
from tests.migrations.project import DEMO, ROOT
from theater_sql.backends import engine_for
from theater_sql.demo.actors import actors
from theater_sql.migrations.check import differences

PROCESSES, ROUNDS = 12, 10

UPGRADER = """
import sys
from theater_sql.migrations import upgrade

print("ready", flush=True)
for line in sys.stdin:
    upgrade(line.strip(), sys.argv[1])
    print("done", flush=True)
"""

New = Callable[[], AbstractContextManager[str]]


@pytest.fixture(params=["sqlite", "postgresql"])
def new(request: pytest.FixtureRequest, new_pg: NewDatabase, tmp_path: Path) -> New:
    """What makes an empty database."""
    numbers = iter(range(ROUNDS))

    @contextmanager
    def new_file() -> Iterator[str]:
        yield f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"

    return new_file if request.param == "sqlite" else new_pg


@pytest.fixture
def upgraders() -> Iterator[list[subprocess.Popen[str]]]:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADER, str(DEMO)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def heard(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{word}\n", process.communicate()[1]


def test_all_succeed_every_time(new: New, upgraders: list[subprocess.Popen[str]]) -> None:
    for process in upgraders:
        heard(process, "ready")
    for _ in range(ROUNDS):
        with new() as url:
            for process in upgraders:
                assert process.stdin is not None
                process.stdin.write(f"{url}\n")
                process.stdin.flush()
            for process in upgraders:
                heard(process, "done")
            assert differences(engine_for(url), actors) == []
