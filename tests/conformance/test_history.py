"""The checker of histories names each fault that is planted in a true one, and no other."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

import pytest

from tests.conformance import mutated_reads, mutated_writes
from tests.conformance.simulated import Simulator
from tests.conftest import Figure
from tests.faults.support import bounded
from theater_sql import ABSENT, OVERWRITE
from theater_sql.testing import Change, History, Read, Row, Told, Write
from theater_sql.testing.model import Actor

A: Actor = ("Box", "a")
E = [UUID(int=n) for n in range(9)]


@dataclass
class World:
    """A history of six calls, of which four changed an actor."""

    history: History
    changes: list[Change]
    stored: dict[Actor, Row]

    def write(self, tag: str) -> Write:
        return next(write for write in self.history.writes if write.tag == tag)

    def faults(self) -> list[str]:
        return self.history.faults(self.stored, self.changes)


@pytest.fixture
def world() -> World:
    done, refused = Told.DONE, Told.REFUSED
    writes = [
        Write(A, "s1.1", ABSENT, E[1], start=10, end=20, told=done),
        Write(A, "s1.2", E[1], E[2], start=30, end=40, told=done),
        Write(A, "s2.1", E[1], E[3], start=50, end=60, told=refused, error="Conflict stale"),
        Write(A, "s1.3", OVERWRITE, E[4], start=70, end=80),
        Write(A, "s1.4", E[4], deletes=True, start=90, end=95, told=done),
        Write(A, "s1.5", ABSENT, E[5], start=100, end=110, told=done),
    ]
    changes = [
        Change(A, None, E[1], 1, "s1.1"),
        Change(A, E[1], E[2], 2, "s1.2"),
        Change(A, E[2], E[4], 3, "s1.3"),
        Change(A, E[4], None, 3, ""),
        Change(A, None, E[5], 1, "s1.5"),
    ]
    reads = [
        Read(A, 1, 5, None),
        Read(A, 45, 50, Row(E[2], 2, "s1.2")),
        Read(A, 96, 99, None),
        Read(A, 120, 130, Row(E[5], 1, "s1.5")),
    ]
    return World(History(writes, reads), changes, {A: Row(E[5], 1, "s1.5")})


def test_a_true_history_has_no_fault(world: World) -> None:
    assert world.faults() == []


def test_an_unknown_write_may_be_missing(world: World) -> None:
    world.changes[2:4] = [Change(A, E[2], None, 2, "")]
    world.write("s1.4").expect = E[2]
    assert world.faults() == []


def lose_a_write(world: World) -> None:
    world.changes[1:3] = [Change(A, E[1], E[4], 2, "s1.3")]
    world.changes[2] = world.changes[2]._replace(version=2)


def lose_the_last_write(world: World) -> None:
    del world.changes[-1], world.stored[A]


def lose_the_row(world: World) -> None:
    del world.stored[A]


def apply_a_write_twice(world: World) -> None:
    world.changes.append(Change(A, E[5], E[6], 2, "s1.5"))
    world.stored[A] = Row(E[6], 2, "s1.5")


def apply_a_refused_write(world: World) -> None:
    world.changes.append(Change(A, E[5], E[3], 2, "s2.1"))
    world.stored[A] = Row(E[3], 2, "s2.1")


def apply_what_nobody_wrote(world: World) -> None:
    world.changes.append(Change(A, E[5], E[6], 2, "s9.9"))
    world.stored[A] = Row(E[6], 2, "s9.9")


def apply_another_etag(world: World) -> None:
    world.changes[-1] = world.changes[-1]._replace(new=E[6])
    world.stored[A] = world.stored[A]._replace(etag=E[6])


def reverse_two_writes(world: World) -> None:
    first, second = world.write("s1.1"), world.write("s1.2")
    first.start, first.end, second.start, second.end = 30, 40, 10, 20


def reorder_unknown_writes_of_one_caller(world: World) -> None:
    world.history.writes = [w for w in world.history.writes if w.tag != "s2.1"]
    late = world.write("s1.2")
    late.told, late.start, late.end = Told.UNKNOWN, 82, 84
    for write in world.history.writes:
        write.caller = "s1"
    world.history.reads.clear()


def swap_on_another_etag(world: World) -> None:
    world.write("s1.2").expect = E[7]


def create_over_a_row(world: World) -> None:
    world.write("s1.2").expect = ABSENT


def skip_a_version(world: World) -> None:
    world.changes[1] = world.changes[1]._replace(version=3)


def break_the_chain(world: World) -> None:
    world.changes[2] = world.changes[2]._replace(old=E[8])


def bring_an_etag_back(world: World) -> None:
    world.changes.append(Change(A, E[5], E[1], 2, "s1.1"))
    world.stored[A] = Row(E[1], 2, "s1.1")


def refuse_the_only_writer(world: World) -> None:
    world.write("s2.1").lawful = frozenset()


def blame_an_innocent(world: World) -> None:
    world.write("s2.1").lawful = frozenset({"Conflict"})
    world.write("s2.1").error = "ConstraintViolation"


def keep_a_patient_caller_waiting(world: World) -> None:
    world.write("s2.1").lawful = frozenset({"Conflict"})
    world.write("s2.1").error = "Unavailable"


def acknowledge_poison(world: World) -> None:
    world.write("s1.5").must_fail = True


def lose_a_delete(world: World) -> None:
    world.write("s1.4").expect = E[7]


def delete_for_two(world: World) -> None:
    world.history.writes.append(replace(world.write("s1.4"), tag="s3.1"))


def apply_a_refused_delete(world: World) -> None:
    world.write("s1.4").told = Told.REFUSED


def read_what_was_replaced(world: World) -> None:
    world.history.reads.append(Read(A, 45, 50, Row(E[1], 1, "s1.1")))


def read_what_is_still_to_come(world: World) -> None:
    world.history.reads.append(Read(A, 45, 50, Row(E[5], 1, "s1.5")))


def read_what_never_was(world: World) -> None:
    world.history.reads.append(Read(A, 120, 130, Row(E[5], 2, "s1.5")))


def read_nothing(world: World) -> None:
    world.history.reads.append(Read(A, 120, 130, None))


PLANTED: list[tuple[Callable[[World], None], str]] = [
    (lose_a_write, "put s1.2 of Box['a']: lost"),
    (lose_the_last_write, "put s1.5 of Box['a']: lost"),
    (lose_the_row, "is not what was written last"),
    (apply_a_write_twice, "put s1.5 of Box['a']: applied 2 times"),
    (apply_a_refused_write, "put s2.1 of Box['a']: applied, though it was refused"),
    (apply_what_nobody_wrote, "nobody wrote s9.9"),
    (apply_another_etag, "put s1.5 of Box['a']: has another etag"),
    (reverse_two_writes, "put s1.2 of Box['a']: acknowledged before put s1.1"),
    (reorder_unknown_writes_of_one_caller, "its only writer were reordered"),
    (swap_on_another_etag, "put s1.2 of Box['a']: replaced what it did not expect"),
    (create_over_a_row, "put s1.2 of Box['a']: replaced what it did not expect"),
    (skip_a_version, "version 3 came after 1"),
    (break_the_chain, "s1.3 did not follow on what was there"),
    (bring_an_etag_back, "an etag came back"),
    (refuse_the_only_writer, "put s2.1 of Box['a']: answered Conflict stale for no cause"),
    (blame_an_innocent, "answered ConstraintViolation for no cause"),
    (keep_a_patient_caller_waiting, "answered Unavailable for no cause"),
    (acknowledge_poison, "put s1.5 of Box['a']: acknowledged, though it must fail"),
    (lose_a_delete, "delete s1.4 of Box['a']: lost"),
    (delete_for_two, "one row was deleted by two callers"),
    (apply_a_refused_delete, "a delete was applied, though nobody made it"),
    (read_what_was_replaced, "a read saw s1.1 before or after its time"),
    (read_what_is_still_to_come, "a read saw s1.5 before or after its time"),
    (read_what_never_was, "a read saw s1.5, which was never there"),
    (read_nothing, "a read missed an acknowledged write"),
]


@pytest.mark.parametrize(("plant", "named"), PLANTED, ids=[p.__name__ for p, _ in PLANTED])
def test_a_planted_fault_is_named(world: World, plant: Callable[[World], None], named: str) -> None:
    plant(world)
    assert [fault for fault in world.faults() if named in fault], world.faults()


def test_a_write_that_is_sent_again_counts_once(world: World) -> None:
    again = replace(world.write("s1.3"), start=81, end=85, told=Told.DONE)
    world.history.writes.append(again)
    assert world.faults() == []
    world.changes[2:4] = [Change(A, E[2], None, 2, "")]
    world.write("s1.4").expect = E[2]
    assert world.faults() == ["put s1.3 of Box['a']: lost, though it was acknowledged"]


def test_no_false_alarm_in_true_histories(figure: Figure) -> None:
    calls = 0
    for seed, deletes in itertools.product(range(200), (False, True)):
        world = Simulator(seed, deletes=deletes).world
        calls += len(world.history.writes) + len(world.history.reads)
        for recorded in (False, True):
            assert world.faults(recorded=recorded) == [], (seed, deletes, recorded)
        assert world.history.faults() == []
    figure(f"400 true histories, {calls} calls: 0 false alarms")


MUTATIONS = [*mutated_reads.MUTATIONS, *mutated_writes.MUTATIONS]
SEEDS = 10
"""Histories in which each fault is planted."""


def test_every_planted_fault_is_found(figure: Figure) -> None:
    planted: Counter[bool] = Counter()
    missed = []
    for mutation, recorded in itertools.product(MUTATIONS, (False, True)):
        if not (mutation.silent or recorded):
            continue
        places = 0
        for seed in range(100 * SEEDS):
            world = Simulator(seed, deletes=mutation.deletes).world
            if places < SEEDS and mutation.plant(world):
                places += 1
                if not world.faults(recorded=recorded):
                    missed.append((mutation.name, seed, recorded))
            if places == SEEDS:
                break
        assert places == SEEDS, f"{mutation.name}: planted {places} times"
        planted[recorded] += places
    silent = sum(mutation.silent for mutation in MUTATIONS)
    figure(
        f"{planted[True]} faults of {len(MUTATIONS)} kinds planted, with a record of changes,"
        f" and {planted[False]} of {silent} kinds without: {len(missed)} missed"
    )
    assert not missed
    assert len(MUTATIONS) >= 20


def test_a_long_history_is_checked_in_time() -> None:
    world = Simulator(1, 20_000, deletes=True).world
    assert bounded(lambda: world.faults(recorded=True), 20)
