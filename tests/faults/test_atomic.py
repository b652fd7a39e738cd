"""A batch that is all or nothing, cut at every flight: applied once and acknowledged."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.conftest import Figure
from tests.faults.proxy import Cut, How, Proxy, When
from tests.faults.support import BOX, OTHER, Answer, Count, Door, direct, opened
from theater_sql import ABSENT, Etag, Found, NotPresent, OutcomeUnknown, Put, SQLStorage

CUTS = list(
    itertools.product(
        ("^BEGIN", "^UPDATE box", "^INSERT INTO other", "^COMMIT"),
        (When.BEFORE, When.AFTER, When.HALF),
        How,
    )
)


def batch(other: SQLStorage, name: str) -> list[Put]:
    """Return a compare and swap, an overwrite, and creates in two tables."""
    etag = other.put(BOX, f"{name} swap", Count(1))
    other.put(BOX, f"{name} over", Count(1))
    return [
        Put(BOX, f"{name} swap", Count(2), etag),
        Put(BOX, f"{name} over", Count(2)),
        Put(BOX, f"{name} new", Count(2), ABSENT),
        Put(OTHER, f"{name} new", Count(2), ABSENT),
    ]


def there(other: SQLStorage, puts: list[Put]) -> list[Found[Any] | NotPresent]:
    return other.get_many([put[:2] for put in puts]).raise_errors()


def verdict(other: SQLStorage, puts: list[Put], answer: Answer) -> str:
    found = there(other, puts)
    states = [one.state.count if one else None for one in found]
    versions = [one.version if one else 0 for one in found]
    applied = (states, versions) == ([2] * 4, [2, 2, 1, 1])
    untouched = (states, versions) == ([1, 1, None, None], [1, 1, 0, 0])
    if not (applied or untouched):
        return f"WRONG: torn or twice: {states} {versions}"
    if isinstance(answer.error, OutcomeUnknown):
        return "unknown"
    if answer.error is not None:
        return f"WRONG: {answer.error} about one's own write"
    return (
        "once" if applied and list(answer.value) == [one and one.etag for one in found] else "WRONG"
    )


def test_each_flight_of_an_atomic_batch(
    proxy: Proxy, pg: str, door_type: type[Door], figure: Figure
) -> None:
    seen: Counter[str] = Counter()
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        door.run(lambda s: s.put(BOX, "warm", Count()))
        for sql, when, how in CUTS:
            puts = batch(other, f"{sql} {when.name} {how.name}")
            cut = proxy.arm(Cut(sql, when, how))
            [answer] = door.run(lambda s, puts=puts: s.put_many(puts, atomic=True))  # type: ignore[misc]
            assert cut.fired.is_set(), sql
            seen[verdict(other, puts, answer)] += 1
    figure(f"{door_type.name}, {len(CUTS)} cuts of atomic batches: {dict(seen)}")
    assert seen == {"once": len(CUTS)}  # nobody else wrote: nothing is unknown


def test_a_commit_that_was_lost_and_overwritten_in_part_is_told_by_the_rest(
    proxy: Proxy, pg: str, door_type: type[Door]
) -> None:
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        door.run(lambda s: s.put(BOX, "warm", Count()))
        puts = batch(other, "a")[:2]
        cut = Cut("^COMMIT", When.AFTER, then=lambda: other.put(BOX, "a swap", Count(99)))
        proxy.arm(cut)
        [answer] = door.run(lambda s: s.put_many(puts, atomic=True))
        found = there(other, puts)
        assert [one and one.state for one in found] == [Count(99), Count(2)]
        assert list(answer.value)[1] == (found[1] and found[1].etag)  # so all of it was committed


def test_a_commit_that_was_lost_and_overwritten_is_unknown(
    proxy: Proxy, pg: str, door_type: type[Door]
) -> None:
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        door.run(lambda s: s.put(BOX, "warm", Count()))
        puts = batch(other, "b")

        def intrude() -> None:
            other.put_many([put[:3] for put in batch(other, "b")]).raise_errors()

        proxy.arm(Cut("^COMMIT", When.AFTER, then=intrude))
        [answer] = door.run(lambda s: s.put_many(puts, atomic=True))
        assert isinstance(answer.error, OutcomeUnknown), answer
        assert [one and one.version for one in there(other, puts)] == [4, 4, 2, 2]


def test_a_late_commit_is_unknown_and_applied_once(
    proxy: Proxy, pg: str, door_type: type[Door]
) -> None:
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        door.run(lambda s: s.put(BOX, "warm", Count()))
        puts = batch(other, "late")
        cut = proxy.arm(Cut("^COMMIT", When.LATE))
        # Its rows are locked until it arrives, so the second sending waits for them.
        [answer] = door.run(lambda s: s.put_many(puts, atomic=True, timeout=1.5))
        cut.release.set()
        assert cut.landed.wait(10)
        assert verdict(other, puts, answer) == "unknown"
        assert [one and one.version for one in there(other, puts)] == [2, 2, 1, 1]


def test_an_own_etag_tells_a_retry_of_the_whole_batch(pg: str, door_type: type[Door]) -> None:
    with opened(door_type, pg) as door:
        puts = [Put(BOX, f"r{n}", Count(n), ABSENT, Etag(uuid4())) for n in range(3)]
        for _ in range(2):
            [answer] = door.run(lambda s: s.put_many(puts, atomic=True))
            assert list(answer.value) == [put.etag for put in puts]


QUOTA = """
CREATE FUNCTION quota() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF (SELECT count(*) FROM other WHERE starts_with(actor_id, 'quota')) >= 2 THEN
        RAISE EXCEPTION 'no more';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER quota BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION quota()
"""


def test_a_lost_commit_is_found_before_a_trigger_refuses_the_second_sending(
    proxy: Proxy, pg: str, door_type: type[Door]
) -> None:
    engine = sa.create_engine(pg, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(QUOTA)
    try:
        with direct(pg) as other, opened(door_type, proxy.url) as door:
            door.run(lambda s: s.put(OTHER, "warm", Count()))
            puts = [Put(OTHER, f"quota {n}", Count(n), ABSENT) for n in range(2)]
            cut = proxy.arm(Cut("^COMMIT", When.AFTER))
            [answer] = door.run(lambda s: s.put_many(puts, atomic=True))
            assert cut.fired.is_set()
            assert list(answer.value) == [found and found.etag for found in there(other, puts)]
            other.delete_many([put[:2] for put in puts]).raise_errors()
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP FUNCTION quota CASCADE")
