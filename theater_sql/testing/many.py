"""The contract of calls on many actors: a result for each, or all or nothing."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from theater_sql import (
    ABSENT,
    NOT_PRESENT,
    BatchConflict,
    Conflict,
    Delete,
    Etag,
    InvalidId,
    InvalidState,
    Put,
)
from theater_sql.testing.base import Capability, ContractBase, Subject, needs
from theater_sql.testing.doors import Call, Door

_MANY = needs(Capability.MANY, Capability.ETAGS)
_ATOMIC = needs(Capability.MANY, Capability.ATOMIC, Capability.ETAGS)


class ManyContract(ContractBase, is_part=True):
    """Many actors in one call."""

    def names(self, actor_id: str) -> list[tuple[Subject, str]]:
        """Return actors of all subjects, three each, in no order."""
        return [(of, f"{actor_id}-{n}") for n in (2, 0, 1) for of in self.subjects]

    def numbers(self, door: Door, names: list[tuple[Subject, str]]) -> list[int | None]:
        """Return what is stored of them."""
        found = door.get_many([(of.actor_type, name) for of, name in names])
        return [
            of.number(one.state) if one else None for (of, _), one in zip(names, found, strict=True)
        ]

    @_MANY
    def test_each_item_has_its_own_result_in_order(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, there = subject.actor_type, f"{actor_id}-there"
        etag = door.put(of, there, subject.make(1))
        results = door.put_many(
            [
                Put(of, f"{actor_id}-new", subject.make(2), ABSENT),
                Put(of, there, subject.make(3), ABSENT),
                Put(of, f"{actor_id}-none", subject.make(4), Etag(uuid4())),
                Put(of, there, subject.make(5), etag),
            ]
        )
        kinds = [error.kind for error in results if isinstance(error, Conflict)]
        assert kinds == ["exists", "gone"]
        assert isinstance(results[1], Conflict) and isinstance(results[2], Conflict)
        found = door.get_many([(of, f"{actor_id}-{end}") for end in ("there", "none", "new")])
        assert found[1] is NOT_PRESENT
        assert [found[0].etag, found[2].etag] == [results[3], results[0]]
        assert [subject.number(found[0].state), subject.number(found[2].state)] == [5, 2]
        gone = door.delete_many(
            [Delete(of, there, etag), Delete(of, f"{actor_id}-none"), Delete(of, there, results[3])]
        )
        assert isinstance(gone[0], Conflict) and gone[1:] == [None, None]
        assert door.get(of, there) is NOT_PRESENT

    @_MANY
    def test_all_types_in_one_call(self, door: Door, actor_id: str) -> None:
        names = self.names(actor_id)
        puts = [Put(of.actor_type, name, of.make(n)) for n, (of, name) in enumerate(names)]
        etags = door.put_many(puts)
        assert len(set(etags)) == len(names)
        assert self.numbers(door, names) == list(range(len(names)))
        door.delete_many([Delete(of.actor_type, name) for of, name in names])
        assert self.numbers(door, names) == [None] * len(names)

    @_MANY
    def test_writes_of_one_actor_act_one_after_the_other(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        puts = [Put(subject.actor_type, actor_id, subject.make(n)) for n in range(8)]
        etags = door.put_many(puts)
        found = door.get(subject.actor_type, actor_id)
        assert (subject.number(found.state), found.etag, found.version) == (7, etags[-1], 8)

    @_ATOMIC
    def test_a_batch_is_written_as_a_whole(self, door: Door, actor_id: str) -> None:
        names = self.names(actor_id)
        expects: list[Any] = [ABSENT] * len(names)
        for version in (1, 2):
            puts = [
                Put(of.actor_type, name, of.make(version), expect)
                for (of, name), expect in zip(names, expects, strict=True)
            ]
            expects = door.put_many(puts, atomic=True)
            found = door.get_many([put[:2] for put in puts])
            assert [one.etag for one in found] == expects
            assert {one.version for one in found} == {version}

    @_ATOMIC
    def test_a_batch_with_conflicts_writes_nothing_and_tells_them_all(
        self, door: Door, actor_id: str
    ) -> None:
        names = self.names(actor_id)
        etags = door.put_many([Put(of.actor_type, name, of.make(1)) for of, name in names])
        puts = [
            Put(of.actor_type, name, of.make(2), etag)
            for (of, name), etag in zip(names, etags, strict=True)
        ]
        puts[0] = puts[0]._replace(expect=Etag(uuid4()))
        puts[-1] = puts[-1]._replace(expect=ABSENT)
        with pytest.raises(BatchConflict) as caught:
            door.put_many(puts, atomic=True)
        told = [(error.actor_id, error.kind, error.actual) for error in caught.value.conflicts]
        assert told == [
            (puts[0].actor_id, "stale", etags[0]),
            (puts[-1].actor_id, "exists", etags[-1]),
        ]
        assert self.numbers(door, names) == [1] * len(names)

    @_ATOMIC
    def test_a_batch_may_not_have_an_actor_twice(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        with pytest.raises(InvalidId):
            door.put_many([Put(subject.actor_type, actor_id, subject.make(1))] * 2, atomic=True)
        assert door.get(subject.actor_type, actor_id) is NOT_PRESENT

    @_ATOMIC
    def test_many_of_nothing_is_nothing(self, door: Door) -> None:
        assert list(door.get_many([])) == []
        assert list(door.put_many([])) == []
        assert list(door.put_many([], atomic=True)) == []
        assert list(door.delete_many([])) == []

    @_MANY
    def test_plain_tuples_are_items_and_come_from_any_iterable(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, ids = subject.actor_type, [f"{actor_id}-{n}" for n in range(3)]
        etags = door.put_many((of, one, subject.make(1), ABSENT) for one in ids)
        own = Etag(uuid4())
        assert door.put_many([(of, ids[0], subject.make(2), etags[0], own)]) == [own]
        found = door.get_many((of, one) for one in ids)
        assert [one.etag for one in found] == [own, *etags[1:]]
        assert door.delete_many((of, one, each) for one, each in zip(ids, etags, strict=True))[
            1:
        ] == [None, None]
        assert door.get(of, ids[0]).etag == own

    @_MANY
    def test_what_is_wrong_with_an_item_is_its_own_result(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, state = subject.actor_type, subject.make(1)
        ids = [f"{actor_id}-{n}" for n in range(2)]
        results = door.put_many(
            [
                Put(of, ids[0], state),
                Put(of, "x" * 600, state),
                Put(of, f"{actor_id}-bad", object()),
                Put(of, ids[1], state),
            ]
        )
        assert [type(error) for error in results.errors] == [InvalidId, InvalidState]
        assert results.errors == results[1:3]
        with pytest.raises(ExceptionGroup) as group:
            results.raise_errors()
        assert list(group.value.exceptions) == results.errors
        with pytest.raises(InvalidId):
            door.get_many([(of, ids[0]), (of, "x" * 600)]).raise_errors()
        assert [one.etag for one in door.get_many([(of, one) for one in ids]).raise_errors()] == [
            results[0],
            results[3],
        ]

    @_MANY
    def test_an_actor_that_is_asked_for_twice_is_given_twice(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        etag = door.put(subject.actor_type, actor_id, subject.make(1))
        found = door.get_many([(subject.actor_type, actor_id)] * 3)
        assert [one.etag for one in found] == [etag] * 3
        assert door.delete_many([(subject.actor_type, actor_id)] * 2) == [None, None]

    @_MANY
    def test_a_thousand_in_one_call(self, door: Door, subject: Subject, actor_id: str) -> None:
        of, ids = subject.actor_type, [f"{actor_id}-{n}" for n in range(1000)]
        etags = door.put_many([Put(of, one, subject.make(n)) for n, one in enumerate(ids)])
        found = door.get_many([(of, one) for one in reversed(ids)])
        assert [one.etag for one in reversed(found)] == etags
        assert [subject.number(one.state) for one in reversed(found)] == list(range(1000))
        assert door.delete_many([Delete(of, one) for one in ids]) == [None] * 1000
        assert set(door.get_many([(of, one) for one in ids])) == {NOT_PRESENT}

    @_ATOMIC
    def test_a_batch_with_an_item_that_cant_be_stored_writes_nothing(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, good = subject.actor_type, f"{actor_id}-good"
        for bad, error in (
            (Put(of, actor_id, object()), InvalidState),
            (Put(of, "x" * 600, subject.make(1)), InvalidId),
        ):
            with pytest.raises(error):
                door.put_many([Put(of, good, subject.make(1)), bad], atomic=True)
            assert door.get(of, good) is NOT_PRESENT

    @_ATOMIC
    def test_a_batch_with_etags_of_the_callers_may_be_repeated(
        self, door: Door, actor_id: str
    ) -> None:
        names = self.names(actor_id)
        puts = [Put(of.actor_type, name, of.make(1), ABSENT, Etag(uuid4())) for of, name in names]
        for _ in range(2):
            assert door.put_many(puts, atomic=True) == [put.etag for put in puts]
        new = Put(names[0][0].actor_type, f"{actor_id}-new", names[0][0].make(1), ABSENT)
        door.put_many([*puts, new], atomic=True)  # a part of it again, with others
        assert {one.version for one in door.get_many([put[:2] for put in [*puts, new]])} == {1}

    @_ATOMIC
    def test_of_racing_batches_one_wins_as_a_whole(self, door: Door, actor_id: str) -> None:
        names = self.names(actor_id)
        for turn in range(5):
            calls = []
            for writer in range(4):
                puts = [
                    Put(of.actor_type, f"{name}-{turn}", of.make(writer), ABSENT)
                    for of, name in names
                ]
                puts = puts[writer:] + puts[:writer]  # each in an order of its own
                calls.append(Call(door, "put_many", puts, atomic=True))
            results = door.together(calls)
            won = [n for n, result in enumerate(results) if not isinstance(result, Exception)]
            assert len(won) == 1, results
            lost = [result for result in results if isinstance(result, Exception)]
            assert all(isinstance(error, BatchConflict) for error in lost), lost
            stored = self.numbers(door, [(of, f"{name}-{turn}") for of, name in names])
            assert set(stored) == set(won)
