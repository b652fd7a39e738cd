"""The history as the demo reads it is the history as git itself tells it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from tests.demo.gitfacts import changes_by_path, commits_by_day, lines_by_author, shortlog
from tests.demo.synthetic import AUTHORS, ODD_PATHS, extend_history, git, make_history
from theater_sql.demo import DemoError
from theater_sql.demo.history import Commit, History, readable


def _commits(repository: Path, after: str | None = None) -> list[Commit]:
    history = History(repository)
    assert history.tip is not None
    return list(history.commits(after, history.tip))


def test_authors_are_grouped_as_shortlog_groups_them(large_history: Path) -> None:
    assert Counter(commit.author for commit in _commits(large_history)) == shortlog(large_history)
    assert {"Ada Lovelace", "Grace Hopper", ""} <= shortlog(large_history).keys()
    assert "Countess" not in shortlog(large_history)
    assert len(shortlog(large_history)) == len(AUTHORS) - 3


def test_lines_are_those_of_numstat(large_history: Path) -> None:
    found: dict[str, tuple[int, int]] = {}
    for commit in _commits(large_history):
        added, removed = found.get(commit.author, (0, 0))
        found[commit.author] = (added + commit.added, removed + commit.removed)
    assert found == lines_by_author(large_history)


def test_paths_are_whole(large_history: Path) -> None:
    found = {change.path for commit in _commits(large_history) for change in commit.changes}
    assert found == changes_by_path(large_history).keys()
    assert {readable(path) for path in ODD_PATHS} <= found


def test_days_are_those_of_the_author(large_history: Path) -> None:
    found = Counter(commit.when.date().isoformat() for commit in _commits(large_history))
    assert found == commits_by_day(large_history)


def test_parents_come_before_children(large_history: Path) -> None:
    output = git(large_history, "rev-list", "--reverse", "--topo-order", "HEAD").decode().split()
    assert [commit.sha for commit in _commits(large_history)] == output
    assert History(large_history).first() == output[0]


def test_order_survives_a_commit_graph(tmp_path: Path) -> None:
    repository = make_history(tmp_path / "git", commits=300)
    before = _commits(repository)
    git(repository, "commit-graph", "write", "--reachable")
    assert _commits(repository) == before


def test_what_is_new_follows_the_old_tip(tmp_path: Path) -> None:
    repository = make_history(tmp_path / "git", commits=200)
    old = History(repository).tip
    assert old is not None
    earlier = _commits(repository)
    extend_history(repository, commits=60)
    history = History(repository)
    assert history.tip is not None
    later = _commits(repository, after=old)
    assert history.count(old, history.tip) == len(later) == 60
    assert {c.sha for c in earlier + later} == {c.sha for c in _commits(repository)}
    assert history.contains(old) and not history.contains("0" * 40)
    assert history.contains(old, tip=old) and not history.contains(history.tip, tip=old)


def test_times_keep_their_zone(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main")
    dates = (b"1700000000 +1245", b"1700000000 -0330", b"99999999999999 +0100", b"5 +9900")
    stream = b"".join(
        b"commit refs/heads/main\nauthor A <a> %s\ncommitter C <c> %s\ndata 0\n" % (date, date)
        for date in dates
    )
    git(tmp_path, "fast-import", "--quiet", "--date-format=raw-permissive", stdin=stream)
    times = [commit.when for commit in _commits(tmp_path)]
    assert times[0].utcoffset() == timedelta(hours=12, minutes=45)
    assert times[1].utcoffset() == -timedelta(hours=3, minutes=30)
    assert [time.timestamp() for time in times[:2]] == [1_700_000_000] * 2
    assert times[2].year == 9999
    assert times[3].utcoffset() == timedelta(0)


def test_the_users_configuration_changes_nothing(
    large_history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = _commits(large_history)[:100]
    (tmp_path / ".gitconfig").write_text(
        "[log]\nshowRoot = false\nshowSignature = true\ndate = relative\n"
        "[diff]\nrenames = copies\n[color]\nui = always\n[core]\nquotePath = false\n"
        "[i18n]\nlogOutputEncoding = latin1\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert _commits(large_history)[:100] == expected


def test_repository_without_commits_is_empty(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    history = History(tmp_path)
    assert history.tip is None
    assert history.first() is None
    assert not history.contains("0" * 40)


def test_shallow_clones_are_read_up_to_their_edge(large_history: Path, tmp_path: Path) -> None:
    source = large_history.as_uri()
    git(tmp_path, "clone", "--quiet", "--bare", "--depth=20", source, str(tmp_path / "clone"))
    count = int(git(tmp_path / "clone", "rev-list", "--count", "HEAD"))
    assert 20 <= len(_commits(tmp_path / "clone")) == count < 5_000


@pytest.mark.parametrize("path", [".", "missing"])
def test_no_repository_is_one_clear_line(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(DemoError) as raised:
        History(tmp_path / path)
    assert str(tmp_path / path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_git_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DemoError, match="install it first"):
        History(tmp_path)


def test_damaged_history_is_an_error(tmp_path: Path) -> None:
    repository = make_history(tmp_path / "git", commits=100)
    commits = _commits(repository)
    packs = list((repository / "objects" / "pack").glob("*.pack"))
    contents = [pack.read_bytes() for pack in packs]
    for file in (repository / "objects" / "pack").iterdir():
        file.unlink()
    for content in contents:
        git(repository, "unpack-objects", "-q", stdin=content)
    victim = commits[50].sha
    (repository / "objects" / victim[:2] / victim[2:]).unlink()
    with pytest.raises(DemoError, match="git can't read"):
        _commits(repository)
