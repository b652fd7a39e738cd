"""A message counts once, and who sent it is told the truth, whatever is lost on the way."""

from __future__ import annotations

from ray import cloudpickle

from tests.ray.actors import Counter
from tests.ray.local import Local, run


def test_a_theater_that_travels_is_another_client(sqlite_url: str) -> None:
    async def test(local: Local) -> None:
        data = cloudpickle.dumps(local.client(ask_timeout=5.0))
        for count in (1, 2):  # as in tasks of Ray, whose function refers to one theater
            async with local.connect(cloudpickle.loads(data)) as copy:
                assert await copy.ask(Counter, "a", 1) == count

    run(sqlite_url, test)
