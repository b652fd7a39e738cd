"""The contract of etags: new with every write, the caller's own where it brings one."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

import pytest

from theater_sql import ABSENT, NOT_PRESENT, OVERWRITE, Conflict, Etag, InvalidEtag
from theater_sql.testing.base import Capability, ContractBase, Subject, needs
from theater_sql.testing.doors import Door

_ETAGS = needs(Capability.ETAGS)
_NO_ETAGS: Final[list[Any]] = [None, "text", 1, b"bytes", True, NOT_PRESENT]


class EtagsContract(ContractBase, is_part=True):
    """What tells one write from every other."""

    @_ETAGS
    def test_no_two_writes_have_one_etag(self, door: Door, subject: Subject, actor_id: str) -> None:
        etags = []
        for _ in range(3):
            for name in (actor_id, f"{actor_id}-2"):
                etags += [door.put(subject.actor_type, name, subject.make(1)) for _ in range(3)]
                door.delete(subject.actor_type, name)
        assert len(set(etags)) == 18

    @_ETAGS
    def test_what_is_read_has_the_etag_that_was_written_until_the_next_write(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        etag = door.put(subject.actor_type, actor_id, subject.make(1))
        assert {door.get(subject.actor_type, actor_id)[1:] for _ in range(3)} == {
            door.get(subject.actor_type, actor_id)[1:]
        }
        assert door.get(subject.actor_type, actor_id).etag == etag

    @_ETAGS
    def test_the_etag_of_what_is_read_is_what_a_put_expects_present_or_not(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        for version in (1, 2, 1):
            etag = door.put(*of, subject.make(version), expect=door.get(*of).etag)
            found = door.get(*of)
            assert (found.etag, found.version) == (etag, version)
            if version == 2:
                door.delete(*of, expect=found.etag)

    @_ETAGS
    def test_an_etag_of_the_callers_makes_a_repeated_put_harmless(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        own, of = Etag(uuid4()), (subject.actor_type, actor_id)
        for expect in (ABSENT, ABSENT, OVERWRITE):
            assert door.put(*of, subject.make(1), expect=expect, etag=own) == own
        found = door.get(*of)
        assert (subject.number(found.state), found.etag, found.version) == (1, own, 1)
        new = door.put(*of, subject.make(2), expect=own)
        with pytest.raises(Conflict) as caught:  # another write came after it
            door.put(*of, subject.make(1), expect=ABSENT, etag=own)
        assert (caught.value.kind, caught.value.actual) == ("exists", new)

    @_ETAGS
    @pytest.mark.parametrize("expect", ["etag", "overwrite"])
    def test_a_repeated_put_over_a_row_writes_once(
        self, door: Door, subject: Subject, actor_id: str, expect: str
    ) -> None:
        own, of = Etag(uuid4()), (subject.actor_type, actor_id)
        before = door.put(*of, subject.make(1))
        wanted = before if expect == "etag" else OVERWRITE
        for number in (2, 3):  # not even its own state is written by the repetition
            assert door.put(*of, subject.make(number), expect=wanted, etag=own) == own
        found = door.get(*of)
        assert (subject.number(found.state), found.etag, found.version) == (2, own, 2)

    @_ETAGS
    def test_a_repeated_put_does_not_bring_back_what_was_deleted(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        own, of = Etag(uuid4()), (subject.actor_type, actor_id)
        before = door.put(*of, subject.make(1))
        door.put(*of, subject.make(2), expect=before, etag=own)
        door.delete(*of, expect=own)
        with pytest.raises(Conflict) as caught:
            door.put(*of, subject.make(2), expect=before, etag=own)
        assert (caught.value.kind, caught.value.actual) == ("gone", None)
        assert door.get(*of) is NOT_PRESENT

    @_ETAGS
    def test_an_etag_can_not_follow_itself(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        etag = door.put(*of, subject.make(1))
        with pytest.raises(InvalidEtag, match="nothing was"):
            door.put(*of, subject.make(2), expect=etag, etag=etag)
        found = door.get(*of)
        assert (subject.number(found.state), found.etag, found.version) == (1, etag, 1)

    @_ETAGS
    @pytest.mark.parametrize("wrong", _NO_ETAGS, ids=repr)
    def test_what_is_no_etag_is_refused_and_nothing_is_written(
        self, door: Door, subject: Subject, actor_id: str, wrong: Any
    ) -> None:
        of = (subject.actor_type, actor_id)
        with pytest.raises(InvalidEtag, match="nothing was"):
            door.put(*of, subject.make(1), expect=wrong)
        with pytest.raises(InvalidEtag, match="nothing was"):
            door.delete(*of, expect=wrong)
        if wrong is not None:
            with pytest.raises(InvalidEtag, match="nothing was"):
                door.put(*of, subject.make(1), etag=wrong)
        assert door.get(*of) is NOT_PRESENT
