"""Racing writers in one storage and in two: one wins, the others are told so, nobody is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.doors import Call, Door, MakeDoor
from tests.contract.kinds import ACTORS, KINDS, Kind
from theater_sql import ABSENT, Conflict, Etag
from theater_sql.backends.postgresql import PostgreSQLSession
from theater_sql.backends.sqlite_sessions import SQLiteSession

RACERS = 8


@pytest.fixture
def second_door(shared_door: Door, shared_url: str) -> Iterator[Door]:
    """Another storage on the same database, as another process would have."""
    with type(shared_door)(shared_url, ACTORS) as door:  # type: ignore[call-arg]
        yield door


def winners_of(results: list[object]) -> list[Etag]:
    """Return the etags, after checking that every other result is a conflict."""
    losers = [result for result in results if isinstance(result, BaseException)]
    assert all(isinstance(loser, Conflict) for loser in losers), losers
    return [result for result in results if not isinstance(result, BaseException)]  # type: ignore[misc]


def test_of_racing_creators_exactly_one_wins(shared_door: Door, kind: Kind, actor_id: str) -> None:
    # 2A-4 ConcurrentFirstWriteRaceUsesOptimisticConcurrency; 2E #2
    results = shared_door.together(
        [
            Call(shared_door, "put", kind.actor_type, actor_id, kind.make(n), expect=ABSENT)
            for n in range(RACERS)
        ]
    )
    (etag,) = winners_of(results)
    for loser in results:
        if isinstance(loser, Conflict):
            assert (loser.kind, loser.expected, loser.actual) == ("exists", ABSENT, etag)
    found = shared_door.get(kind.actor_type, actor_id)
    assert (found.etag, found.version) == (etag, 1)
    assert kind.number(found.state) == results.index(etag)


def test_creators_in_two_storages_agree_on_one_winner_each(
    shared_door: Door, second_door: Door, kind: Kind, actor_id: str
) -> None:
    ids = [f"{actor_id}-{n}" for n in range(10)]
    calls = [
        Call(shared_door, "put", kind.actor_type, one, kind.make(1), expect=ABSENT) for one in ids
    ]
    calls += [
        Call(second_door, "put", kind.actor_type, one, kind.make(2), expect=ABSENT) for one in ids
    ]
    results = shared_door.together(calls)
    for first, second, one in zip(results[:10], results[10:], ids, strict=True):
        (etag,) = winners_of([first, second])
        found = shared_door.get(kind.actor_type, one)
        assert (found.etag, found.version) == (etag, 1)
        assert kind.number(found.state) == (1 if first == etag else 2)


def test_of_racing_swaps_exactly_one_wins(shared_door: Door, kind: Kind, actor_id: str) -> None:
    # 2B-2 reject concurrent update
    expected = shared_door.put(kind.actor_type, actor_id, kind.make(0))
    results = shared_door.together(
        [
            Call(shared_door, "put", kind.actor_type, actor_id, kind.make(n), expect=expected)
            for n in range(RACERS)
        ]
    )
    (etag,) = winners_of(results)
    assert {loser.kind for loser in results if isinstance(loser, Conflict)} == {"stale"}
    assert shared_door.get(kind.actor_type, actor_id).etag == etag


def test_of_racing_deletes_exactly_one_wins(shared_door: Door, kind: Kind, actor_id: str) -> None:
    etag = shared_door.put(kind.actor_type, actor_id, kind.make(0))
    results = shared_door.together(
        [Call(shared_door, "delete", kind.actor_type, actor_id, expect=etag) for _ in range(RACERS)]
    )
    assert len(winners_of(results)) == 1
    assert {loser.kind for loser in results if isinstance(loser, Conflict)} == {"gone"}


def test_racing_overwrites_all_succeed_and_each_counts(
    shared_door: Door, second_door: Door, kind: Kind, actor_id: str
) -> None:
    # The loop of OVERWRITE: look, then compare and swap or create, again on a conflict
    calls = [
        Call(door, "put", kind.actor_type, actor_id, kind.make(n))
        for n in range(4)
        for door in (shared_door, second_door)
    ]
    results = shared_door.together(calls)
    assert len(set(winners_of(results))) == 8
    found = shared_door.get(kind.actor_type, actor_id)
    assert found.version == 8
    assert found.etag in results


def test_racing_overwrites_and_deletes_never_conflict(
    shared_door: Door, second_door: Door, kind: Kind, actor_id: str
) -> None:
    calls = [Call(shared_door, "put", kind.actor_type, actor_id, kind.make(n)) for n in range(4)]
    calls += [Call(second_door, "delete", kind.actor_type, actor_id) for _ in range(4)]
    assert not [r for r in shared_door.together(calls) if isinstance(r, BaseException)]


def test_many_first_writes_at_once_then_rounds_of_swaps(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    # 2A-1 #20, with parallel first writes too
    ids = [f"{actor_id}/{n}" for n in range(48)]
    etags = shared_door.together(
        [Call(shared_door, "put", kind.actor_type, i, kind.make(0), expect=ABSENT) for i in ids]
    )
    for number in (1, 2):
        etags = shared_door.together(
            [
                Call(shared_door, "put", kind.actor_type, i, kind.make(number), expect=etag)
                for i, etag in zip(ids, etags, strict=True)
            ]
        )
    found = shared_door.together([Call(shared_door, "get", kind.actor_type, i) for i in ids])
    assert [(f.etag, f.version, kind.number(f.state)) for f in found] == [(e, 3, 2) for e in etags]


def test_one_batch_gives_each_caller_its_own_result(
    shared_door: Door, kind: Kind, actor_id: str
) -> None:
    # Marten: many, one stale
    ids = [f"{actor_id}/{n}" for n in range(32)]
    etags = [
        shared_door.put(kind.actor_type, i, kind.make(0)) if n % 4 else None
        for n, i in enumerate(ids)
    ]
    stale = ids[1]
    newer = shared_door.put(kind.actor_type, stale, kind.make(9))
    calls = [
        Call(shared_door, "put", kind.actor_type, i, kind.make(1), expect=etag or ABSENT)
        for i, etag in zip(ids, etags, strict=True)
    ]
    results = shared_door.together(calls)
    conflict = results[1]
    assert isinstance(conflict, Conflict)
    assert (conflict.kind, conflict.actual) == ("stale", newer)
    assert not [r for n, r in enumerate(results) if n != 1 and isinstance(r, BaseException)]
    for n, one in enumerate(ids):
        found = shared_door.get(kind.actor_type, one)
        assert kind.number(found.state) == (9 if n == 1 else 1)


def test_writes_of_one_actor_keep_the_order_of_their_caller(
    make_door: MakeDoor, url: str, actor_id: str
) -> None:
    from tests.contract.kinds import KINDS

    kind = KINDS["unregistered"]
    with make_door(url, ACTORS) as door:
        door.create_all()
        for number in range(20):
            door.put(kind.actor_type, actor_id, kind.make(number))
            assert kind.number(door.get(kind.actor_type, actor_id).state) == number


def test_many_overwrites_of_one_actor_send_few_writes_in_vain(
    shared_door: Door, shared_url: str, actor_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who expects what the write before it has replaced is told so without a statement.
    sent: list[int] = []
    session: Any = SQLiteSession if shared_url.startswith("sqlite") else PostgreSQLSession
    run = session.run

    def spy(self: Any, statement: Any, rows: Any) -> Any:
        sent.extend([len(rows)] if statement.writes else [])
        return run(self, statement, rows)

    kind, callers = KINDS["derived"], 32
    shared_door.put(kind.actor_type, actor_id, kind.make(0))
    monkeypatch.setattr(session, "run", spy)
    results = shared_door.together(
        [Call(shared_door, "put", kind.actor_type, actor_id, kind.make(n)) for n in range(callers)]
    )
    assert len(set(winners_of(results))) == callers
    assert shared_door.get(kind.actor_type, actor_id).version == callers + 1
    assert sum(sent) < callers * callers / 4  # all of them in vain would be half of the square
