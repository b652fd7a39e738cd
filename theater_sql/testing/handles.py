"""The contract of handles: one actor's three calls, which remember the etag."""

from __future__ import annotations

import pytest

from theater_sql import NOT_PRESENT, Conflict, InvalidState, StorageError
from theater_sql.testing.base import Capability, ContractBase, Subject, needs
from theater_sql.testing.doors import Call, Door

_HANDLES = needs(Capability.HANDLES)


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
    @pytest.mark.parametrize("method", ["put", "delete"])
    def test_a_handle_does_not_bring_back_what_was_deleted(
        self, door: Door, subject: Subject, actor_id: str, method: str
    ) -> None:
        handle = door.handle(subject.actor_type, actor_id)
        handle.put(subject.make(1))
        door.delete(subject.actor_type, actor_id)
        with pytest.raises(Conflict) as caught:
            getattr(handle, method)(*([subject.make(2)] if method == "put" else []))
        assert caught.value.kind == "gone"
        assert door.get(subject.actor_type, actor_id) is NOT_PRESENT

    @_HANDLES
    def test_a_put_before_the_first_get_creates_what_is_not_there(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        etag = door.handle(subject.actor_type, actor_id).put(subject.make(1))
        found = door.get(subject.actor_type, actor_id)
        assert (found.etag, found.version) == (etag, 1)

    @_HANDLES
    def test_a_delete_before_the_first_get_removes_what_is_there_or_nothing(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        door.put(subject.actor_type, actor_id, subject.make(1))
        for _ in range(2):
            door.handle(subject.actor_type, actor_id).delete()
            assert door.get(subject.actor_type, actor_id) is NOT_PRESENT

    @_HANDLES
    def test_a_handle_may_delete_what_it_knows_is_not_there(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        handle = door.handle(subject.actor_type, actor_id)
        for _ in range(2):
            assert handle.get() is NOT_PRESENT
            handle.delete()

    @_HANDLES
    def test_a_handle_does_not_create_over_what_was_created_since(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        handle = door.handle(subject.actor_type, actor_id)
        assert handle.get() is NOT_PRESENT
        door.put(subject.actor_type, actor_id, subject.make(1))
        with pytest.raises(Conflict) as caught:
            handle.put(subject.make(2))
        assert caught.value.kind == "exists"
        assert self.stored(door, subject, actor_id) == 1

    @_HANDLES
    @pytest.mark.parametrize("method", ["put", "delete"])
    def test_a_handle_tells_an_actor_that_was_created_anew(
        self, door: Door, subject: Subject, actor_id: str, method: str
    ) -> None:
        handle = door.handle(subject.actor_type, actor_id)
        handle.put(subject.make(1))
        door.delete(subject.actor_type, actor_id)
        door.put(subject.actor_type, actor_id, subject.make(2))
        with pytest.raises(Conflict) as caught:
            getattr(handle, method)(*([subject.make(3)] if method == "put" else []))
        assert caught.value.kind == "stale"
        assert self.stored(door, subject, actor_id) == 2

    @_HANDLES
    def test_after_any_error_a_handle_goes_on_after_a_get_only(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        handle = door.handle(subject.actor_type, actor_id)
        handle.put(subject.make(1))
        with pytest.raises(InvalidState):
            handle.put(object())
        with pytest.raises(StorageError) as caught:
            handle.put(subject.make(2))
        assert not isinstance(caught.value, Conflict)
        assert subject.number(handle.get().state) == 1
        handle.put(subject.make(3))
        assert door.get(subject.actor_type, actor_id).version == 2

    @_HANDLES
    def test_calls_at_once_on_one_handle_follow_each_other(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        handle = door.handle(subject.actor_type, actor_id)
        etags = door.together([Call(handle, "put", subject.make(n)) for n in range(10)])
        assert not [error for error in etags if isinstance(error, Exception)]
        found = door.get(subject.actor_type, actor_id)
        assert (etags.index(found.etag), found.version) == (subject.number(found.state), 10)
