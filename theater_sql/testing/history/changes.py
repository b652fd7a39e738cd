"""What can be told from a record of the changes themselves, in the order of the database."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from theater_sql.contract import ABSENT, OVERWRITE, Expect
from theater_sql.testing.history.records import Change, Read, Row, Told, Write, name_of
from theater_sql.testing.model import Actor


class Changes:
    """The changes of one actor, in order, against what was told of it; each write once."""

    def __init__(
        self, actor: Actor, changes: list[Change], writes: list[Write], reads: list[Read]
    ) -> None:
        self._name = name_of(actor)
        self._changes = changes
        self._puts = {write.tag: write for write in writes if not write.deletes}
        self._deletes = [write for write in writes if write.deletes]
        self._reads = reads
        self._deleters = {w.expect: w for w in self._deletes if w.told is Told.DONE}
        self._writers = [self._writer(change) for change in changes]

    def _writer(self, change: Change) -> Write | None:
        """Return who made a change; ``None`` where several may have."""
        if change.new is None:
            return self._deleters.get(change.old) if change.old else None
        return self._puts.get(change.tag)

    def faults(self, *stored: Row | None) -> Iterator[str]:
        """Say what can't be true; ``stored`` is what is there at the end, if that is known."""
        yield from self._chain()
        yield from self._last(*stored)
        yield from self._applied()
        yield from self._deleted()
        yield from self._order()
        yield from self._own_order()
        yield from self._seen()

    def _chain(self) -> Iterator[str]:
        """Each change follows the one before it."""
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

    def _last(self, *stored: Row | None) -> Iterator[str]:
        """The last change is what is stored."""
        last = self._changes[-1] if self._changes else None
        wanted = Row(last.new, last.version, last.tag) if last and last.new else None
        if stored not in ((), (wanted,)):
            yield f"{self._name}: what is stored is not what was written last"

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
        callers = {write.caller for write in self._puts.values()}
        if len(callers) != 1 or "" in callers:
            return
        starts = [self._puts[c.tag].start for c in self._changes if c.tag in self._puts]
        if starts != sorted(starts):
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


def _base(change: Change) -> UUID | Expect:
    return ABSENT if change.old is None else change.old
