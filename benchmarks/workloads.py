"""What one caller does, as a generator of calls: the same for tasks and for threads."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator
from itertools import count
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from benchmarks.data import Kind, first_etag


class Step(NamedTuple):
    """One call of a contender's method; ``refused`` if the database has to refuse it."""

    method: str
    args: tuple[Any, ...]
    timed: bool = True
    refused: bool = False


Steps: TypeAlias = Generator[Step, Any, None]
Workload: TypeAlias = Callable[[Kind, str, Iterator[int]], Steps]
"""Takes the kind, the caller's own actor, and numbers that all callers draw from."""

_new: Final = count()


def put(kind: Kind, actor_id: str, numbers: Iterator[int]) -> Steps:
    """Write the caller's actor again and again, each time expecting the last etag."""
    etag = yield from _current(kind, actor_id)
    for n in count(1):
        etag = yield Step("put", (kind, actor_id, kind.state(n), etag))


def put_poisoned(kind: Kind, actor_id: str, numbers: Iterator[int]) -> Steps:
    """Do the same, one write in a hundred taking a name that another actor has."""
    etag = yield from _current(kind, actor_id)
    for n in count(random.randrange(100)):
        if n % 100 == 0:
            taken = kind.state(n, "actor-1")
            yield Step("put", (kind, actor_id, taken, etag), timed=False, refused=True)
        etag = yield Step("put", (kind, actor_id, kind.state(n, actor_id), etag))


def put_named(kind: Kind, actor_id: str, numbers: Iterator[int]) -> Steps:
    """Do the same, with no such write."""
    etag = yield from _current(kind, actor_id)
    for n in count(1):
        etag = yield Step("put", (kind, actor_id, kind.state(n, actor_id), etag))


def put_anywhere(kind: Kind, actor_id: str, numbers: Iterator[int]) -> Steps:
    """Write an actor from anywhere in the table."""
    for n in count(1):
        chosen = f"actor-{random.randint(1, kind.rows)}"
        etag = yield from _current(kind, chosen)
        yield Step("put", (kind, chosen, kind.state(n), etag))


def get(kind: Kind, actor_id: str, numbers: Iterator[int]) -> Steps:
    """Read the caller's actor again and again."""
    yield from _current(kind, actor_id)
    while True:
        yield Step("get", (kind, actor_id))


def get_anywhere(kind: Kind, actor_id: str, numbers: Iterator[int]) -> Steps:
    """Read an actor from anywhere in the table."""
    while True:
        yield Step("get", (kind, f"actor-{random.randint(1, kind.rows)}"))


def get_missing(kind: Kind, actor_id: str, numbers: Iterator[int]) -> Steps:
    """Read an actor that is not there."""
    while True:
        yield Step("get", (kind, f"nobody, and not {actor_id}"))


def create(kind: Kind, actor_id: str, numbers: Iterator[int]) -> Steps:
    """Write actors that are not there."""
    for n in _new:
        yield Step("create", (kind, f"new-{n}", kind.state(n)))


def delete(kind: Kind, actor_id: str, numbers: Iterator[int]) -> Steps:
    """Remove the actors that ``fill`` made, as long as there are any."""
    while (n := next(numbers)) <= kind.rows:
        yield Step("delete", (kind, f"actor-{n}", first_etag(n)))


def _current(kind: Kind, actor_id: str) -> Generator[Step, Any, UUID]:
    found = yield Step("get", (kind, actor_id), timed=False)
    if not found:  # a contender with a table of its own
        etag: UUID = yield Step("create", (kind, actor_id, kind.state(0)), timed=False)
        return etag
    etag = found.etag
    return etag


WORKLOADS: Final[dict[str, Workload]] = {
    "put": put,
    "put, 1 % refused": put_poisoned,
    "put, none refused": put_named,
    "put anywhere": put_anywhere,
    "get": get,
    "get anywhere": get_anywhere,
    "get missing": get_missing,
    "create": create,
    "delete": delete,
}
