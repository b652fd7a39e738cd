"""Etags: whatever draws them, no two are the same, and none looks like a marker."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

from theater_sql import etags
from theater_sql.etags import new_etag
from theater_sql.homes import is_marker

MANY = 20_000


def test_threads_draw_no_etag_twice() -> None:
    start = threading.Barrier(4)

    def draw(_: int) -> list[UUID]:
        start.wait()
        return [new_etag() for _ in range(MANY)]

    with ThreadPoolExecutor(4) as threads:
        drawn = [etag for some in threads.map(draw, range(4)) for etag in some]
    assert len(set(drawn)) == 4 * MANY
    assert {(etag.version, etag.variant) for etag in drawn} == {(4, RFC_4122)}
    assert not any(map(is_marker, drawn))


def test_every_bit_is_random_but_those_that_say_so() -> None:
    drawn = [new_etag().int for _ in range(MANY)]
    for bit in range(128):
        share = sum(etag >> bit & 1 for etag in drawn) / MANY
        assert (0.45 < share < 0.55) is not (62 <= bit < 64 or 76 <= bit < 80)


def test_a_forked_child_draws_others_than_its_parent() -> None:
    new_etag()  # so that there is a block to be inherited

    def inherited() -> int:
        return len(etags._unused)

    assert inherited()
    assert in_a_fork(lambda: inherited().to_bytes(1, "big")) == b"\0"


def test_two_copies_of_one_machine_draw_different_etags() -> None:
    new_etag()
    block = list(etags._unused)
    assert block
    mine = [new_etag() for _ in block]
    etags._unused[:] = block
    assert not set(mine) & {new_etag() for _ in block}


def in_a_fork(call: Callable[[], bytes]) -> bytes:
    """Return what a call gives in a forked child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, call())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        given = pipe.read()
    os.waitpid(child, 0)
    return given
