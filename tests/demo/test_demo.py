"""The main job from end to end, on both databases: its numbers are git's numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.demo.gitfacts import changes_by_path, commits_by_day, lines_by_author, shortlog
from tests.demo.support import demo, rows, run_command
from tests.demo.synthetic import extend_history, git, make_history
from theater_sql.demo.actors import Author, Day, Repository, SourceFile
from theater_sql.demo.history import History
from theater_sql.demo.intake import actor_id

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return make_history(tmp_path / "small", commits=300)


def assert_numbers_are_those_of_git(repository: Path, url: str) -> None:
    authors = rows(url, Author)
    assert {name: row["commits"] for name, row in authors.items()} == {
        actor_id(name): count for name, count in shortlog(repository).items()
    }
    assert {name: (row["added"], row["removed"]) for name, row in authors.items()} == {
        actor_id(name): lines for name, lines in lines_by_author(repository).items()
    }
    files = {path: row["changes"] for path, row in rows(url, SourceFile).items()}
    paths = changes_by_path(repository)
    assert files == {actor_id(path): count for path, count in paths.items()}
    assert sum(sum(row["extensions"].values()) for row in authors.values()) == paths.total()
    days = {day: row["state"]["commits"] for day, row in rows(url, Day).items()}
    assert days == {f"s:{day}": count for day, count in commits_by_day(repository).items()}
    (taken,) = rows(url, Repository).values()
    assert taken["taken"] == History(repository).tip
    assert taken["commits"] == sum(shortlog(repository).values())
    assert (taken["target"], taken["done"]) == (None, 0)


def test_numbers_of_a_large_history(large_history: Path, url: str) -> None:
    demo(large_history, url)
    assert_numbers_are_those_of_git(large_history, url)


@pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="the tests run outside a checkout")
def test_numbers_of_this_repository(url: str) -> None:
    demo(CHECKOUT, url)
    assert_numbers_are_those_of_git(CHECKOUT, url)


def test_times_are_instants(small: Path, url: str) -> None:
    demo(small, url)
    history = History(small)
    assert history.tip is not None
    times = [c.when for c in history.commits(None, history.tip) if c.author == "Ada Lovelace"]
    ada = rows(url, Author)["Ada Lovelace"]
    assert (ada["first_commit"], ada["last_commit"]) == (min(times), max(times))


def test_what_is_printed(small: Path, url: str) -> None:
    done = run_command(small, url)
    assert (done.returncode, done.stderr) == (0, "")
    output = done.stdout
    lines = output.split("\n")
    assert re.search(r"300 commits, [\d,]+ messages in [\d.]+ s: [\d,]+ messages a second", output)
    counts = {name: int(count) for count, name in re.findall(r"^ +(\d+)  (\w+)$", output, re.M)}
    assert counts == {
        "author": len(shortlog(small)),
        "source_file": len(changes_by_path(small)),
        "repository": 1,
        "theater_actor": len(commits_by_day(small)),
    }
    start = next(n for n, line in enumerate(lines) if line.startswith("Busiest")) + 2
    busiest = [int(line.split()[0]) for line in lines[start : start + 10]]
    assert busiest == sorted(shortlog(small).values(), reverse=True)[:10]
    assert re.search(r'^  state +\{"commits"', output, re.M)
    assert re.search(r"^  actor_type +theater_sql.demo.actors.Day$", output, re.M)
    assert "10 of these 10 actors" in output
    assert output.replace("\n", "").isprintable()
    assert ":***@" in output or url.startswith("sqlite")


def test_second_run_takes_in_only_what_is_new(small: Path, url: str) -> None:
    demo(small, url)
    assert "nothing new" in demo(small, url)
    extend_history(small, commits=60)
    assert " 60 commits, " in demo(small, url)
    assert_numbers_are_those_of_git(small, url)


def test_repository_without_commits(tmp_path: Path, url: str) -> None:
    git(tmp_path, "init", "--quiet", "empty")
    assert "without commits" in demo(tmp_path / "empty", url)


def test_a_subdirectory_is_its_repository(tmp_path: Path, small: Path, sqlite_url: str) -> None:
    git(tmp_path, "clone", "--quiet", str(small), "clone")
    (tmp_path / "clone" / "somewhere").mkdir()
    demo(tmp_path / "clone" / "somewhere", sqlite_url)
    assert_numbers_are_those_of_git(tmp_path / "clone", sqlite_url)
    assert "nothing new" in demo(small, sqlite_url)  # the same history at another place
