"""Every commit counts once, whatever write the process does not survive."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.demo.synthetic import extend_history, git, make_history
from theater_sql.contract import NOT_PRESENT, AsyncStorage, Etag, Found
from theater_sql.demo import DemoError, intake
from theater_sql.demo.actors import Author, Day, Repository, SourceFile
from theater_sql.demo.history import History
from theater_sql.demo.intake import Intake, actor_id, extension, take_in
from theater_sql.host import Theater
from theater_sql.identity import MAX_BYTES, check_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ETAG = Etag(UUID(int=0))


class PowerCut(Exception):
    """The end of a storage that was told how many writes it may do."""


class Memory(AsyncStorage):
    """A storage that fails for good after a number of writes, the last one done or not."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Any, Any], Any] = {}
        self.left: float = float("inf")
        self.keeps_last = False

    async def get(self, actor_type: Any, actor_id: Any) -> Any:
        check_id("demo", actor_id)
        state = self.rows.get((actor_type, actor_id))
        return NOT_PRESENT if state is None else Found(state, ETAG, 1, NOW)

    async def put(self, actor_type: Any, actor_id: Any, state: Any) -> None:
        await asyncio.sleep(0)
        if self.left <= 0:
            if self.keeps_last and self.left == 0:
                self.rows[actor_type, actor_id] = state
            self.left = -1
            raise PowerCut
        self.left -= 1
        self.rows[actor_type, actor_id] = state

    async def delete(self, actor_type: Any, actor_id: Any) -> None:
        raise NotImplementedError


def run(storage: Memory, repository: Path, actor: str = "repository") -> Intake:
    async def job() -> Intake:
        async with Theater(storage) as theater:
            return await take_in(theater, actor, History(repository), lambda done, total: None)

    return asyncio.run(job())


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "CHUNK_COMMITS", 7)
    monkeypatch.setattr(intake, "CHUNK_CHANGES", 12)


@pytest.mark.parametrize("keeps_last", [False, True], ids=["lost", "applied"])
@pytest.mark.usefixtures("small_chunks")
def test_any_write_may_be_the_last(tmp_path: Path, keeps_last: bool) -> None:
    repository = make_history(tmp_path / "git", commits=25)
    whole = Memory()
    assert run(whole, repository).commits == 25
    stops = 0
    while True:
        storage = Memory()
        storage.left, storage.keeps_last = stops, keeps_last
        try:
            run(storage, repository)
        except PowerCut:
            storage.left = float("inf")
            run(storage, repository)
            assert storage.rows == whole.rows
        else:
            break
        stops += 1
    assert stops > 25 * 2


@pytest.mark.usefixtures("small_chunks")
def test_an_interrupted_range_is_finished_before_what_is_new(tmp_path: Path) -> None:
    repository = make_history(tmp_path / "git", commits=40)
    storage = Memory()
    storage.left = 50
    with pytest.raises(PowerCut):
        run(storage, repository)
    extend_history(repository, commits=20)
    storage.left = float("inf")
    run(storage, repository)
    expected = Counter(git(repository, "log", "--format=%aN").decode(errors="replace").split("\n"))
    authors = {i: s.commits for (kind, i), s in storage.rows.items() if kind is Author}
    assert sum(authors.values()) == 60
    assert authors["Ada Lovelace"] == expected["Ada Lovelace"]
    assert storage.rows[Repository, "repository"].commits == 60
    days = [s["commits"] for (kind, _), s in storage.rows.items() if kind is Day]
    assert sum(days) == 60


def test_what_was_taken_in_is_not_taken_in_again(tmp_path: Path) -> None:
    repository = make_history(tmp_path / "git", commits=40)
    storage = Memory()
    assert run(storage, repository).commits == 40
    rows = dict(storage.rows)
    assert run(storage, repository).commits == 0
    assert storage.rows == rows
    extend_history(repository, commits=15)
    assert run(storage, repository).commits == 15


def test_an_older_head_is_nothing_new(tmp_path: Path) -> None:
    repository = make_history(tmp_path / "git", commits=40)
    storage = Memory()
    run(storage, repository)
    rows = dict(storage.rows)
    git(repository, "update-ref", "HEAD", "HEAD~5")
    assert run(storage, repository).commits == 0
    assert storage.rows == rows


def test_rewritten_history_is_refused(tmp_path: Path) -> None:
    repository = make_history(tmp_path / "git", commits=40)
    storage = Memory()
    run(storage, repository)
    git(repository, "update-ref", "HEAD", "HEAD~5")
    extend_history(repository, commits=3)
    with pytest.raises(DemoError, match="rewritten"):
        run(storage, repository)


def test_ids_fit_whatever_the_path(tmp_path: Path) -> None:
    storage = Memory()
    run(storage, make_history(tmp_path / "git", commits=400))
    long = [i for kind, i in storage.rows if kind is SourceFile and i.startswith("deep/deep/")]
    assert len(long) == 1
    for text in ("x" * 513, "\N{SNOWMAN}" * 300, "y" * MAX_BYTES, ""):
        check_id("demo", actor_id(text))
    assert actor_id("x" * 600) != actor_id("x" * 601)
    assert actor_id("y" * MAX_BYTES) == "y" * MAX_BYTES


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.py", ".py"),
        ("a.tar.GZ", ".gz"),
        ("Makefile", ""),
        (".hidden", ""),
        ("a.b/c", ""),
        ("what is. this", ""),
        ("a.averyveryverylongextension", ""),
    ],
)
def test_extensions(path: str, expected: str) -> None:
    assert extension(path) == expected
