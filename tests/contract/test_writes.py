"""What writes leave in the table, beside what the kit for storages asks of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from tests.contract.doors import Door
from tests.contract.kinds import Kind
from theater_sql import ABSENT, NOT_PRESENT, Conflict, Etag


def check_found(door: Door, kind: Kind, actor_id: str, number: int, etag: Any, version: int) -> Any:
    """Check that reading gives exactly this."""
    found = door.get(kind.actor_type, actor_id)
    assert found, "nothing is stored"
    assert (kind.number(found.state), found.etag, found.version) == (number, etag, version)
    return found


def test_put_absent_on_nothing_creates_version_1(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    etag = shared_door.put(kind.actor_type, actor_id, kind.make(5), expect=ABSENT)
    assert isinstance(etag, UUID)
    found = check_found(shared_door, kind, actor_id, 5, etag, 1)
    assert type(found.state) is type(kind.make(5))
    assert abs(datetime.now(UTC) - found.updated_at) < timedelta(minutes=5)
    assert found.updated_at.utcoffset() == timedelta(0)


def test_put_with_an_etag_on_nothing_is_gone(
    shared_door: Door, shared_engine: sa.Engine, kind: Kind, actor_id: str
) -> None:
    with pytest.raises(Conflict):
        shared_door.put(kind.actor_type, actor_id, kind.make(1), expect=Etag(uuid4()))
    assert kind.row(shared_engine, actor_id) is None, "it was inserted"


@pytest.mark.parametrize("present", [True, False])
def test_delete_without_expect_succeeds_twice(
    shared_door: Door, shared_engine: sa.Engine, kind: Kind, actor_id: str, present: bool
) -> None:
    if present:
        shared_door.put(kind.actor_type, actor_id, kind.make(1))
    for _ in range(2):
        shared_door.delete(kind.actor_type, actor_id)
        assert shared_door.get(kind.actor_type, actor_id) is NOT_PRESENT
        assert kind.row(shared_engine, actor_id) is None


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


@pytest.mark.parametrize("text", ["", "x" * 512])
def test_the_empty_and_the_longest_text_are_ids(
    shared_door: Door, kind: Kind, actor_id: str, text: str
) -> None:
    unique = f"{actor_id}{text}"[:512] if text else text
    shared_door.delete(kind.actor_type, unique)
    etag = shared_door.put(kind.actor_type, unique, kind.make(1), expect=ABSENT)
    check_found(shared_door, kind, unique, 1, etag, 1)
