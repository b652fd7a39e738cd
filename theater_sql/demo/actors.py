"""The demonstration's actors: authors, source files, days, and the repository itself.

Each commit has a number, its place in the order in which the repository is taken in. An
actor remembers the last number it applied and ignores what is not above it, so a message
that is sent again after a crash counts once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from theater_sql import ActorRegistry, ActorRow
from theater_sql.host import NO_UPDATE, Actor, NoUpdate, Outcome, Persist


class Base(DeclarativeBase):
    """Models of the application; tables of registered actors join the same metadata."""


actors = ActorRegistry(metadata=Base.metadata)


class Look(NamedTuple):
    """Ask for the state; an actor that is not stored answers ``None`` and stays so."""


class Written(NamedTuple):
    """Tell an author of one commit; ``extensions`` counts the files it changed."""

    number: int
    when: datetime
    added: int
    removed: int
    extensions: dict[str, int]


class Changed(NamedTuple):
    """Tell a file or a day of one commit."""

    number: int
    author: str
    added: int
    removed: int


@dataclass(frozen=True)
class AuthorState:
    """What an author did; each field becomes a column of the table ``author``."""

    commits: int = 0
    added: int = 0
    removed: int = 0
    first_commit: datetime | None = None
    last_commit: datetime | None = None
    extensions: dict[str, int] = field(default_factory=dict)
    last_number: int = 0


@actors.register(state=AuthorState)
class Author(Actor[AuthorState]):
    """One author; the id is the name that ``git shortlog`` shows when the commit is taken in.

    A ``.mailmap`` that is changed later changes nothing that is stored; changed between a crash
    and the next run, it may count the commits of the interrupted chunk under both names.
    """

    def process(
        self, state: AuthorState | None, actor_id: str, message: Written | Look
    ) -> Outcome[AuthorState]:
        """Add a commit, or answer."""
        if isinstance(message, Look):
            return NoUpdate(reply=state)
        state = state or AuthorState()
        if message.number <= state.last_number:
            return NO_UPDATE
        return Persist(
            AuthorState(
                commits=state.commits + 1,
                added=state.added + message.added,
                removed=state.removed + message.removed,
                first_commit=min(message.when, state.first_commit or message.when),
                last_commit=max(message.when, state.last_commit or message.when),
                extensions=dict(Counter(state.extensions) + Counter(message.extensions)),
                last_number=message.number,
            )
        )


class SourceFileRow(ActorRow, Base):
    """A model of the application's own, with an index of its own."""

    __tablename__ = "source_file"

    actor_id: Mapped[str] = mapped_column(Text, primary_key=True)
    changes: Mapped[int] = mapped_column(BigInteger)
    added: Mapped[int] = mapped_column(BigInteger)
    removed: Mapped[int] = mapped_column(BigInteger)
    last_author: Mapped[str] = mapped_column(Text, index=True)
    last_number: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True)
class SourceFileState:
    """How often a path was changed, by how many lines, and by whom at last."""

    changes: int = 0
    added: int = 0
    removed: int = 0
    last_author: str = ""
    last_number: int = 0


@actors.register(model=SourceFileRow, state=SourceFileState)
class SourceFile(Actor[SourceFileState]):
    """One path; the id is the path. A renamed file is another actor."""

    def process(
        self, state: SourceFileState | None, actor_id: str, message: Changed
    ) -> Outcome[SourceFileState]:
        """Add a change."""
        state = state or SourceFileState()
        if message.number <= state.last_number:
            return NO_UPDATE
        return Persist(
            SourceFileState(
                changes=state.changes + 1,
                added=state.added + message.added,
                removed=state.removed + message.removed,
                last_author=message.author,
                last_number=message.number,
            )
        )


class Day(Actor[dict[str, Any]]):
    """One calendar day, such as ``2026-11-22``. Not registered: it needs no table of its own."""

    def process(
        self, state: dict[str, Any] | None, actor_id: str, message: Changed
    ) -> Outcome[dict[str, Any]]:
        """Add a commit."""
        state = state or {"commits": 0, "added": 0, "removed": 0, "authors": {}, "last_number": 0}
        if message.number <= state["last_number"]:
            return NO_UPDATE
        authors = state["authors"]
        return Persist(
            {
                "commits": state["commits"] + 1,
                "added": state["added"] + message.added,
                "removed": state["removed"] + message.removed,
                "authors": {**authors, message.author: authors.get(message.author, 0) + 1},
                "last_number": message.number,
            }
        )


class Begin(NamedTuple):
    """Take in everything up to a commit; what was begun before is to be finished first."""

    target: str


class Advance(NamedTuple):
    """So many commits on the way to the target are acknowledged by every actor."""

    target: str
    done: int


class Finish(NamedTuple):
    """Everything up to the target is taken in."""

    target: str
    total: int


@dataclass(frozen=True)
class RepositoryState:
    """How far the repository is taken in.

    Attributes:
        taken: the last commit that was taken in, with everything before it.
        commits: how many commits that is; the next one has the number after this.
        target: what is being taken in now. Stored before the first message goes out, so that
            an interrupted run is finished with the same commits under the same numbers.
        done: how many commits between the two are acknowledged.
    """

    taken: str | None = None
    commits: int = 0
    target: str | None = None
    done: int = 0


@actors.register(state=RepositoryState)
class Repository(Actor[RepositoryState]):
    """The repository; the id is its first commit, which no move, clone or rename changes."""

    def process(
        self,
        state: RepositoryState | None,
        actor_id: str,
        message: Begin | Advance | Finish | Look,
    ) -> Outcome[RepositoryState]:
        """Note the next step; one that belongs to another target or is behind changes nothing."""
        new = self._next(state or RepositoryState(), message)
        if new is None or new == state:
            return NoUpdate(reply=state)
        return Persist(new, reply=new)

    def _next(
        self, state: RepositoryState, message: Begin | Advance | Finish | Look
    ) -> RepositoryState | None:
        match message:
            case Begin(target) if state.target is None and state.taken != target:
                return replace(state, target=target, done=0)
            case Advance(target, done) if state.target == target:
                return replace(state, done=max(state.done, done))
            case Finish(target, total) if state.target == target:
                return RepositoryState(taken=target, commits=state.commits + total)
        return None
