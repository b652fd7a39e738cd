"""Take a history in: send each commit to its author, its files and its day, exactly once."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple, TypeAlias

from theater_sql.demo import DemoError
from theater_sql.demo.actors import (
    Advance,
    Author,
    Begin,
    Changed,
    Day,
    Finish,
    Look,
    Repository,
    RepositoryState,
    SourceFile,
    Written,
)
from theater_sql.demo.history import Commit, History
from theater_sql.host import Actor, AwaitedTheater
from theater_sql.identity import MAX_BYTES

CHUNK_COMMITS: Final = 500
CHUNK_CHANGES: Final = 5_000
"""A chunk ends at either; after each the repository's progress is stored."""

Address: TypeAlias = tuple[type[Actor[Any]], str]
Mail: TypeAlias = dict[Address, list[Written | Changed]]
Progress: TypeAlias = Callable[[int, int], object]
"""Told after each chunk how many commits of how many are done."""


class Intake(NamedTuple):
    """What one run has taken in."""

    commits: int = 0
    messages: int = 0
    seconds: float = 0.0


async def take_in(
    theater: AwaitedTheater, repository: str, history: History, told: Progress
) -> Intake:
    """Finish what an interrupted run began, then take in what is new."""
    start, commits, messages = time.perf_counter(), 0, 0
    if (tip := history.tip) is None:
        return Intake()
    known: RepositoryState | None = await theater.ask(Repository, repository, Look())
    if known is not None:
        tip = _goal(known, history, tip)
    while (state := await theater.ask(Repository, repository, Begin(tip))).target is not None:
        total = history.count(state.taken, state.target)
        with closing(history.commits(state.taken, state.target)) as stream:
            done = state.done
            for chunk in _chunks(islice(stream, done, None)):
                mail = _mail(chunk, state.commits + done)
                await _deliver(theater, mail)
                done += len(chunk)
                await theater.ask(Repository, repository, Advance(state.target, done))
                commits, messages = commits + len(chunk), messages + sum(map(len, mail.values()))
                told(done, total)
        await theater.ask(Repository, repository, Finish(state.target, total))
    return Intake(commits, messages, time.perf_counter() - start)


def _goal(known: RepositoryState, history: History, tip: str) -> str:
    """Return where to go: ``HEAD``, unless that is older than what was taken in."""
    last = known.target or known.taken
    if last is None or history.contains(last):
        return tip
    if history.contains(tip, tip=last):
        return last
    raise DemoError(
        f"the history was rewritten: commit {last[:12]}, taken in by an earlier run, is no longer "
        "part of HEAD; check out a branch that has it, or name a new database with --url"
    )


def _chunks(commits: Iterable[Commit]) -> Iterator[list[Commit]]:
    chunk: list[Commit] = []
    changes = 0
    for commit in commits:
        chunk.append(commit)
        changes += len(commit.changes)
        if len(chunk) >= CHUNK_COMMITS or changes >= CHUNK_CHANGES:
            yield chunk
            chunk, changes = [], 0
    if chunk:
        yield chunk


def _mail(chunk: list[Commit], before: int) -> Mail:
    """Return the messages of a chunk by actor, each commit numbered from ``before`` on."""
    mail: Mail = defaultdict(list)
    for number, commit in enumerate(chunk, before + 1):
        author = actor_id(commit.author)
        extensions = dict(Counter(extension(change.path) for change in commit.changes))
        written = Written(number, commit.when, commit.added, commit.removed, extensions)
        mail[Author, author].append(written)
        day = commit.when.date().isoformat()
        mail[Day, day].append(Changed(number, author, commit.added, commit.removed))
        for path, added, removed in commit.changes:
            changed = Changed(number, author, added, removed)
            mail[SourceFile, actor_id(path)].append(changed)
    return mail


async def _deliver(theater: AwaitedTheater, mail: Mail) -> None:
    """Send to all actors at once, and to each one message after the other."""
    try:
        async with asyncio.TaskGroup() as group:
            for address, messages in mail.items():
                group.create_task(_send(theater, address, messages))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _send(
    theater: AwaitedTheater, address: Address, messages: list[Written | Changed]
) -> None:
    # The next message waits for the reply to the one before: were it applied after that one
    # had failed, the number of the failed one would be passed, and a second run ignore it.
    for message in messages:
        await theater.ask(*address, message)


def actor_id(text: str) -> str:
    """Return the text as an actor id; what is too long keeps its beginning and gets a hash."""
    raw = text.encode()
    if len(raw) <= MAX_BYTES:
        return text
    start = raw[: MAX_BYTES - 80].decode(errors="ignore")
    return f"{start}... {hashlib.sha256(raw).hexdigest()}"


def extension(path: str) -> str:
    """Return ``.py`` for ``setup.py``, and nothing where a path has no usual extension."""
    suffix = PurePosixPath(path).suffix.lower()
    return suffix if len(suffix) <= 12 and suffix[1:].isalnum() else ""
