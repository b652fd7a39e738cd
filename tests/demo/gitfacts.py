"""What git itself says about a history, read from its ordinary output, line by line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.demo.synthetic import git
from theater_sql.demo.history import readable


def shortlog(repository: Path) -> dict[str, int]:
    """Return the commits of each author as ``git shortlog -sn`` counts them."""
    lines = git(repository, "shortlog", "-sn", "HEAD").split(b"\n")[:-1]
    return {readable(name): int(count) for count, _, name in (x.partition(b"\t") for x in lines)}


def lines_by_author(repository: Path) -> dict[str, tuple[int, int]]:
    """Sum ``git log --numstat`` over the commits of each author."""
    sums: dict[str, tuple[int, int]] = {}
    author = ""
    output = git(repository, "log", "--no-renames", "--numstat", "--format=>%aN")
    for line in filter(None, output.split(b"\n")):
        if line.startswith(b">"):
            author = readable(line[1:])
            sums.setdefault(author, (0, 0))
        elif not line.startswith(b"-"):
            added, removed, _ = line.split(b"\t", 2)
            before = sums[author]
            sums[author] = (before[0] + int(added), before[1] + int(removed))
    return sums


def changes_by_path(repository: Path) -> Counter[str]:
    """Return how many commits changed each path."""
    output = git(repository, "log", "-z", "--no-renames", "--name-only", "--format=")
    return Counter(readable(path) for path in output.split(b"\0") if path)


def commits_by_day(repository: Path) -> Counter[str]:
    """Return the commits of each calendar day, in the author's own time zone."""
    return Counter(git(repository, "log", "--date=short", "--format=%ad").decode().split())
