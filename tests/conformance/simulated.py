"""Random histories of a store that does all that it should: each is true, as it is made."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from uuid import UUID

from theater_sql import ABSENT, OVERWRITE
from theater_sql.contract import Expect
from theater_sql.testing import Change, History, Read, Row, Told, Write
from theater_sql.testing.model import Actor

ACTORS: list[Actor] = [("Box", "a"), ("Box", "b"), ("Bag", "a")]
STEP = 10
"""The time between two moments at which calls take effect; a call lasts longer than that."""


@dataclass
class World:
    """A history, the changes behind it, and what is stored at the end."""

    chance: random.Random
    history: History = field(default_factory=History)
    changes: list[Change] = field(default_factory=list)
    stored: dict[Actor, Row] = field(default_factory=dict)

    def faults(self, *, recorded: bool) -> list[str]:
        return self.history.faults(self.stored, self.changes if recorded else None)

    def uuid(self) -> UUID:
        return UUID(int=self.chance.getrandbits(128))


class Simulator:
    """Has callers write and read at random; ``deletes`` says whether any of them deletes."""

    def __init__(self, seed: int, calls: int = 120, *, deletes: bool) -> None:
        self.world = World(random.Random(seed))
        self._chance = self.world.chance
        self._deletes = deletes
        self._etags: dict[Actor, list[UUID]] = {actor: [] for actor in ACTORS}
        for number in range(1, calls + 1):
            self._call(number)

    def _call(self, number: int) -> None:
        """Make a call that takes effect at a moment of its own."""
        actor = self._chance.choice(ACTORS)
        moment = number * STEP
        start = moment - self._chance.randrange(1, 6 * STEP)
        end = moment + self._chance.randrange(1, 6 * STEP)
        if self._chance.random() < 0.35:
            row = self.world.stored.get(actor)
            self.world.history.reads.append(Read(actor, start, end, row))
            return
        write = Write(actor, f"t{number}", self._expected(actor), start=start, end=end)
        write.deletes = self._deletes and self._chance.random() < 0.2
        if write.deletes and write.expect is ABSENT:
            write.expect = OVERWRITE
        if not write.deletes:
            write.etag = self.world.uuid()
        self._answer(write, moment)
        self.world.history.writes.append(write)

    def _expected(self, actor: Actor) -> UUID | Expect:
        row, former = self.world.stored.get(actor), self._etags[actor]
        current: UUID | Expect = row.etag if row else ABSENT
        stale = self._chance.choice(former) if former else ABSENT
        return self._chance.choice([current, current, current, OVERWRITE, ABSENT, stale])

    def _answer(self, write: Write, moment: int) -> None:
        row = self.world.stored.get(write.actor)
        is_unknown = self._chance.random() < 0.15
        if is_unknown and self._chance.random() < 0.5:
            write.error = "OutcomeUnknown"
            return  # it never arrived
        present = row.etag if row else ABSENT
        if write.expect not in (OVERWRITE, present):
            kind = "gone" if row is None else "exists" if write.expect is ABSENT else "stale"
            write.told, write.error = Told.REFUSED, f"Conflict {kind}"
            if is_unknown:
                write.told, write.error = Told.UNKNOWN, "OutcomeUnknown"
            return
        self._apply(write, row)
        write.told = Told.UNKNOWN if is_unknown else Told.DONE
        if is_unknown:
            write.error = "OutcomeUnknown"
            write.end = min(write.end, moment - self._chance.randrange(-STEP, STEP))
            write.start = min(write.start, write.end - 1)
            if self._chance.random() < 0.5:
                write.etag = None  # its caller was not told

    def _apply(self, write: Write, row: Row | None) -> None:
        old = row.etag if row else None
        if write.etag is None:
            if row is not None:
                del self.world.stored[write.actor]
                self.world.changes.append(Change(write.actor, old, None, row.version, ""))
            return
        new = Row(write.etag, row.version + 1 if row else 1, write.tag)
        self.world.stored[write.actor] = new
        self._etags[write.actor].append(new.etag)
        self.world.changes.append(Change(write.actor, old, *new))
