"""What faults that are planted in random true histories are made of.

Each says whether a history has a place for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from tests.conformance.simulated import World
from theater_sql.testing import Read, Row, Told, Write
from theater_sql.testing.model import Actor

T = TypeVar("T")
AFTER = 10**6
"""A time after all calls of a history."""


class Mutation(NamedTuple):
    """A fault: ``silent`` ones are found without a record of the changes too."""

    plant: Callable[[World], bool]
    silent: bool
    deletes: bool

    @property
    def name(self) -> str:
        return self.plant.__name__


Plant = Callable[[World], bool]


def registrar(mutations: list[Mutation]) -> Callable[..., Callable[[Plant], Plant]]:
    """Return a decorator that adds a fault to a list."""

    def mutation(*, silent: bool = True, deletes: bool = True) -> Callable[[Plant], Plant]:
        def register(plant: Plant) -> Plant:
            mutations.append(Mutation(plant, silent, deletes))
            return plant

        return register

    return mutation


def pick(world: World, candidates: Iterable[T]) -> T | None:
    every = list(candidates)
    return world.chance.choice(every) if every else None


def writes(world: World, told: Told = Told.DONE, *, deletes: bool = False) -> list[Write]:
    return [w for w in world.history.writes if w.told is told and w.deletes is deletes]


def by_etag(world: World, etag: Any) -> Write | None:
    return next((w for w in world.history.writes if w.etag and w.etag == etag), None)


def row_of(world: World, etag: Any) -> Row | None:
    return next((Row(*c[2:]) for c in world.changes if c.new and c.new == etag), None)  # type: ignore[arg-type]


def swaps(world: World) -> Iterator[tuple[Write, Write, Row]]:
    """Return puts, what each replaced, and its row; all were acknowledged."""
    for write in writes(world):
        base = by_etag(world, write.expect)
        row = row_of(world, write.expect)
        if base is not None and base.told is Told.DONE and row is not None:
            yield write, base, row


def last(world: World) -> Iterator[tuple[Actor, Row, Write]]:
    """Return actors, what is stored, and its writer, who was acknowledged."""
    for actor, row in world.stored.items():
        writer = by_etag(world, row.etag)
        if writer is not None and writer.told is Told.DONE:
            yield actor, row, writer


def read(world: World, actor: Actor, row: Row | None, start: int = AFTER) -> bool:
    world.history.reads.append(Read(actor, start, start + 5, row))
    return True


def late(world: World, actor: Actor, **options: Any) -> bool:
    """Add a write after all others."""
    options = {"told": Told.DONE, "start": AFTER, "end": AFTER + 5, **options}
    world.history.writes.append(Write(actor, "late", **options))
    return True
