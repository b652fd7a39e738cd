"""Faults of writing, each as somebody might make it; the kit has to find them all."""

from __future__ import annotations

import copy
import time
from datetime import UTC, datetime
from typing import Any

from tests.machine.dicts import DictStorage, Handle, Inside
from theater_sql import (
    ABSENT,
    OVERWRITE,
    Conflict,
    Put,
    StorageError,
)
from theater_sql.contract import Expect

PAUSE = 0.002
"""Long enough for another thread to come in between."""


class ChecksThenInserts(DictStorage):
    """Looks first, and writes afterwards."""

    def put(self, actor_type: Any, actor_id: Any, state: Any, **options: Any) -> Any:
        if options.get("expect") is not ABSENT:
            return super().put(actor_type, actor_id, state, **options)
        self.check((actor_type, actor_id), ABSENT)
        time.sleep(0.001)
        return super().put(actor_type, actor_id, state, etag=options.get("etag"))


class BatchesInterleave(DictStorage):
    """Writes a batch that is all or nothing row by row, while others write theirs."""

    def put_all(self, puts: list[Put]) -> list[Any]:
        for put in puts:
            self.check(put[:2], put.expect)
        time.sleep(PAUSE)
        return [self.put(*put[:3], etag=put.etag) for put in puts]


class OverwriteTriesOnce(DictStorage):
    """Looks, then compares and swaps, and gives up if somebody came in between."""

    def put(self, *args: Any, expect: Any = OVERWRITE, **options: Any) -> Any:
        if expect is OVERWRITE and not options:
            row = self.rows.get(args[:2])
            expect = row.etag if row else ABSENT
            time.sleep(PAUSE)
        return super().put(*args, expect=expect, **options)


class StateBeforeEtag(DictStorage):
    """Writes the state, and its etag a moment later."""

    def write(self, actor: Any, state: Any, etag: Any) -> None:
        if actor in self.rows:
            self.rows[actor] = self.rows[actor]._replace(state=copy.deepcopy(state))
            time.sleep(PAUSE)
        super().write(actor, state, etag)


class DeletesWithoutALock(DictStorage):
    """Checks the etag of a delete, and removes what is there a moment later."""

    def delete(self, actor_type: Any, actor_id: Any, *, expect: Any = OVERWRITE) -> None:
        self.check((actor_type, actor_id), expect)
        time.sleep(PAUSE)
        self.rows.pop((actor_type, actor_id), None)


class DeletesByPattern(DictStorage):
    """Removes with LIKE, and without escapes."""

    def delete(self, actor_type: Any, actor_id: Any, *, expect: Any = OVERWRITE) -> None:
        super().delete(actor_type, actor_id, expect=expect)
        for of, one in list(self.rows):
            if of == actor_type and str(one).startswith(str(actor_id)):
                del self.rows[of, one]


class RepeatBringsBack(DictStorage):
    """Takes an etag of the caller's as leave to create what is gone."""

    def put(self, *args: Any, expect: Any = OVERWRITE, etag: Any = None, **options: Any) -> Any:
        if etag is not None and not isinstance(expect, Expect) and args[:2] not in self.rows:
            expect = ABSENT
        return super().put(*args, expect=expect, etag=etag, **options)


class NoneIsOverwrite(DictStorage):
    """Takes ``expect=None``, which somebody lost on the way, for any."""

    def put(self, *args: Any, expect: Any = OVERWRITE, **options: Any) -> Any:
        return super().put(*args, expect=OVERWRITE if expect is None else expect, **options)


class TakesAnyState(DictStorage):
    """Stores what will not come back."""

    def admit_state(self, *args: Any) -> None:
        pass


class TakesAnyId(DictStorage):
    """Takes what is no id."""

    def admit_id(self, actor_type: Any, actor_id: Any) -> None:
        if isinstance(actor_id, list):
            super().admit_id(actor_type, actor_id)


class GoesOnWhenClosed(DictStorage):
    """Serves calls after its end."""

    def close(self) -> None:
        pass


class ClockGoesBack(DictStorage):
    """Takes the time from whatever machine the writer is on."""

    def write(self, actor: Any, state: Any, etag: Any) -> None:
        super().write(actor, state, etag)
        row = self.rows[actor]
        when = datetime(2030 - row.version, 1, 1, tzinfo=UTC)
        self.rows[actor] = row._replace(updated_at=when)


class HandleTakesTwoAtOnce(DictStorage):
    """Its handles let calls overtake each other."""

    class handles(Handle):  # noqa: N801
        def put(self, state: Any) -> Any:
            expect = ABSENT if self.etag is None else self.etag
            time.sleep(PAUSE)
            self.etag = self.storage.put(*self.actor, state, expect=expect)
            return self.etag


class HandleForgetsOtherErrors(DictStorage):
    """Its handles remember conflicts as the only errors."""

    class handles(Handle):  # noqa: N801
        def expecting(self, method: str, *args: Any) -> Any:
            try:
                return super().expecting(method, *args)
            except StorageError as error:
                self.lost = isinstance(error, Conflict)
                raise


class FailsForOneItem(DictStorage):
    """Ends a put_many at its first error."""

    def try_put(self, put: Put) -> Any:
        return self.put(*put[:3], expect=put.expect, etag=put.etag)


class WritesOutsideTheTransaction(DictStorage):
    """Uses a connection of its own inside."""

    def in_transaction(self) -> Inside:
        inside = super().in_transaction()
        inside.rows = self.rows
        return inside


class TransactionNeverCommits(DictStorage):
    """Rolls back to a savepoint that it forgot to release."""

    def in_transaction(self) -> Inside:
        inside = super().in_transaction()
        inside.outside = DictStorage({})
        return inside


class ConflictAfterAWriteInside(DictStorage):
    """Leaves what a refused batch wrote inside."""

    class Leaky(Inside):
        def roll_back(self, before: Any) -> None:
            pass

    def in_transaction(self) -> Any:
        return self.Leaky(self)


FAULTS = [fault for fault in DictStorage.__subclasses__() if fault.__module__ == __name__]
