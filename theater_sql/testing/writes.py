"""The contract of guarded writes: what each expects, and what it finds instead."""

from __future__ import annotations

import pickle
from typing import Any
from uuid import uuid4

import pytest

from theater_sql.contract import ABSENT, NOT_PRESENT, OVERWRITE, Etag
from theater_sql.errors import Conflict, ConflictKind, InvalidEtag
from theater_sql.testing.base import Capability, ContractBase, Subject, needs
from theater_sql.testing.doors import Call, Door

_ETAGS = needs(Capability.ETAGS)


def refused(
    door: Door, method: str, *args: Any, kind: ConflictKind, actual: Etag | None, **options: Any
) -> None:
    """Make a call that has to be refused, and check what the error says."""
    with pytest.raises(Conflict) as caught:
        getattr(door, method)(*args, **options)
    error = caught.value
    assert (error.kind, error.actual, error.expected) == (kind, actual, options["expect"])
    assert error.actor_id == args[1]
    assert "nothing was written" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


class WritesContract(ContractBase, is_part=True):
    """Optimistic concurrency on one actor."""

    def check(
        self, door: Door, subject: Subject, actor_id: str, number: int, etag: Etag, version: int
    ) -> None:
        """Check all that is stored of an actor."""
        found = door.get(subject.actor_type, actor_id)
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
    def test_an_etag_of_the_callers_makes_a_repeated_put_harmless(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        own, of = Etag(uuid4()), (subject.actor_type, actor_id)
        for expect in (ABSENT, ABSENT, OVERWRITE):
            assert door.put(*of, subject.make(1), expect=expect, etag=own) == own
        self.check(door, subject, actor_id, 1, own, 1)
        new = door.put(*of, subject.make(2), expect=own)
        write = (*of, subject.make(1))
        refused(door, "put", *write, expect=ABSENT, etag=own, kind="exists", actual=new)

    @_ETAGS
    def test_an_etag_can_not_follow_itself(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        etag = door.put(subject.actor_type, actor_id, subject.make(1))
        with pytest.raises(InvalidEtag):
            door.put(subject.actor_type, actor_id, subject.make(2), expect=etag, etag=etag)
        self.check(door, subject, actor_id, 1, etag, 1)


class RacesContract(ContractBase, is_part=True):
    """Writers that meet."""

    @_ETAGS
    def test_of_racing_creators_one_wins_and_the_others_are_told(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = subject.actor_type
        for turn in range(20):
            name = f"{actor_id}-{turn}"
            writes = [(of, name, subject.make(n)) for n in range(6)]
            self.check_one_winner(door, subject, writes, expect=ABSENT, kind="exists")

    @_ETAGS
    def test_of_racing_swaps_one_wins_and_the_others_are_told(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        etag = door.put(subject.actor_type, actor_id, subject.make(99))
        for _ in range(10):
            writes = [(subject.actor_type, actor_id, subject.make(n)) for n in range(6)]
            etag = self.check_one_winner(door, subject, writes, expect=etag, kind="stale")

    def check_one_winner(
        self, door: Door, subject: Subject, writes: list[Any], *, expect: Any, kind: str
    ) -> Etag:
        """Write all at once; return the only etag, after a look at what is stored."""
        results = door.together([Call("put", write, {"expect": expect}) for write in writes])
        won = [n for n, result in enumerate(results) if not isinstance(result, Exception)]
        lost = [result for result in results if isinstance(result, Exception)]
        assert len(won) == 1, results
        assert all(isinstance(error, Conflict) and error.kind == kind for error in lost), lost
        found = door.get(*writes[0][:2])
        assert (subject.number(found.state), found.etag) == (won[0], results[won[0]])
        return Etag(found.etag)

    @_ETAGS
    def test_a_hundred_actors_move_on_in_parallel_rounds(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, ids = subject.actor_type, [f"{actor_id}-{n}" for n in range(100)]
        expects: list[Any] = [ABSENT] * len(ids)
        for version in range(1, 6):
            expects = door.together(
                [
                    Call("put", (of, one, subject.make(version)), {"expect": expect})
                    for one, expect in zip(ids, expects, strict=True)
                ]
            )
            found = door.together([Call("get", (of, one)) for one in ids])
            assert [one.etag for one in found] == expects
            assert {(one.version, subject.number(one.state)) for one in found} == {
                (version, version)
            }

    @_ETAGS
    def test_no_increment_is_lost(self, door: Door, subject: Subject, actor_id: str) -> None:
        of = (subject.actor_type, actor_id)
        door.put(*of, subject.make(0))
        acknowledged = 0
        for _ in range(10):
            found = door.get(*of)
            state = subject.make(subject.number(found.state) + 1)
            calls = [Call("put", (*of, state), {"expect": found.etag}) for _ in range(4)]
            results = door.together(calls)
            acknowledged += sum(not isinstance(result, Exception) for result in results)
        assert self.stored(door, subject, actor_id) == acknowledged == 10
