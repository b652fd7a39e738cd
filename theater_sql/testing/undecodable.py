"""The contract of rows that can't be read: never taken for nothing, and never lost."""

from __future__ import annotations

from uuid import uuid4

import pytest

from theater_sql import (
    ABSENT,
    NOT_PRESENT,
    Conflict,
    CorruptState,
    Etag,
    Put,
    StateTooNew,
    StorageError,
)
from theater_sql.testing.base import Capability, ContractBase, Subject, needs
from theater_sql.testing.doors import Call, Door

_UNDECODABLE = needs(Capability.UNDECODABLE, Capability.ETAGS)


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

    @_UNDECODABLE
    def test_a_row_that_cant_be_decoded_fails_alone_among_reads_at_once(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, ids = subject.actor_type, [f"{actor_id}-{n}" for n in range(24)]
        for n, one in enumerate(ids):
            door.put(of, one, subject.make(n))
        self.make_undecodable(door, subject, ids[7])
        found = door.together([Call(door, "get", of, one) for one in ids])
        assert isinstance(found.pop(7), CorruptState)
        numbers = [subject.number(one.state) for one in found]
        assert numbers == [n for n in range(24) if n != 7]

    @needs(Capability.UNDECODABLE, Capability.HANDLES)
    def test_a_handle_of_a_row_that_cant_be_decoded_writes_nothing(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        door.put(*of, subject.make(1))
        self.make_undecodable(door, subject, actor_id)
        handle = door.handle(*of)
        for _ in range(2):
            with pytest.raises(StorageError):  # the second time, since it failed before
                handle.put(subject.make(2))
        with pytest.raises(CorruptState):
            handle.get()
        with pytest.raises(CorruptState):
            door.get(*of)

    @needs(Capability.TOO_NEW, Capability.ETAGS, Capability.MANY)
    def test_a_row_of_newer_code_fails_alone_among_many(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, ids = subject.actor_type, [f"{actor_id}-{n}" for n in range(3)]
        door.put_many([Put(of, one, subject.make(1)) for one in ids])
        self.make_too_new(door, subject, ids[1])
        results = door.put_many([Put(of, one, subject.make(2)) for one in ids])
        assert [isinstance(one, StateTooNew) for one in results] == [False, True, False]
        found = door.get_many([(of, one) for one in ids])
        assert isinstance(found[1], StateTooNew)
        assert [subject.number(one.state) for one in found[::2]] == [2, 2]
