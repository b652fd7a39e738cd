"""The steps of calls on many actors: side by side, each with a result of its own.

As in a call on one actor no I/O happens here. The steps yield lists of operations, which are
queued together, and are sent the lists of their outcomes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from theater_sql.calls import Call, Steps
from theater_sql.contract import ActorId, Results
from theater_sql.errors import ConfigurationError, StorageError
from theater_sql.lanes import Operation, Outcome

T = TypeVar("T")
N = TypeVar("N", bound=NamedTuple)
Rounds = Generator[list[Operation], list[Outcome], T]


def side_by_side(steps: Sequence[Steps[T]]) -> Rounds[list[T]]:
    """Take the steps of many calls in rounds; the first error ends them all."""
    results: dict[int, T] = {}
    outcomes: dict[int, Any] = dict.fromkeys(range(len(steps)))
    while outcomes:
        asked: dict[int, Operation] = {}
        for position, outcome in outcomes.items():
            try:
                asked[position] = steps[position].send(outcome)
            except StopIteration as done:
                results[position] = done.value
        answers = (yield list(asked.values())) if asked else []
        outcomes = dict(zip(asked, answers, strict=True))
    return [results[position] for position in range(len(steps))]


class Item(NamedTuple):
    """One call among many, and its steps."""

    call: Call
    steps: Steps[Any]


def each(items: Sequence[Item | StorageError]) -> Rounds[Results[Any]]:
    """Give each item its result or its error; those of one actor go one after the other."""
    results: dict[int, Any] = {}
    lines: dict[tuple[Any, ...], list[int]] = {}
    for position, item in enumerate(items):
        if isinstance(item, StorageError):
            results[position] = item
        else:
            lines.setdefault(item.call.actor, []).append(position)

    def line(positions: list[int]) -> Steps[None]:
        for position in positions:
            item = items[position]
            assert isinstance(item, Item)
            try:
                results[position] = yield from item.steps
            except StorageError as error:
                results[position] = error

    yield from side_by_side([line(positions) for positions in lines.values()])
    return Results(results[position] for position in range(len(items)))


class Actor(NamedTuple):
    """One item of ``get_many``."""

    actor_type: Any
    actor_id: ActorId


def items_of(kind: type[N], items: Iterable[Any]) -> list[N]:
    """Return the items of a call on many actors, refusing what is none before anything is sent."""
    made = []
    if not isinstance(items, Iterable):
        raise ConfigurationError(
            f"got a {type(items).__name__}: give a list of items; nothing was sent"
        )
    for position, item in enumerate(items):
        try:
            made.append(kind(*item) if isinstance(item, tuple) else kind(item))
        except TypeError:
            must = [name for name in kind._fields if name not in kind._field_defaults]
            wanted = f"({', '.join(must)}"
            wanted += "".join(f"[, {name}]" for name in kind._field_defaults) + ")"
            got = f"a {type(item).__name__}"
            if isinstance(item, tuple):
                got = f"a tuple of {len(item)}"
            raise ConfigurationError(
                f"item {position} is {got}: give {wanted}; nothing was sent"
            ) from None
    return made
