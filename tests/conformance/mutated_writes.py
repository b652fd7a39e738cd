"""Answers to writes, and rows, that can't be true together."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from tests.conformance.mutations import (
    Mutation,
    last,
    late,
    pick,
    registrar,
    swaps,
    writes,
)
from tests.conformance.simulated import World
from theater_sql import ABSENT
from theater_sql.testing import Change, Row, Told, Write

MUTATIONS: list[Mutation] = []
mutation = registrar(MUTATIONS)


@mutation()
def the_last_swap_is_gone(world: World) -> bool:
    ends = {row.etag for row in world.stored.values()}
    chosen = pick(world, [one for one in swaps(world) if one[0].etag in ends])
    if chosen is None:
        return False
    write, _, before = chosen
    world.changes = [c for c in world.changes if c.new != write.etag]
    world.stored[write.actor] = before
    return True


@mutation()
def a_swap_has_two_winners(world: World) -> bool:
    taken = {write.expect for write in writes(world) if isinstance(write.expect, UUID)}
    loser = pick(world, [w for w in writes(world, Told.REFUSED) if w.expect in taken])
    if loser is None:
        return False
    loser.told, loser.error = Told.DONE, ""
    return True


@mutation(deletes=False)
def a_creation_has_two_winners(world: World) -> bool:
    created = {write.actor for write in writes(world) if write.expect is ABSENT}
    losers = [w for w in writes(world, Told.REFUSED) if w.expect is ABSENT and w.actor in created]
    loser = pick(world, losers)
    if loser is None:
        return False
    loser.told, loser.error = Told.DONE, ""
    return True


@mutation()
def what_is_stored_was_refused(world: World) -> bool:
    chosen = pick(world, last(world))
    if chosen is None:
        return False
    chosen[2].told, chosen[2].error = Told.REFUSED, "Conflict stale"
    return True


@mutation()
def what_was_replaced_was_refused(world: World) -> bool:
    chosen = pick(world, swaps(world))
    if chosen is None:
        return False
    chosen[1].told, chosen[1].error = Told.REFUSED, "Conflict stale"
    return True


@mutation()
def an_etag_comes_back(world: World) -> bool:
    pairs = [(a, b) for a in writes(world) for b in writes(world) if a is not b]
    chosen = pick(world, [pair for pair in pairs if pair[0].actor == pair[1].actor])
    if chosen is None:
        return False
    first, second = chosen
    world.changes = [
        c._replace(new=first.etag) if c.new == second.etag else c for c in world.changes
    ]
    second.etag = first.etag
    return True


@mutation()
def the_caller_is_told_another_etag(world: World) -> bool:
    chosen = pick(world, last(world))
    if chosen is None:
        return False
    chosen[2].etag = world.uuid()
    return True


@mutation()
def a_swap_is_answered_before_what_it_replaced_began(world: World) -> bool:
    chosen = pick(world, swaps(world))
    if chosen is None:
        return False
    write, base, _ = chosen
    write.start, write.end = base.start - 20, base.start - 10
    return True


@mutation()
def what_is_stored_was_applied_again(world: World) -> bool:
    chosen = pick(world, last(world))
    if chosen is None:
        return False
    actor, row, _ = chosen
    again = Row(world.uuid(), row.version + 1, row.tag)
    world.changes.append(Change(actor, row.etag, *again))
    world.stored[actor] = again
    return True


@mutation()
def an_overwrite_is_lost(world: World) -> bool:
    chosen = pick(world, last(world))
    return chosen is not None and late(world, chosen[0], etag=world.uuid())


@mutation()
def a_delete_is_lost(world: World) -> bool:
    chosen = pick(world, last(world))
    return chosen is not None and late(world, chosen[0], deletes=True)


@mutation()
def a_delete_of_an_etag_is_lost(world: World) -> bool:
    chosen = pick(world, last(world))
    return chosen is not None and late(world, chosen[0], deletes=True, expect=chosen[1].etag)


@mutation()
def a_delete_has_two_winners(world: World) -> bool:
    deletes = [w for w in writes(world, deletes=True) if isinstance(w.expect, UUID)]
    chosen = pick(world, deletes)
    if chosen is None:
        return False
    world.history.writes.append(replace(chosen, tag="another"))
    return True


@mutation()
def nobody_wrote_what_is_stored(world: World) -> bool:
    chosen = pick(world, world.stored)
    if chosen is None:
        return False
    world.stored[chosen] = Row(world.uuid(), 1, "nobody's")
    return True


@mutation(deletes=False)
def what_is_stored_is_gone(world: World) -> bool:
    chosen = pick(world, last(world))
    if chosen is None:
        return False
    del world.stored[chosen[0]]
    return True


@mutation()
def a_lone_caller_is_refused(world: World) -> bool:
    possible = [w for w in world.history.writes if w.told is not Told.REFUSED]
    alone = [
        one
        for one in last(world)
        if all(w.over < one[2].start for w in possible if w.actor == one[0] and w is not one[2])
    ]
    chosen = pick(world, alone)
    if chosen is None:
        return False
    refused = {"told": Told.REFUSED, "error": "Conflict stale"}
    return late(world, chosen[0], expect=chosen[1].etag, etag=world.uuid(), **refused)


@mutation()
def a_lone_creator_is_refused(world: World) -> bool:
    return late(world, ("Box", "new"), expect=ABSENT, told=Told.REFUSED, error="Conflict exists")


@mutation()
def what_must_fail_is_acknowledged(world: World) -> bool:
    chosen = pick(world, writes(world))
    if chosen is None:
        return False
    chosen.must_fail = True
    return True


@mutation()
def an_error_is_not_lawful(world: World) -> bool:
    chosen = pick(world, writes(world, Told.REFUSED))
    if chosen is None:
        return False
    chosen.lawful, chosen.error = frozenset({"Conflict"}), "ConstraintViolation"
    return True


@mutation(silent=False)
def an_acknowledged_write_was_never_made(world: World) -> bool:
    return late(world, ("Box", "a"), etag=world.uuid(), start=-9, end=-8)


@mutation(silent=False)
def a_version_is_left_out(world: World) -> bool:
    at = world.chance.randrange(len(world.changes))
    world.changes[at] = world.changes[at]._replace(version=world.changes[at].version + 1)
    return True


@mutation(silent=False)
def a_swap_replaced_another_etag(world: World) -> bool:
    chosen = pick(world, swaps(world))
    if chosen is None:
        return False
    chosen[0].expect = world.uuid()
    return True


@mutation(silent=False)
def every_delete_was_refused(world: World) -> bool:
    actor = pick(world, sorted({c.actor for c in world.changes if c.new is None}))
    for write in world.history.writes:
        if write.deletes and write.actor == actor:
            write.told, write.error = Told.REFUSED, "Unavailable"
    return actor is not None


@mutation(silent=False)
def one_caller_is_reordered(world: World) -> bool:
    """Of one caller's writes, all unknown, the second was applied first."""
    first, second = Row(world.uuid(), 1, "first"), Row(world.uuid(), 2, "second")
    actor = ("Box", "own")
    for row, start in ((first, 40), (second, 20)):
        write = Write(actor, row.tag, etag=row.etag, caller="one", start=start, end=start + 5)
        world.history.writes.append(write)
    world.changes += [Change(actor, None, *first), Change(actor, first.etag, *second)]
    world.stored[actor] = second
    return True
