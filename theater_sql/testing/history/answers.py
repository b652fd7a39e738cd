"""What can be told from the answers to callers alone, and from what is stored at the end.

An etag is one write's and has one successor; a version is the number of writes since the actor
was created. What an actor had is a chain from etag to etag; what contradicts the chain, the
versions or the clock can't be true. Every check takes time of the order of n log n.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate
from uuid import UUID

from theater_sql.contract import ABSENT
from theater_sql.testing.history.records import NEVER, Read, Row, Told, Write, name_of
from theater_sql.testing.model import Actor


class Peak:
    """The greatest value among all pairs of a time and a value whose time is before another."""

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(pairs)
        self._times = [time for time, _ in ordered]
        self._peaks = list(accumulate((value for _, value in ordered), max))

    def before(self, time: int) -> int:
        """Return it; -1 if there is none."""
        known = bisect_left(self._times, time)
        return self._peaks[known - 1] if known else -1


class Answers:
    """What the callers of one actor were told, each write once."""

    def __init__(self, actor: Actor, writes: list[Write], reads: list[Read]) -> None:
        self._name = name_of(actor)
        self._actor = actor
        self._writes = writes
        self._reads = reads
        self._puts = [write for write in writes if not write.deletes]
        self._possible = [write for write in writes if write.told is not Told.REFUSED]
        self._done = [write for write in writes if write.told is Told.DONE]
        self._deletes = [write for write in self._possible if write.deletes]
        self._by_tag = {put.tag: put for put in self._puts}
        self._begun = Peak((write.end, write.start) for write in self._done)
        self._put = Peak((write.end, write.start) for write in self._done if not write.deletes)
        self._gone = Peak((delete.start, delete.over) for delete in self._deletes)

    def faults(self, *stored: Row | None) -> Iterator[str]:
        """Say what can't be true; ``stored`` is what is there at the end, if that is known."""
        self._reads = [*self._reads, *(Read(self._actor, NEVER, NEVER, row) for row in stored)]
        self._rows = {read.row.etag: read.row for read in self._reads if read.row}
        etags = {row.tag: row.etag for row in self._rows.values()}
        self._etags = {put.tag: put.etag or etags.get(put.tag) for put in self._puts}
        self._by_etag = {etag: self._by_tag[tag] for tag, etag in self._etags.items() if etag}
        self._find_chain()
        yield from self._one_etag_each()
        yield from self._origins()
        yield from self._winners()
        yield from self._chain()
        yield from self._counts()
        yield from self._conflicts()
        for read in self._reads:
            yield from self._seen(read) if read.row else self._missed(read)

    def _find_chain(self) -> None:
        """Follow etags from write to write: what came before a write, and when one was replaced."""
        children: dict[UUID, list[Write]] = defaultdict(list)
        chain: list[Write] = []
        for write in self._possible:
            if isinstance(write.expect, UUID) and write.expect in self._by_etag:
                children[write.expect].append(write)
            else:
                chain.append(write)
        for write in chain:  # it grows: what nothing leads to is never reached, nor is a ring
            etag = self._etags.get(write.tag)
            chain += children.pop(etag, []) if etag else []
        self._newest_before: dict[str, Write] = {}
        for write in chain:
            base = self._base(write)
            if base is not None:
                older = self._newest_before.get(base.tag, base)
                self._newest_before[write.tag] = max(base, older, key=lambda one: one.start)
        self._replaced: dict[str, int] = {}
        for write in reversed(chain):
            base = self._base(write)
            if base is not None:
                own = write.end if write.told is Told.DONE else NEVER
                known = min(own, self._replaced.get(write.tag, NEVER))
                self._replaced[base.tag] = min(known, self._replaced.get(base.tag, NEVER))

    def _base(self, write: Write) -> Write | None:
        """Return the put whose etag a write expects."""
        return self._by_etag.get(write.expect) if isinstance(write.expect, UUID) else None

    def _one_etag_each(self) -> Iterator[str]:
        for put in self._puts:
            if put.etag and self._by_etag[put.etag] is not put:
                yield f"{put}: has the etag of {self._by_etag[put.etag]}: an etag came back"
        for read in self._reads:
            if read.row and self._rows[read.row.etag] != read.row:
                yield f"{self._name}: one etag was seen with two versions or states"

    def _origins(self) -> Iterator[str]:
        """Whatever is seen or expected was written, by somebody who was not refused."""
        for row in self._rows.values():
            writer = self._by_tag.get(row.tag)
            if writer is None:
                yield f"{self._name}: nobody wrote {row.tag}"
            elif writer.told is Told.REFUSED:
                yield _refused_and_applied(writer)
            elif writer.etag not in (None, row.etag):
                yield f"{writer}: has another etag than its caller was told"
        all_known = all(self._etags[put.tag] or put.told is Told.REFUSED for put in self._puts)
        for write in self._done:
            base = self._base(write)
            if base is not None and base.told is Told.REFUSED:
                yield _refused_and_applied(base)
            if base is None and isinstance(write.expect, UUID) and all_known:
                yield f"{write}: replaced what it did not expect"

    def _winners(self) -> Iterator[str]:
        """An etag is replaced once, and an actor created once more than it was deleted."""
        winners: dict[object, list[Write]] = defaultdict(list)
        for write in self._done:
            winners[write.expect].append(write)
        for expect, writes in winners.items():
            if not isinstance(expect, UUID) or len(writes) == 1:
                continue
            if all(write.deletes for write in writes):
                yield f"{self._name}: one row was deleted by two callers"
            else:
                yield f"{writes[1]}: acknowledged, and so was {writes[0]}, which expects the same"
        creates = [write for write in winners[ABSENT] if not write.deletes]
        if len(creates) > 1 + len(self._deletes):
            yield f"{creates[-1]}: acknowledged, and so was {creates[0]}, which expects the same"

    def _chain(self) -> Iterator[str]:
        """Versions count along the chain, and the chain goes with the clock."""
        for write in self._done:
            older = self._newest_before.get(write.tag)
            if older is not None and write.end < older.start:
                yield f"{write}: acknowledged before {older} began, and applied after it"
            row, base = self._row(write), self._base(write)
            before = self._row(base) if base is not None else None
            if row is None or write.deletes:
                continue
            if write.expect is ABSENT and row.version != 1:
                yield f"{self._name}: version {row.version} came after 0"
            if before is not None and row.version != before.version + 1:
                yield f"{self._name}: version {row.version} came after {before.version}"

    def _row(self, write: Write) -> Row | None:
        etag = self._etags.get(write.tag)
        return self._rows.get(etag) if etag else None

    def _counts(self) -> Iterator[str]:
        """Where nothing was deleted, the version that is seen is the number of puts."""
        if self._deletes:
            return
        ends = sorted(write.end for write in self._done)
        starts = sorted(write.start for write in self._possible)
        highest = Peak((read.end, read.row.version) for read in self._reads if read.row)
        of_version: dict[int, Row] = {}
        for read in self._reads:
            version = read.row.version if read.row else 0
            least, most = bisect_left(ends, read.start), bisect_right(starts, read.end)
            if version < max(least, highest.before(read.start)):
                yield f"{self._name}: {_who(read)} has version {version}; a write is lost or unseen"
            if version > most:
                yield f"{self._name}: version {version} of {most} writes: one was applied twice"
            if read.row and of_version.setdefault(version, read.row).etag != read.row.etag:
                yield f"{self._name}: two writes have version {version}"

    def _conflicts(self) -> Iterator[str]:
        """A write is refused for what somebody else wrote, or may have written."""
        starts = sorted(write.start for write in self._possible)
        ends = sorted(write.over for write in self._possible)
        for write in self._writes:
            if write.told is not Told.REFUSED or not write.error.startswith("Conflict"):
                continue
            base = self._base(write)
            rivals = bisect_left(starts, write.end)
            if base is not None and base.told is Told.DONE and base.end < write.start:
                rivals -= 1 + bisect_left(ends, base.start)
            elif write.expect is not ABSENT:
                continue
            if not rivals:
                yield f"{write}: answered {write.error}, though nobody else wrote"

    def _seen(self, read: Read) -> Iterator[str]:
        """What is seen was not still to come, nor surely replaced."""
        assert read.row is not None
        writer = self._by_tag.get(read.row.tag)
        if writer is None:
            return
        replaced = self._replaced.get(writer.tag, NEVER) < read.start
        replaced |= writer.told is Told.DONE and writer.end < self._begun.before(read.start)
        if replaced and read.start == NEVER:
            yield f"{self._name}: what is stored is not what was written last"
        elif replaced or writer.start > read.end:
            yield f"{self._name}: a read saw {writer.tag} before or after its time"

    def _missed(self, read: Read) -> Iterator[str]:
        """Nothing is seen where nothing was surely there."""
        if self._put.before(read.start) > self._gone.before(read.end):
            yield f"{self._name}: {_who(read)} missed an acknowledged write"


def _refused_and_applied(write: Write) -> str:
    return f"{write}: applied, though it was refused ({write.error})"


def _who(read: Read) -> str:
    return "what is stored" if read.start == NEVER else "a read"
