"""The contract of handles, of rows that can't be read, and of the caller's own transactions."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from theater_sql.contract import ABSENT, NOT_PRESENT, Etag, Put
from theater_sql.errors import BatchConflict, Conflict, CorruptState, StateTooNew, StorageError
from theater_sql.testing.base import Capability, ContractBase, Subject, needs
from theater_sql.testing.doors import Door

_HANDLES = needs(Capability.HANDLES)
_UNDECODABLE = needs(Capability.UNDECODABLE, Capability.ETAGS)
_TRANSACTION = needs(Capability.TRANSACTION, Capability.ETAGS)


class HandlesContract(ContractBase, is_part=True):
    """One actor's three calls, which remember the etag."""

    @_HANDLES
    def test_a_handle_goes_through_the_life_of_an_actor(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        handle = door.handle(subject.actor_type, actor_id)
        assert handle.get() is NOT_PRESENT
        for number in (1, 2):
            handle.put(subject.make(number))
        assert subject.number(handle.get().state) == 2
        handle.delete()
        assert handle.get() is NOT_PRESENT
        handle.put(subject.make(3))
        assert door.get(subject.actor_type, actor_id).version == 1

    @_HANDLES
    def test_a_put_before_the_first_get_replaces_what_is_there(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        door.put(subject.actor_type, actor_id, subject.make(1))
        door.handle(subject.actor_type, actor_id).put(subject.make(2))
        found = door.get(subject.actor_type, actor_id)
        assert (subject.number(found.state), found.version) == (2, 2)

    @_HANDLES
    def test_a_handle_never_overwrites_what_it_has_not_seen(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        one, two = (door.handle(subject.actor_type, actor_id) for _ in range(2))
        one.put(subject.make(1))
        two.put(subject.make(2))
        for method, args in (("put", (subject.make(3),)), ("delete", ())):
            with pytest.raises(Conflict):
                getattr(one, method)(*args)
            with pytest.raises(StorageError):  # and goes on after a get only
                one.put(subject.make(3))
            assert self.stored(door, subject, actor_id) == 2
            one.get()
            two.put(subject.make(2))
        one.get()
        one.put(subject.make(4))
        assert self.stored(door, subject, actor_id) == 4

    @_HANDLES
    def test_a_handle_does_not_bring_back_what_was_deleted(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        handle = door.handle(subject.actor_type, actor_id)
        handle.put(subject.make(1))
        door.delete(subject.actor_type, actor_id)
        with pytest.raises(Conflict):
            handle.put(subject.make(2))
        assert door.get(subject.actor_type, actor_id) is NOT_PRESENT


class UndecodableContract(ContractBase, is_part=True):
    """Rows that this process can't read: never taken for nothing, and never lost."""

    @_UNDECODABLE
    def test_a_row_that_cant_be_decoded_is_an_error_and_stays(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        etag = door.put(*of, subject.make(1))
        self.make_undecodable(door, subject, actor_id)
        for _ in range(2):
            with pytest.raises(CorruptState) as caught:
                door.get(*of)
            assert caught.value.path.startswith("$")
            with pytest.raises(CorruptState):  # the last write wins, but not over this
                door.put(*of, subject.make(2))
            with pytest.raises(Conflict) as conflict:
                door.put(*of, subject.make(2), expect=ABSENT)
            assert (conflict.value.kind, conflict.value.actual) == ("exists", etag)

    @_UNDECODABLE
    def test_a_row_that_cant_be_decoded_is_replaced_where_that_is_asked_for(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        door.put(subject.actor_type, actor_id, subject.make(1))
        self.make_undecodable(door, subject, actor_id)
        door.put(subject.actor_type, actor_id, subject.make(2), overwrite_corrupt=True)
        assert self.stored(door, subject, actor_id) == 2

    @_UNDECODABLE
    def test_a_row_that_cant_be_decoded_can_be_deleted(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        for expects in (False, True):
            etag = door.put(*of, subject.make(1))
            self.make_undecodable(door, subject, actor_id)
            with pytest.raises(Conflict):
                door.delete(*of, expect=Etag(uuid4()))
            door.delete(*of, **({"expect": etag} if expects else {}))
            assert door.get(*of) is NOT_PRESENT

    @needs(Capability.UNDECODABLE, Capability.ETAGS, Capability.MANY)
    def test_a_row_that_cant_be_decoded_fails_alone_among_many(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, ids = subject.actor_type, [f"{actor_id}-{n}" for n in range(5)]
        door.put_many([Put(of, one, subject.make(1)) for one in ids])
        self.make_undecodable(door, subject, ids[2])
        found = door.get_many([(of, one) for one in ids])
        assert isinstance(found[2], CorruptState) and found[2].actor_id == ids[2]
        assert [subject.number(one.state) for one in (*found[:2], *found[3:])] == [1] * 4

    @needs(Capability.TOO_NEW, Capability.ETAGS)
    def test_a_row_of_newer_code_is_neither_read_nor_overwritten(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        door.put(*of, subject.make(1))
        self.make_too_new(door, subject, actor_id)
        with pytest.raises(StateTooNew) as caught:
            door.get(*of)
        assert caught.value.stored > caught.value.registered
        for options in ({}, {"overwrite_corrupt": True}):
            with pytest.raises(StateTooNew):
                door.put(*of, subject.make(2), **options)
        door.delete(*of)
        assert door.get(*of) is NOT_PRESENT


class Undo(Exception):
    """Rolls a block back."""


class TransactionContract(ContractBase, is_part=True):
    """The storage inside a transaction of the caller's."""

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
        found = door.get(*of)
        assert (subject.number(found.state), found.etag) == (1, before)
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
