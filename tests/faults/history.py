"""What callers were told, what a database did, and whether the two can both be true.

Callers record every call in a ``History``. Triggers record every row that changed, so that the
order of the changes of one actor is known. ``faults_of`` compares the two.
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID

from theater_sql import ABSENT, OVERWRITE
from theater_sql.contract import Expect

DEADLINE = 30.0
"""Seconds that calls are given which are not hasty."""


class Actor(NamedTuple):
    kind: str
    name: str


class Told(enum.Enum):
    DONE = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Write:
    """A put, or a delete: one without a state.

    ``tag`` is in the state and in no other write's; one that is sent again keeps it. ``expect``
    is ``OVERWRITE`` too where the caller does not know what its handle expects. The caller of a
    write that is ``alone`` knows what is there: it can't conflict. ``may_violate``, ``must_fail``
    and ``hasty`` say which errors are as they should be.
    """

    actor: Actor
    tag: str
    expect: UUID | Expect
    etag: UUID | None = None
    deletes: bool = False
    alone: bool = False
    may_violate: bool = False
    must_fail: bool = False
    hasty: bool = False
    start: int = 0
    end: int = 0
    told: Told = Told.UNKNOWN
    error: str = ""
    reason: str = ""

    def __str__(self) -> str:
        what = "delete" if self.deletes else "put"
        return f"{what} {self.tag} of {self.actor.kind}[{self.actor.name}]"


class Row(NamedTuple):
    etag: UUID
    version: int
    tag: str


class Read(NamedTuple):
    actor: Actor
    start: int
    end: int
    row: Row | None


class Change(NamedTuple):
    """A row that was created (no old etag), changed, or deleted (no new etag)."""

    actor: Actor
    old: UUID | None
    new: UUID | None
    version: int
    tag: str


@dataclass
class History:
    """What the callers were told. Appending to a list is safe among threads."""

    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)


def faults_of(history: History, changes: Iterable[Change], stored: dict[Actor, Row]) -> list[str]:
    """Say in words where a history can't be true; ``changes`` are in the order of the database."""
    by_actor: dict[Actor, list[Change]] = defaultdict(list)
    for change in changes:
        by_actor[change.actor].append(change)
    writes: dict[Actor, dict[str, Write]] = defaultdict(dict)
    for write in history.writes:
        same = writes[write.actor].get(write.tag)
        writes[write.actor][write.tag] = write if same is None else _sent_again(same, write)
    reads: dict[Actor, list[Read]] = defaultdict(list)
    for read in history.reads:
        reads[read.actor].append(read)
    faults = [*history.surprises]
    for write in history.writes:
        faults += _unlawful(write)
    for actor in by_actor.keys() | writes.keys() | reads.keys() | stored.keys():
        one = _OneActor(actor, by_actor[actor], writes[actor], reads[actor])
        faults += one.faults(stored.get(actor))
    return faults


def _sent_again(first: Write, second: Write) -> Write:
    """Join two sendings of one write: it was applied by either, and once at most."""
    done = [write for write in (first, second) if write.told is Told.DONE]
    told = Told.DONE if done else Told.UNKNOWN
    if first.told is second.told is Told.REFUSED:
        told = Told.REFUSED
    end = min((write.end for write in done), default=second.end)
    return replace(first, start=min(first.start, second.start), end=end, told=told)


def _unlawful(write: Write) -> Iterator[str]:
    """Tell whether a write was answered as no caller should be."""
    kind = write.error.partition(" ")[0]
    if write.must_fail:
        if write.told is Told.DONE:
            yield f"{write}: acknowledged, though it must fail"
        return
    lawful = {"", "Conflict", "cancelled"}
    if write.alone:
        lawful.discard("Conflict")
    elif write.expect is OVERWRITE and write.end - write.start >= DEADLINE * 10**9:
        lawful |= {"Unavailable", "OutcomeUnknown"}  # others kept writing all that time
    if write.may_violate:
        lawful |= {"ConstraintViolation", "InvalidState"}
    if write.hasty:
        lawful |= {"Unavailable", "OutcomeUnknown"}
    if kind not in lawful:
        yield f"{write}: answered {write.error} for no cause: {write.reason}"


class _OneActor:
    """The changes of one actor, in order, against what was told of it."""

    def __init__(
        self, actor: Actor, changes: list[Change], writes: dict[str, Write], reads: list[Read]
    ) -> None:
        self._actor = actor
        self._changes = changes
        self._puts = {tag: write for tag, write in writes.items() if not write.deletes}
        self._deletes = [write for write in writes.values() if write.deletes]
        self._reads = reads
        self._deleters = {w.expect: w for w in self._deletes if w.told is Told.DONE}
        self._writers = [self._writer(change) for change in changes]

    def _writer(self, change: Change) -> Write | None:
        """Return who made a change; ``None`` where several may have."""
        if change.new is None:
            return self._deleters.get(change.old) if change.old else None
        return self._puts.get(change.tag)

    def faults(self, stored: Row | None) -> Iterator[str]:
        yield from self._chain(stored)
        yield from self._applied()
        yield from self._deleted()
        yield from self._order()
        yield from self._own_order()
        yield from self._seen()

    def _chain(self, stored: Row | None) -> Iterator[str]:
        """Each change follows the one before it, and the last is what is stored."""
        etag: UUID | None = None
        version = 0
        seen: set[UUID] = set()
        for change in self._changes:
            if change.old != etag:
                yield f"{self._name}: {change.tag or 'a delete'} did not follow on what was there"
            if change.version != version + (change.new is not None):
                yield f"{self._name}: version {change.version} came after {version}"
            if change.new in seen:
                yield f"{self._name}: an etag came back"
            etag, version = change.new, change.version if change.new else 0
            seen |= {change.new} if change.new else set()
        last = self._changes[-1] if self._changes else None
        wanted = Row(last.new, last.version, last.tag) if last and last.new else None
        if stored != wanted:
            yield f"{self._name}: what is stored is not what was written last"

    @property
    def _name(self) -> str:
        return f"{self._actor.kind}[{self._actor.name}]"

    def _applied(self) -> Iterator[str]:
        """Each put was applied once, at most once or never, as its caller was told."""
        made: dict[str, list[Change]] = defaultdict(list)
        for change in self._changes:
            if change.new is not None:
                made[change.tag].append(change)
        for tag in made.keys() - self._puts.keys():
            yield f"{self._name}: nobody wrote {tag}"
        for tag, write in self._puts.items():
            if write.told is Told.DONE and not made[tag]:
                yield f"{write}: lost, though it was acknowledged"
            if write.told is Told.REFUSED and made[tag]:
                yield f"{write}: applied, though it was refused ({write.error})"
            if len(made[tag]) > 1:
                yield f"{write}: applied {len(made[tag])} times"
            for change in made[tag]:
                if write.etag not in (None, change.new):
                    yield f"{write}: has another etag than its caller was told"
                if write.expect is not OVERWRITE and _base(change) != write.expect:
                    yield f"{write}: replaced what it did not expect"

    def _deleted(self) -> Iterator[str]:
        """Each delete has one caller, who was not told that it was refused."""
        gone = {change.old for change in self._changes if change.new is None}
        certain = [w for w in self._deletes if w.told is Told.DONE and isinstance(w.expect, UUID)]
        for write in certain:
            if write.expect not in gone:
                yield f"{write}: lost, though it was acknowledged"
        if len({write.expect for write in certain}) < len(certain):
            yield f"{self._name}: one row was deleted by two callers"
        rest = gone - {write.expect for write in certain}
        maybe = [write for write in self._deletes if write.told is not Told.REFUSED]
        rest -= {write.expect for write in maybe if write.told is Told.UNKNOWN}
        if len(rest) > sum(write.expect is OVERWRITE for write in maybe):
            yield f"{self._name}: a delete was applied, though nobody made it or it was refused"

    def _order(self) -> Iterator[str]:
        """What was acknowledged before another call began was applied before it."""
        latest: Write | None = None
        for write in self._writers:
            if write is None:
                continue
            if latest and write.told is Told.DONE and write.end < latest.start:
                yield f"{write}: acknowledged before {latest} began, and applied after it"
            if latest is None or write.start > latest.start:
                latest = write

    def _own_order(self) -> Iterator[str]:
        """The puts of a single caller are applied in the order of its calls, even unknown ones."""
        if len({tag.partition(".")[0] for tag in self._puts}) != 1:
            return
        numbers = [int(c.tag.partition(".")[2]) for c in self._changes if c.tag in self._puts]
        if numbers != sorted(numbers):
            yield f"{self._name}: the writes of its only writer were reordered"

    def _seen(self) -> Iterator[str]:
        """Each read saw what was there at some moment between its start and its end."""
        ends, newest = self._acknowledged()
        index = {change.new: n for n, change in enumerate(self._changes) if change.new}
        deletes = [n for n, change in enumerate(self._changes) if change.new is None]
        last_delete = deletes[-1] if deletes else -1
        for read in self._reads:
            known = bisect_left(ends, read.start)
            oldest = newest[known - 1] if known else -1
            if read.row is None:
                if oldest > last_delete:
                    yield f"{self._name}: a read missed an acknowledged write"
                continue
            at = index.get(read.row.etag)
            change = None if at is None else self._changes[at]
            if at is None or change is None or change[3:] != read.row[1:]:
                yield f"{self._name}: a read saw {read.row.tag}, which was never there"
                continue
            writer = self._writers[at]
            if at < oldest or (writer and writer.start > read.end):
                yield f"{self._name}: a read saw {read.row.tag} before or after its time"

    def _acknowledged(self) -> tuple[list[int], list[int]]:
        """Return when writes were acknowledged, and the last change known at each such time."""
        pairs = sorted(
            (write.end, n)
            for n, write in enumerate(self._writers)
            if write is not None and write.told is Told.DONE
        )
        newest: list[int] = []
        for _, n in pairs:
            newest.append(max(n, newest[-1]) if newest else n)
        return [end for end, _ in pairs], newest


def _base(change: Change) -> Any:
    return ABSENT if change.old is None else change.old
