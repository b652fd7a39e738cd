"""Two hosts fight over the same actors while each is frozen now and then: there is one history.

``THEATER_SQL_STRESS_SECONDS`` is how long they do it on each database: 60 by default.
"""

from __future__ import annotations

import os
import random
import time

from tests.conftest import Figure
from tests.faults.host import DEADLINE
from tests.faults.hosts import Host, assert_all_told, assert_one_history, count

SECONDS = float(os.environ.get("THEATER_SQL_STRESS_SECONDS", "60"))
FROZEN = (0.05, 1.5 * DEADLINE)
AWAKE = (0.1, 1.5)


def test_hosts_that_freeze_at_random_lose_nothing(db: str, figure: Figure) -> None:
    chance = random.Random(db.partition(":")[0])
    first, second = hosts = Host(db), Host(db)
    freezes = 0
    with first.counting() as one, second.counting() as other:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(chance.uniform(*AWAKE))
            with chance.choice(hosts).frozen():
                freezes += 1
                time.sleep(chance.uniform(*FROZEN))
    figure(f"{freezes} freezes")
    assert_one_history(count(db, [one, other]), figure)
    for host in (one, other):
        assert_all_told(host)
        assert host.done
        assert host.sent
