"""What callers were told, what a database holds, and whether the two can both be true."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from theater_sql.errors import Conflict, OutcomeUnknown, StorageError
from theater_sql.testing.history.answers import Answers
from theater_sql.testing.history.changes import Changes
from theater_sql.testing.history.records import Change, Read, Row, Told, Write, joined
from theater_sql.testing.model import Actor

__all__ = ["Change", "History", "Read", "Row", "Told", "Write"]


@dataclass
class History:
    """The calls of all callers, from when none of their actors was there.

    Threads and tasks may share one. What a caller itself finds wrong goes to ``surprises``.
    """

    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)

    @contextmanager
    def write(self, write: Write) -> Iterator[Write]:
        """Record a put or a delete, which is made in the block.

        The block sets the ``etag`` that a put gave. A ``StorageError`` ends the block and is
        the answer; after any other exception, which is raised, the outcome is unknown.
        """
        write.start = time.monotonic_ns()
        try:
            yield write
            write.told = Told.DONE
        except OutcomeUnknown as error:
            write.etag = write.etag or error.etag
            write.error, write.reason = "OutcomeUnknown", error.reason
        except StorageError as error:
            write.told, write.error = Told.REFUSED, type(error).__name__
            write.reason = error.reason
            if isinstance(error, Conflict):
                write.error += f" {error.kind}"
        except BaseException as error:
            write.error = type(error).__name__
            raise
        finally:
            write.end = time.monotonic_ns()
            self.writes.append(write)

    @contextmanager
    def read(self, actor: Actor) -> Iterator[Read]:
        """Record a get, which is made in the block; the block sets the ``row`` that it saw.

        A get that raises saw nothing, and is not recorded.
        """
        read = Read(actor, time.monotonic_ns())
        yield read
        read.end = time.monotonic_ns()
        self.reads.append(read)

    def faults(
        self,
        stored: Mapping[Actor, Row] | None = None,
        changes: Iterable[Change] | None = None,
    ) -> list[str]:
        """Say in words where the history can't be true.

        With ``stored``, all that is there at the end, more is found: what is lost without a
        trace. ``changes``, in the order of the database, are known where triggers record them.
        """
        by_actor: dict[Actor, list[Change]] = defaultdict(list)
        for change in changes or ():
            by_actor[change.actor].append(change)
        writes: dict[Actor, list[Write]] = defaultdict(list)
        for write in self.writes:
            writes[write.actor].append(write)
        reads: dict[Actor, list[Read]] = defaultdict(list)
        for read in self.reads:
            reads[read.actor].append(read)
        faults = [*self.surprises]
        for write in self.writes:
            faults += _unlawful(write)
        for actor in writes.keys() | reads.keys() | by_actor.keys() | (stored or {}).keys():
            once = joined(writes[actor])
            end = () if stored is None else (stored.get(actor),)
            faults += Answers(actor, once, reads[actor]).faults(*end)
            if changes is not None:
                faults += Changes(actor, by_actor[actor], once, reads[actor]).faults(*end)
        return list(dict.fromkeys(faults))


def _unlawful(write: Write) -> Iterator[str]:
    """Tell whether a write was answered as no caller should be."""
    if write.must_fail:
        if write.told is Told.DONE:
            yield f"{write}: acknowledged, though it must fail"
    elif write.lawful is not None and write.error.partition(" ")[0] not in {"", *write.lawful}:
        yield f"{write}: answered {write.error} for no cause: {write.reason}"
