"""The table of writes: what each event gives, on every kind of storage, by both doors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from tests.contract.doors import Door
from tests.contract.kinds import KINDS, Kind
from theater_sql import ABSENT, NOT_PRESENT, OVERWRITE, Conflict, Etag


def check_found(door: Door, kind: Kind, actor_id: str, number: int, etag: Any, version: int) -> Any:
    """Check that reading gives exactly this."""
    found = door.get(kind.actor_type, actor_id)
    assert found, "nothing is stored"
    assert (kind.number(found.state), found.etag, found.version) == (number, etag, version)
    return found


def check_conflict(
    conflict: Conflict, kind: Kind, actor_id: str, which: str, expected: Any, actual: Any
) -> None:
    """Check every attribute of a conflict."""
    assert (conflict.kind, conflict.expected, conflict.actual) == (which, expected, actual)
    assert (conflict.actor_type, conflict.actor_id) == (kind.actor_type, actor_id)


def stranger() -> Etag:
    return Etag(uuid4())


def test_get_of_nothing_is_not_present(shared_door: Door, kind: Kind, actor_id: str) -> None:
    # 2A-1 #2, #3
    found = shared_door.get(kind.actor_type, actor_id)
    assert found is NOT_PRESENT
    assert not found
    assert found.etag is ABSENT


def test_put_absent_on_nothing_creates_version_1(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    # 2A-1 #4: the etag read is the etag written
    etag = shared_door.put(kind.actor_type, actor_id, kind.make(5), expect=ABSENT)
    assert isinstance(etag, UUID)
    found = check_found(shared_door, kind, actor_id, 5, etag, 1)
    assert type(found.state) is type(kind.make(5))
    assert abs(datetime.now(UTC) - found.updated_at) < timedelta(minutes=5)
    assert found.updated_at.utcoffset() == timedelta(0)


def test_put_absent_on_something_conflicts(shared_door: Door, kind: Kind, actor_id: str) -> None:
    # 2A-1 #14; 2B-2 reject concurrent insert
    etag = shared_door.put(kind.actor_type, actor_id, kind.make(1))
    with pytest.raises(Conflict) as caught:
        shared_door.put(kind.actor_type, actor_id, kind.make(2), expect=ABSENT)
    check_conflict(caught.value, kind, actor_id, "exists", ABSENT, etag)
    check_found(shared_door, kind, actor_id, 1, etag, 1)


def test_put_with_the_right_etag_counts_up(shared_door: Door, kind: Kind, actor_id: str) -> None:
    # 2A-1 #17; 2B-2 update
    etags = [shared_door.put(kind.actor_type, actor_id, kind.make(0), expect=ABSENT)]
    for number in (1, 2, 3):
        etags.append(
            shared_door.put(kind.actor_type, actor_id, kind.make(number), expect=etags[-1])
        )
        check_found(shared_door, kind, actor_id, number, etags[-1], number + 1)
    assert len(set(etags)) == 4


def test_put_of_identical_state_gives_a_new_etag_and_version(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    # 2A-1 #18
    first = shared_door.put(kind.actor_type, actor_id, kind.make(1))
    second = shared_door.put(kind.actor_type, actor_id, kind.make(1), expect=first)
    assert first != second
    check_found(shared_door, kind, actor_id, 1, second, 2)


def test_put_with_another_etag_is_stale(shared_door: Door, kind: Kind, actor_id: str) -> None:
    # 2A-1 #15: value and etag stay those of the latest writer
    old = shared_door.put(kind.actor_type, actor_id, kind.make(1))
    new = shared_door.put(kind.actor_type, actor_id, kind.make(2), expect=old)
    with pytest.raises(Conflict) as caught:
        shared_door.put(kind.actor_type, actor_id, kind.make(3), expect=old)
    check_conflict(caught.value, kind, actor_id, "stale", old, new)
    check_found(shared_door, kind, actor_id, 2, new, 2)


def test_put_with_an_etag_on_nothing_is_gone(
    shared_door: Door, shared_engine: sa.Engine, kind: Kind, actor_id: str
) -> None:
    # 2A-3: a version for an id that was never stored
    expected = stranger()
    with pytest.raises(Conflict) as caught:
        shared_door.put(kind.actor_type, actor_id, kind.make(1), expect=expected)
    check_conflict(caught.value, kind, actor_id, "gone", expected, None)
    assert kind.row(shared_engine, actor_id) is None, "it was inserted"


def test_put_without_expect_creates_then_overwrites(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    first = shared_door.put(kind.actor_type, actor_id, kind.make(1))
    check_found(shared_door, kind, actor_id, 1, first, 1)
    second = shared_door.put(kind.actor_type, actor_id, kind.make(2), expect=OVERWRITE)
    check_found(shared_door, kind, actor_id, 2, second, 2)


@pytest.mark.parametrize("present", [True, False])
def test_delete_without_expect_succeeds_twice(
    shared_door: Door, shared_engine: sa.Engine, kind: Kind, actor_id: str, present: bool
) -> None:
    # 2A-1 #9, #12, #13
    if present:
        shared_door.put(kind.actor_type, actor_id, kind.make(1))
    for _ in range(2):
        shared_door.delete(kind.actor_type, actor_id)
        assert shared_door.get(kind.actor_type, actor_id) is NOT_PRESENT
        assert kind.row(shared_engine, actor_id) is None


def test_delete_with_the_right_etag(shared_door: Door, kind: Kind, actor_id: str) -> None:
    etag = shared_door.put(kind.actor_type, actor_id, kind.make(1))
    shared_door.delete(kind.actor_type, actor_id, expect=etag)
    assert shared_door.get(kind.actor_type, actor_id) is NOT_PRESENT


def test_delete_with_another_etag_is_stale(shared_door: Door, kind: Kind, actor_id: str) -> None:
    # 2A-1 #16; 2B-2 reject concurrent deletes
    old = shared_door.put(kind.actor_type, actor_id, kind.make(1))
    new = shared_door.put(kind.actor_type, actor_id, kind.make(2))
    with pytest.raises(Conflict) as caught:
        shared_door.delete(kind.actor_type, actor_id, expect=old)
    check_conflict(caught.value, kind, actor_id, "stale", old, new)
    check_found(shared_door, kind, actor_id, 2, new, 2)


def test_delete_with_an_etag_of_nothing_is_gone(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    expected = stranger()
    with pytest.raises(Conflict) as caught:
        shared_door.delete(kind.actor_type, actor_id, expect=expected)
    check_conflict(caught.value, kind, actor_id, "gone", expected, None)


def test_delete_expecting_nothing(shared_door: Door, kind: Kind, actor_id: str) -> None:
    shared_door.delete(kind.actor_type, actor_id, expect=ABSENT)
    etag = shared_door.put(kind.actor_type, actor_id, kind.make(1))
    with pytest.raises(Conflict) as caught:
        shared_door.delete(kind.actor_type, actor_id, expect=ABSENT)
    check_conflict(caught.value, kind, actor_id, "exists", ABSENT, etag)
    check_found(shared_door, kind, actor_id, 1, etag, 1)


def test_recreated_actor_restarts_and_every_old_etag_fails(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    # 2E #3 (ABA): the version is the old one again, the etag is not
    old = [shared_door.put(kind.actor_type, actor_id, kind.make(1))]
    old.append(shared_door.put(kind.actor_type, actor_id, kind.make(2), expect=old[-1]))
    shared_door.delete(kind.actor_type, actor_id, expect=old[-1])
    etag = shared_door.put(kind.actor_type, actor_id, kind.make(3), expect=ABSENT)
    assert etag not in old
    for expected in old:
        with pytest.raises(Conflict) as caught:
            shared_door.put(kind.actor_type, actor_id, kind.make(4), expect=expected)
        check_conflict(caught.value, kind, actor_id, "stale", expected, etag)
        with pytest.raises(Conflict) as caught:
            shared_door.delete(kind.actor_type, actor_id, expect=expected)
        check_conflict(caught.value, kind, actor_id, "stale", expected, etag)
    check_found(shared_door, kind, actor_id, 3, etag, 1)


def test_put_keeps_created_at_and_moves_updated_at(
    shared_door: Door, shared_engine: sa.Engine, kind: Kind, actor_id: str
) -> None:
    shared_door.put(kind.actor_type, actor_id, kind.make(1))
    past = datetime(2020, 1, 1, tzinfo=UTC)
    kind.update(shared_engine, actor_id, created_at=past, updated_at=past)
    assert shared_door.get(kind.actor_type, actor_id).updated_at == past
    shared_door.put(kind.actor_type, actor_id, kind.make(2))
    row = kind.row(shared_engine, actor_id)
    assert row is not None
    assert row["created_at"] == past
    assert row["updated_at"] > datetime.now(UTC) - timedelta(minutes=5)
    assert row["schema_version"] == 1


def test_one_id_in_every_type_is_many_actors(shared_door: Door, actor_id: str) -> None:
    # 2A-1 #19; 2A-5 types must not mix; 2E #6
    for number, kind in enumerate(KINDS.values()):
        shared_door.put(kind.actor_type, actor_id, kind.make(number), expect=ABSENT)
    shared_door.delete("shop.Session", actor_id)
    for number, kind in enumerate(KINDS.values()):
        found = shared_door.get(kind.actor_type, actor_id)
        if kind.actor_type == "shop.Session":
            assert found is NOT_PRESENT
        else:
            assert kind.number(found.state) == number


@pytest.mark.parametrize("text", ["Привет, мир 🎭 e\u0301", "", " ", "a'b\"c\\d%s:x,y", "x" * 512])
def test_any_text_is_an_id(shared_door: Door, kind: Kind, actor_id: str, text: str) -> None:
    # 2A-1 #1, #7
    unique = f"{actor_id}{text}"[:512] if text else text
    shared_door.delete(kind.actor_type, unique)
    etag = shared_door.put(kind.actor_type, unique, kind.make(1), expect=ABSENT)
    check_found(shared_door, kind, unique, 1, etag, 1)


def test_ids_that_differ_in_case_or_trailing_blanks_are_different(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    ids = [f"{actor_id}a", f"{actor_id}A", f"{actor_id}a ", f"{actor_id}á", f"{actor_id}a\u0301"]
    for number, one in enumerate(ids):
        shared_door.put(kind.actor_type, one, kind.make(number), expect=ABSENT)
    found = [kind.number(shared_door.get(kind.actor_type, one).state) for one in ids]
    assert found == list(range(len(ids)))
