"""``etag=`` makes a caller's own retry harmless; what is no etag is refused before it is sent."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.contract.doors import Door
from tests.contract.kinds import Kind
from theater_sql import ABSENT, NOT_PRESENT, OVERWRITE, Conflict, Etag, InvalidEtag


@pytest.mark.parametrize("before", ["nothing", "a row, expected", "a row, overwritten"])
def test_repeating_a_put_with_its_etag_writes_once(
    shared_door: Door, kind: Kind, actor_id: str, before: str
) -> None:
    # LangGraph put_writes: idempotent
    expect: Any = ABSENT
    if before != "nothing":
        expect = shared_door.put(kind.actor_type, actor_id, kind.make(1))
    if before == "a row, overwritten":
        expect = OVERWRITE
    etag = Etag(uuid4())
    for number in (2, 3):  # the repetition must not even write its own state
        given = shared_door.put(
            kind.actor_type, actor_id, kind.make(number), expect=expect, etag=etag
        )
        assert given == etag
    found = shared_door.get(kind.actor_type, actor_id)
    assert (kind.number(found.state), found.etag) == (2, etag)
    assert found.version == (1 if before == "nothing" else 2)


def test_repeating_a_put_that_was_followed_by_another_conflicts(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    mine = Etag(uuid4())
    shared_door.put(kind.actor_type, actor_id, kind.make(1), expect=ABSENT, etag=mine)
    theirs = shared_door.put(kind.actor_type, actor_id, kind.make(2), expect=mine)
    with pytest.raises(Conflict) as caught:
        shared_door.put(kind.actor_type, actor_id, kind.make(1), expect=ABSENT, etag=mine)
    assert (caught.value.kind, caught.value.actual) == ("exists", theirs)
    assert kind.number(shared_door.get(kind.actor_type, actor_id).state) == 2


def test_the_etag_given_becomes_the_rows_etag(shared_door: Door, kind: Kind, actor_id: str) -> None:
    etag = Etag(uuid4())
    assert shared_door.put(kind.actor_type, actor_id, kind.make(1), etag=etag) == etag
    assert shared_door.get(kind.actor_type, actor_id).etag == etag


@pytest.mark.parametrize("wrong", [None, "text", 1, b"bytes", True, NOT_PRESENT])
def test_what_is_no_etag_is_refused(
    shared_door: Door, kind: Kind, actor_id: str, wrong: Any
) -> None:
    with pytest.raises(InvalidEtag, match=r"expect=.*nothing was sent"):
        shared_door.put(kind.actor_type, actor_id, kind.make(1), expect=wrong)
    with pytest.raises(InvalidEtag):
        shared_door.delete(kind.actor_type, actor_id, expect=wrong)
    if wrong is not None:
        with pytest.raises(InvalidEtag, match="etag="):
            shared_door.put(kind.actor_type, actor_id, kind.make(1), etag=wrong)
    assert shared_door.get(kind.actor_type, actor_id) is NOT_PRESENT


def test_etag_equal_to_expect_is_a_value_error(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    etag = shared_door.put(kind.actor_type, actor_id, kind.make(1))
    with pytest.raises(ValueError, match="every write needs a new one"):
        shared_door.put(kind.actor_type, actor_id, kind.make(2), expect=etag, etag=etag)
    assert kind.number(shared_door.get(kind.actor_type, actor_id).state) == 1
