"""Reads that no store gives which does all that it should."""

from __future__ import annotations

from tests.conformance.mutations import (
    Mutation,
    last,
    pick,
    read,
    registrar,
    row_of,
    swaps,
    writes,
)
from tests.conformance.simulated import World
from theater_sql import OVERWRITE
from theater_sql.testing import Row, Told

MUTATIONS: list[Mutation] = []
mutation = registrar(MUTATIONS)


@mutation()
def a_read_sees_what_a_swap_replaced(world: World) -> bool:
    chosen = pick(world, swaps(world))
    return chosen is not None and read(world, chosen[0].actor, chosen[2], chosen[0].end + 1)


@mutation()
def a_read_sees_what_an_overwrite_replaced(world: World) -> bool:
    pairs = [
        (over, row)
        for over in writes(world)
        for old in writes(world)
        if over.expect is OVERWRITE and old.actor == over.actor and old.end < over.start
        if (row := row_of(world, old.etag))
    ]
    chosen = pick(world, pairs)
    return chosen is not None and read(world, chosen[0].actor, chosen[1], chosen[0].end + 1)


@mutation()
def a_read_sees_what_was_deleted(world: World) -> bool:
    pairs = [
        (gone, row)
        for gone in writes(world, deletes=True)
        for old in writes(world)
        if old.actor == gone.actor and old.end < gone.start and (row := row_of(world, old.etag))
    ]
    chosen = pick(world, pairs)
    return chosen is not None and read(world, chosen[0].actor, chosen[1], chosen[0].end + 1)


@mutation(deletes=False)
def a_read_sees_nothing(world: World) -> bool:
    chosen = pick(world, writes(world))
    return chosen is not None and read(world, chosen.actor, None, chosen.end + 1)


@mutation(deletes=False)
def a_read_sees_nothing_after_another_saw_something(world: World) -> bool:
    other = pick(world, [one for one in world.history.reads if one.row])
    return other is not None and read(world, other.actor, None, other.end + 1)


@mutation(deletes=False)
def reads_go_back(world: World) -> bool:
    rows = {(c.actor, c.version): Row(c.new, c.version, c.tag) for c in world.changes if c.new}
    pairs = [
        (other, rows[other.actor, other.row.version - 1])
        for other in world.history.reads
        if other.row and other.row.version > 1
    ]
    chosen = pick(world, pairs)
    return chosen is not None and read(world, chosen[0].actor, chosen[1], chosen[0].end + 1)


@mutation()
def a_read_sees_what_is_still_to_come(world: World) -> bool:
    writer = pick(world, [w for w in writes(world) if row_of(world, w.etag)])
    if writer is None:
        return False
    return read(world, writer.actor, row_of(world, writer.etag), writer.start - 10)


@mutation()
def a_read_sees_what_nobody_wrote(world: World) -> bool:
    return read(world, ("Box", "a"), Row(world.uuid(), 1, "nobody's"))


@mutation()
def a_read_sees_a_state_of_another_etag(world: World) -> bool:
    chosen = pick(world, swaps(world))
    if chosen is None:
        return False
    write, base, row = chosen
    assert write.etag is not None
    return read(world, write.actor, Row(write.etag, row.version + 1, base.tag))


@mutation()
def a_read_sees_another_version_of_a_row(world: World) -> bool:
    chosen = pick(world, last(world))
    if chosen is None:
        return False
    return read(world, chosen[0], chosen[1]._replace(version=chosen[1].version + 1))


@mutation(deletes=False)
def two_writes_have_one_version(world: World) -> bool:
    """One that was never applied is seen in the place of another."""
    there = {change.new for change in world.changes}
    lost = [w for w in writes(world, Told.UNKNOWN) if w.etag and w.etag not in there]
    chosen = pick(world, [(w, world.stored[w.actor]) for w in lost if w.actor in world.stored])
    if chosen is None:
        return False
    write, row = chosen
    assert write.etag is not None
    return read(world, write.actor, Row(write.etag, row.version, write.tag))
