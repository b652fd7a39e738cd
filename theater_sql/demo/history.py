"""Read the history of a git repository: commits in one fixed order, each with its numbers."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import IO, Final, NamedTuple

from theater_sql.demo import DemoError

LATEST: Final = 253_402_214_400
"""The last second of time that fits ``datetime`` in every time zone."""

# The order must be the same in every run, so nothing of the user's configuration may change
# it: not a commit graph written in between, nor options that add or hide lines.
_FIXED: Final = (
    *("-c", "core.commitGraph=false"),
    *("-c", "log.showSignature=false"),
    *("-c", "log.showRoot=true"),
    *("-c", "diff.relative=false"),
)
_LOG: Final = (
    *("log", "-z", "--numstat", "--reverse", "--topo-order", "--date=raw", "--encoding=UTF-8"),
    *("--no-renames", "--no-color", "--no-ext-diff", "--no-textconv"),
    "--format=commit %H%x00%aN%x00%ad",
)


class Change(NamedTuple):
    """What one commit did to one path; a binary file counts no lines."""

    path: str
    added: int
    removed: int


class Commit(NamedTuple):
    """One commit. A merge has no changes of its own."""

    sha: str
    author: str
    when: datetime
    changes: tuple[Change, ...]

    @property
    def added(self) -> int:
        """Sum the lines added over all paths."""
        return sum(change.added for change in self.changes)

    @property
    def removed(self) -> int:
        """Sum the lines removed over all paths."""
        return sum(change.removed for change in self.changes)


class History:
    """The commits of the repository that holds ``path``, up to its ``HEAD``."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._environment = _environment()
        self._ask("rev-parse", "--git-dir")
        self.tip: Final = self._look("rev-parse", "--quiet", "--verify", "HEAD")
        """The newest commit; ``None`` in a repository without one."""

    def first(self) -> str | None:
        """Return the commit that comes first in the order of ``commits``."""
        if self.tip is None:
            return None
        roots = self._ask("rev-list", "--max-parents=0", "--reverse", "--topo-order", self.tip)
        return roots.split("\n", 1)[0]

    def contains(self, sha: str, *, tip: str | None = None) -> bool:
        """Tell whether a commit is part of the history up to ``tip`` (else ``HEAD``)."""
        tip = tip or self.tip
        if tip is None:
            return False
        return self._look("merge-base", "--is-ancestor", sha, tip) is not None

    def count(self, after: str | None, tip: str) -> int:
        """Return how many commits ``commits`` would yield."""
        return int(self._ask("rev-list", "--count", *_range(after, tip)))

    def commits(self, after: str | None, tip: str) -> Generator[Commit, None, None]:
        """Yield what ``tip`` has and ``after`` has not, parents before children.

        The same two commits give the same order each time. Memory stays small: the output
        of one ``git log`` is parsed while git is still writing it.
        """
        command = self._command(*_LOG, *_range(after, tip), "--")
        with (
            tempfile.TemporaryFile() as complaints,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=complaints, env=self._environment
            ) as process,
        ):
            try:
                yield from _parse(self._tokens(process, complaints))
            finally:
                process.kill()

    def _tokens(self, process: subprocess.Popen[bytes], complaints: IO[bytes]) -> Iterator[bytes]:
        """Yield what git writes between NULs; the last of it only after git has ended well."""
        assert process.stdout is not None
        rest = b""
        while block := process.stdout.read(1 << 16):
            *whole, rest = (rest + block).split(b"\0")
            yield from whole
        if process.wait():
            complaints.seek(0)
            raise DemoError(self._complaint(complaints.read()))
        if rest:
            yield rest

    def _command(self, *arguments: str) -> list[str]:
        return ["git", "-C", self._path, *_FIXED, *arguments]

    def _ask(self, *arguments: str) -> str:
        answer = self._run(*arguments)
        if answer.returncode:
            raise DemoError(self._complaint(answer.stderr))
        return answer.stdout.decode().strip()

    def _look(self, *arguments: str) -> str | None:
        answer = self._run(*arguments)
        return None if answer.returncode else answer.stdout.decode().strip()

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = self._command(*arguments)
        try:
            return subprocess.run(command, capture_output=True, env=self._environment, check=False)
        except OSError as error:
            raise DemoError(f"git can't be run ({error.strerror}): install it first") from None

    def _complaint(self, stderr: bytes) -> str:
        lines = readable(stderr).strip().splitlines() or ["git failed and did not say why"]
        first = lines[0].removeprefix("fatal: ")
        if first.startswith("not a git repository"):
            return f"not a git repository: {self._path}"
        return f"git can't read {self._path}: {first}"


def readable(raw: bytes) -> str:
    r"""Decode what is UTF-8, and show every other byte as ``\xff``."""
    return raw.decode("utf-8", "backslashreplace")


def _environment() -> dict[str, str]:
    """Return the environment without what points git at another repository, in English."""
    foreign = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE")
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}


def _range(after: str | None, tip: str) -> tuple[str, ...]:
    return (tip,) if after is None else (tip, f"^{after}")


def _parse(tokens: Iterator[bytes]) -> Iterator[Commit]:
    """Build commits from ``commit <sha>``, author and date, followed by any changes.

    A change begins with a digit or ``-``, so no path can pass for the next commit.
    """
    token = next(tokens, None)
    while token is not None:
        sha = token.removeprefix(b"commit ").decode("ascii")
        author, when = readable(next(tokens)), _time(next(tokens))
        changes = []
        while (token := next(tokens, None)) is not None and not token.startswith(b"commit "):
            changes.append(_change(token.removeprefix(b"\n")))
        yield Commit(sha, author, when, tuple(changes))


def _change(token: bytes) -> Change:
    added, removed, path = token.split(b"\t", 2)
    if added == b"-":
        return Change(readable(path), 0, 0)
    return Change(readable(path), int(added), int(removed))


def _time(raw: bytes) -> datetime:
    """Return the author's time in the author's zone; a time that can't be is moved to one."""
    seconds, _, zone = raw.decode("ascii", "replace").partition(" ")
    moment = min(int(seconds), LATEST) if seconds.isdecimal() else 0
    return datetime.fromtimestamp(moment, _zone(zone))


def _zone(text: str) -> timezone:
    digits = text[1:]
    if text[:1] not in ("+", "-") or not digits.isdecimal():
        return UTC
    minutes = int(digits) // 100 * 60 + int(digits) % 100
    offset = timedelta(minutes=-minutes if text[0] == "-" else minutes)
    return timezone(offset) if abs(offset) < timedelta(days=1) else UTC
