"""The statements of a table are one and the same for all threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import make_dataclass
from typing import Any

import pytest

from theater_sql import ActorRegistry, SQLStorage
from theater_sql.statements import Kind

THREADS = 16
Wide = make_dataclass("Wide", [(f"field{n}", int) for n in range(100)])  # it takes long to build


@pytest.mark.parametrize("kind", Kind)
def test_threads_that_ask_first_at_once_get_the_same_statement(kind: Kind) -> None:
    # Else their operations could not share a flush.
    actors = ActorRegistry()
    binding = actors.match(actors.register("Wide", state=Wide))
    barrier = threading.Barrier(THREADS)
    with SQLStorage("sqlite://", actors) as storage:

        def ask(_: int) -> Any:
            barrier.wait(30)
            return storage._core.statements(binding)[kind]

        with ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(ask, range(THREADS)))
    assert len({id(statement) for statement in found}) == 1
