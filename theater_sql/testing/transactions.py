"""The contract of the storage inside a transaction of the caller's."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from theater_sql import ABSENT, NOT_PRESENT, BatchConflict, Conflict, CorruptState, Etag, Put
from theater_sql.testing.base import Capability, ContractBase, Subject, needs
from theater_sql.testing.doors import Door

_TRANSACTION = needs(Capability.TRANSACTION, Capability.ETAGS)


class Undo(Exception):
    """Rolls a block back."""


class TransactionContract(ContractBase, is_part=True):
    """Writes that the caller commits."""

    @_TRANSACTION
    def test_the_callers_commit_commits(self, door: Door, subject: Subject, actor_id: str) -> None:
        of = (subject.actor_type, actor_id)
        with self.transaction(door) as tx:
            etag = tx.put(*of, subject.make(1), expect=ABSENT)
            etag = tx.put(*of, subject.make(2), expect=etag)
            assert subject.number(tx.get(*of).state) == 2
            assert door.get(*of) is NOT_PRESENT
        assert door.get(*of).etag == etag

    @_TRANSACTION
    def test_the_callers_rollback_undoes_all_and_voids_the_etags(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        before = door.put(*of, subject.make(1))
        etags: list[Any] = []
        with pytest.raises(Undo), self.transaction(door) as tx:  # noqa: PT012
            etags.append(tx.put(*of, subject.make(2), expect=before))
            tx.delete(*of, expect=etags[0])
            raise Undo
        assert self.stored(door, subject, actor_id) == 1
        assert door.get(*of).etag == before
        with pytest.raises(Conflict):
            door.put(*of, subject.make(3), expect=etags[0])

    @_TRANSACTION
    def test_the_transaction_goes_on_after_a_conflict(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        etag = door.put(*of, subject.make(1))
        with self.transaction(door) as tx:
            for wrong in (ABSENT, Etag(uuid4())):
                with pytest.raises(Conflict):
                    tx.put(*of, subject.make(2), expect=wrong)
            batch = [
                Put(subject.actor_type, f"{actor_id}-new", subject.make(2)),
                Put(*of, subject.make(2), ABSENT),
            ]
            with pytest.raises(BatchConflict):
                tx.put_many(batch)
            assert tx.get(subject.actor_type, f"{actor_id}-new") is NOT_PRESENT
            tx.put(*of, subject.make(3), expect=etag)
        assert self.stored(door, subject, actor_id) == 3

    @_TRANSACTION
    def test_a_delete_is_seen_inside_and_by_others_after_the_commit(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        etag = door.put(*of, subject.make(1))
        with self.transaction(door) as tx:
            with pytest.raises(Conflict):
                tx.delete(*of, expect=Etag(uuid4()))
            tx.delete(*of, expect=etag)
            assert tx.get(*of) is NOT_PRESENT
            tx.delete(*of)
            assert door.get(*of).etag == etag
        assert door.get(*of) is NOT_PRESENT

    @_TRANSACTION
    def test_a_batch_and_what_was_locked_for_it_are_committed_together(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        actors = [(subject.actor_type, f"{actor_id}-{n}") for n in (2, 0, 1)]
        door.put(*actors[0], subject.make(0))
        with self.transaction(door) as tx:
            tx.lock(actors)
            etags = tx.put_many([Put(*of, subject.make(n)) for n, of in enumerate(actors)])
        found = [door.get(*of) for of in actors]
        assert [one.etag for one in found] == etags
        assert [(subject.number(one.state), one.version) for one in found] == [
            (0, 2), (1, 1), (2, 1),
        ]  # fmt: skip

    @needs(Capability.TRANSACTION, Capability.UNDECODABLE, Capability.ETAGS)
    def test_a_row_that_cant_be_decoded_is_not_overwritten_inside(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        door.put(*of, subject.make(1))
        self.make_undecodable(door, subject, actor_id)
        with self.transaction(door) as tx:
            with pytest.raises(CorruptState):
                tx.get(*of)
            with pytest.raises(CorruptState):
                tx.put(*of, subject.make(2))
            tx.put(subject.actor_type, f"{actor_id}-2", subject.make(2))
        assert self.stored(door, subject, f"{actor_id}-2") == 2
        with pytest.raises(CorruptState):
            door.get(*of)
