"""The contract of calls on many actors, and of lists."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from theater_sql.contract import ABSENT, NOT_PRESENT, Delete, Etag, Put
from theater_sql.errors import BatchConflict, Conflict, InvalidId
from theater_sql.testing.base import OTHER, UNTYPED, Capability, ContractBase, Subject, needs
from theater_sql.testing.doors import Door

_MANY = needs(Capability.MANY, Capability.ETAGS)
_ATOMIC = needs(Capability.MANY, Capability.ATOMIC, Capability.ETAGS)
_LISTS = needs(Capability.LISTS)


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
        found = door.get_many([(of, f"{actor_id}-{end}") for end in ("new", "none", "there")])
        assert found[1] is NOT_PRESENT
        assert [found[0].etag, found[2].etag] == [results[0], results[3]]
        assert [subject.number(found[0].state), subject.number(found[2].state)] == [2, 5]
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


class ListsContract(ContractBase, is_part=True):
    """Which actors of a type there are."""

    def pages(self, door: Door, subject: Subject, actor_id: str, limit: int) -> list[Any]:
        """Return the ids that begin like this test's, read page by page."""
        ids: list[Any] = []
        page = door.list_ids(subject.actor_type, after=actor_id, limit=limit)
        while page and str(page[-1]).startswith(actor_id):
            assert len(page) <= limit
            ids += page
            page = door.list_ids(subject.actor_type, after=page[-1], limit=limit)
        return ids + [one for one in page if str(one).startswith(actor_id)]

    @_LISTS
    @pytest.mark.parametrize("limit", [1, 3, 7, 100])
    def test_pages_have_each_id_once_and_in_order(
        self, door: Door, subject: Subject, actor_id: str, limit: int
    ) -> None:
        ids = [f"{actor_id}-{n}" for n in range(7)]
        for one in reversed(ids):
            door.put(subject.actor_type, one, subject.make(1))
        assert self.pages(door, subject, actor_id, limit) == ids

    @_LISTS
    def test_what_comes_and_goes_between_pages_disturbs_nothing_else(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        for n in (0, 2, 4, 6, 8):
            door.put(subject.actor_type, f"{actor_id}-{n}", subject.make(1))
        first = door.list_ids(subject.actor_type, after=actor_id, limit=2)
        door.delete(subject.actor_type, first[0])
        door.delete(subject.actor_type, first[1])
        for n in (1, 3):
            door.put(subject.actor_type, f"{actor_id}-{n}", subject.make(1))
        rest = door.list_ids(subject.actor_type, after=first[1], limit=100)
        mine = [one for one in rest if str(one).startswith(actor_id)]
        assert mine == [f"{actor_id}-{n}" for n in (3, 4, 6, 8)]

    @_LISTS
    def test_count_follows_creates_and_deletes(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        before = door.count(subject.actor_type)
        for _ in range(2):
            door.put(subject.actor_type, actor_id, subject.make(1))
            door.put(subject.actor_type, f"{actor_id}-2", subject.make(1))
            assert door.count(subject.actor_type) == before + 2
        door.delete(subject.actor_type, actor_id)
        assert door.count(subject.actor_type) == before + 1

    @_LISTS
    def test_other_types_are_neither_listed_nor_counted(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        before = door.count(subject.actor_type)
        for other in (*self.subjects, UNTYPED, OTHER):
            if other is not subject:
                door.put(other.actor_type, actor_id, other.make(1))
        assert door.count(subject.actor_type) == before
        assert actor_id not in door.list_ids(subject.actor_type, after=actor_id[:-1], limit=10)
