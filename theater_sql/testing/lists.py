"""The contract of lists: which actors of a type there are, page by page, and how many."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from theater_sql.testing.base import Capability, ContractBase, Subject, needs
from theater_sql.testing.doors import Door

_LISTS = needs(Capability.LISTS)


class ListsContract(ContractBase, is_part=True):
    """Which actors of a type there are."""

    def pages(self, door: Door, subject: Subject, actor_id: str, limit: int) -> list[Any]:
        """Return the ids that begin like this test's, read page by page."""
        ids: list[Any] = []
        page = door.list_ids(subject.actor_type, after=actor_id, limit=limit)
        while page and str(page[-1]).startswith(actor_id):
            assert len(page) <= limit
            assert not set(page) & set(ids), "an id twice"
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
        self, door: Door, subject: Subject, others: list[Subject], actor_id: str
    ) -> None:
        before = door.count(subject.actor_type)
        for other in others:
            door.put(other.actor_type, actor_id, other.make(1))
        assert door.count(subject.actor_type) == before
        assert actor_id not in door.list_ids(subject.actor_type, after=actor_id[:-1], limit=10)

    @_LISTS
    def test_all_pages_from_the_beginning_are_as_many_ids_as_are_counted(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        ids = [f"{actor_id}-{n}" for n in range(5)]
        for one in ids:
            door.put(subject.actor_type, one, subject.make(1))
        listed = door.list_ids(subject.actor_type, limit=2)
        while page := door.list_ids(subject.actor_type, after=listed[-1], limit=500):
            listed += page
        assert len(listed) == len(set(listed)) == door.count(subject.actor_type)
        assert [one for one in listed if one in ids] == ids

    @_LISTS
    def test_a_list_goes_on_after_an_id_that_is_not_there(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        for n in (1, 3):
            door.put(subject.actor_type, f"{actor_id}-{n}", subject.make(1))
        page = door.list_ids(subject.actor_type, after=f"{actor_id}-2", limit=1)
        assert page == [f"{actor_id}-3"]

    @needs(Capability.LISTS, Capability.ID_KINDS)
    def test_ids_of_every_kind_are_listed_as_they_were_given(
        self, door: Door, untyped: Subject, actor_id: str
    ) -> None:
        number = int(actor_id.replace("-", ""), 16) % 2**62
        ids = [number, str(number), str(number).encode(), (number, "a"), UUID(int=number)]
        for one in ids:
            door.put(untyped.actor_type, one, untyped.make(1))
        listed = door.list_ids(untyped.actor_type, limit=2)
        while page := door.list_ids(untyped.actor_type, after=listed[-1], limit=500):
            listed += page
        assert {one for one in listed if one in ids} == set(ids)
