"""The contract of guarded writes: what each expects, and what it finds instead."""

from __future__ import annotations

import pickle
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest

from theater_sql import (
    ABSENT,
    NOT_PRESENT,
    OVERWRITE,
    Conflict,
    Etag,
    InvalidId,
    InvalidState,
    StorageClosed,
)
from theater_sql.testing.base import Capability, ContractBase, Subject, needs
from theater_sql.testing.doors import Door

_ETAGS = needs(Capability.ETAGS)
_NO_IDS: Final[list[Any]] = [
    None, True, 1.5, (), ["a"], ("a", None), ("a", ("b",)),
    "a\0", "\ud800", "ü" * 257, b"x" * 513, 2**63, ("a" * 300, "b" * 300),
]  # fmt: skip


def refused(
    door: Door, method: str, *args: Any, kind: str, actual: Etag | None, **options: Any
) -> None:
    """Make a call that has to be refused, and check what the error says."""
    with pytest.raises(Conflict) as caught:
        getattr(door, method)(*args, **options)
    error = caught.value
    assert (error.kind, error.actual, error.expected) == (kind, actual, options["expect"])
    of = getattr(args[0], "name", args[0])
    assert isinstance(of, type) or error.actor_type == of
    assert error.actor_id == args[1]
    assert str(error).startswith(f"{error.actor_type}[{args[1]!r}]: ")
    assert "nothing was written" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


class WritesContract(ContractBase, is_part=True):
    """Optimistic concurrency on one actor."""

    def check(
        self, door: Door, subject: Subject, actor_id: str, number: int, etag: Etag, version: int
    ) -> None:
        """Check all that is stored of an actor."""
        found = door.get(subject.actor_type, actor_id)
        assert found, "nothing is stored"
        assert (subject.number(found.state), found.etag, found.version) == (number, etag, version)
        assert found.updated_at.tzinfo is not None

    @_ETAGS
    def test_create_where_nothing_is(self, door: Door, subject: Subject, actor_id: str) -> None:
        etag = door.put(subject.actor_type, actor_id, subject.make(1), expect=ABSENT)
        self.check(door, subject, actor_id, 1, etag, 1)

    @_ETAGS
    def test_create_where_something_is_is_refused(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        etag = door.put(subject.actor_type, actor_id, subject.make(1))
        write = (subject.actor_type, actor_id, subject.make(2))
        refused(door, "put", *write, expect=ABSENT, kind="exists", actual=etag)
        self.check(door, subject, actor_id, 1, etag, 1)

    @_ETAGS
    def test_each_write_has_a_new_etag_and_the_next_version(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        etags: list[Any] = [ABSENT]
        for version in (1, 2, 3):
            state, expect = subject.make(version), etags[-1]
            etags.append(door.put(subject.actor_type, actor_id, state, expect=expect))
            self.check(door, subject, actor_id, version, etags[-1], version)
        assert len(set(etags)) == 4

    @_ETAGS
    def test_the_same_state_again_has_a_new_etag_and_the_next_version(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        first = door.put(subject.actor_type, actor_id, subject.make(1))
        second = door.put(subject.actor_type, actor_id, subject.make(1), expect=first)
        assert first != second
        self.check(door, subject, actor_id, 1, second, 2)

    @_ETAGS
    def test_a_stale_etag_is_refused(self, door: Door, subject: Subject, actor_id: str) -> None:
        old = door.put(subject.actor_type, actor_id, subject.make(1))
        etag = door.put(subject.actor_type, actor_id, subject.make(2), expect=old)
        of = (subject.actor_type, actor_id)
        for wrong in (old, Etag(uuid4())):
            refused(door, "put", *of, subject.make(3), expect=wrong, kind="stale", actual=etag)
            refused(door, "delete", *of, expect=wrong, kind="stale", actual=etag)
        self.check(door, subject, actor_id, 2, etag, 2)

    @_ETAGS
    def test_an_etag_where_nothing_is_is_refused_and_creates_nothing(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, wrong = (subject.actor_type, actor_id), Etag(uuid4())
        refused(door, "put", *of, subject.make(1), expect=wrong, kind="gone", actual=None)
        refused(door, "delete", *of, expect=wrong, kind="gone", actual=None)
        assert door.get(*of) is NOT_PRESENT

    @_ETAGS
    def test_another_actors_etag_is_stale(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        foreign = door.put(subject.actor_type, f"{actor_id}-other", subject.make(1))
        etag = door.put(subject.actor_type, actor_id, subject.make(2))
        write = (subject.actor_type, actor_id, subject.make(3))
        refused(door, "put", *write, expect=foreign, kind="stale", actual=etag)
        self.check(door, subject, actor_id, 2, etag, 1)

    @_ETAGS
    def test_overwrite_takes_what_is_there_or_nothing(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        for version in (1, 2):
            etag = door.put(subject.actor_type, actor_id, subject.make(version), expect=OVERWRITE)
            self.check(door, subject, actor_id, version, etag, version)

    @_ETAGS
    def test_delete_with_the_etag_that_is_there(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        etag = door.put(subject.actor_type, actor_id, subject.make(1))
        door.delete(subject.actor_type, actor_id, expect=etag)
        assert door.get(subject.actor_type, actor_id) is NOT_PRESENT

    @_ETAGS
    def test_delete_expecting_nothing(self, door: Door, subject: Subject, actor_id: str) -> None:
        of = (subject.actor_type, actor_id)
        door.delete(*of, expect=ABSENT)
        etag = door.put(*of, subject.make(1))
        refused(door, "delete", *of, expect=ABSENT, kind="exists", actual=etag)
        self.check(door, subject, actor_id, 1, etag, 1)

    @_ETAGS
    def test_after_a_new_creation_the_version_restarts_and_every_old_etag_fails(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        old = [door.put(*of, subject.make(1))]
        old.append(door.put(*of, subject.make(2), expect=old[-1]))
        door.delete(*of, expect=old[-1])
        for wrong in old:
            refused(door, "put", *of, subject.make(9), expect=wrong, kind="gone", actual=None)
        etag = door.put(*of, subject.make(3), expect=ABSENT)
        assert etag not in old
        for wrong in old:
            refused(door, "put", *of, subject.make(9), expect=wrong, kind="stale", actual=etag)
            refused(door, "delete", *of, expect=wrong, kind="stale", actual=etag)
        self.check(door, subject, actor_id, 3, etag, 1)

    @_ETAGS
    def test_the_time_of_a_write_never_goes_back(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, times = (subject.actor_type, actor_id), []
        for number in range(5):
            door.put(*of, subject.make(number))
            times.append(door.get(*of).updated_at)
        assert times == sorted(times)
        assert {time.utcoffset() for time in times} == {timedelta(0)}

    @_ETAGS
    def test_a_second_delete_with_the_etag_is_refused(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        etag = door.put(*of, subject.make(1))
        door.delete(*of, expect=etag)
        refused(door, "delete", *of, expect=etag, kind="gone", actual=None)

    @_ETAGS
    def test_delete_with_overwrite_takes_what_is_there_or_nothing(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        door.put(*of, subject.make(1))
        for _ in range(2):
            door.delete(*of, expect=OVERWRITE)
            assert door.get(*of) is NOT_PRESENT

    @_ETAGS
    def test_a_state_that_cant_be_stored_is_refused_and_what_is_stored_stays(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        for options in ({}, {"expect": ABSENT}):
            with pytest.raises(InvalidState, match="nothing was"):
                door.put(*of, object(), **options)
            assert door.get(*of) is NOT_PRESENT
        etag = door.put(*of, subject.make(1))
        for options in ({}, {"expect": etag}):
            with pytest.raises(InvalidState) as caught:
                door.put(*of, object(), **options)
            assert caught.value.path.startswith("$")
        self.check(door, subject, actor_id, 1, etag, 1)

    @_ETAGS
    @pytest.mark.parametrize("position", range(len(_NO_IDS)))
    def test_what_is_no_id_is_refused_by_every_call(
        self, door: Door, subject: Subject, position: int
    ) -> None:
        of = (subject.actor_type, _NO_IDS[position])
        with pytest.raises(InvalidId, match="nothing was"):
            door.get(*of)
        with pytest.raises(InvalidId, match="nothing was"):
            door.put(*of, subject.make(1))
        with pytest.raises(InvalidId, match="nothing was"):
            door.delete(*of)

    @needs(Capability.ETAGS, Capability.REOPEN)
    def test_a_closed_storage_refuses_every_call(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        door.put(*of, subject.make(1))
        with Door(self.reopen(door)) as closed:
            closed.get(*of)
            closed.close()
            for method, state in (("get", ()), ("put", (subject.make(2),)), ("delete", ())):
                with pytest.raises(StorageClosed, match="nothing was"):
                    getattr(closed, method)(*of, *state)
        assert self.stored(door, subject, actor_id) == 1
