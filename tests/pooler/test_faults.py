"""Locks, deadlines and lost acknowledgements, through PgBouncer."""

from __future__ import annotations

import pytest

from tests.conftest import Figure
from tests.faults import test_locks, test_lost_acknowledgement
from tests.faults.support import Door
from tests.faults.test_deadlines import test_a_frozen_server, test_a_server_that_comes_back
from tests.faults.test_locks import (
    overlap,
    test_a_create_waits_for_somebodys_insert_of_the_same_key,
    test_a_held_row_is_unavailable_at_the_deadline,
)
from tests.faults.test_lost_acknowledgement import (
    test_a_late_message_does_not_undo_a_later_write,
    test_another_writer_in_between_is_never_overwritten,
    test_each_flight_of_a_batch,
)
from tests.pooler.conftest import Database
from theater_sql.testing import FaultProxy

pytestmark = pytest.mark.timed


@pytest.mark.parametrize(("rows", "batch"), [(60, 40), (2000, 100)], ids=["60", "2000"])
def test_overlapping_batches_do_not_deadlock(
    pg: str, database: Database, rows: int, batch: int, figure: Figure
) -> None:
    overlap(pg, rows, batch, figure, url=database.pooled, pooler=True)


def test_neighbours_of_a_held_row_go_on(pg: str, door_type: type[Door], figure: Figure) -> None:
    test_locks.test_neighbours_of_held_rows_go_on(pg, door_type, 1, 1.5, figure)


def test_each_flight_of_a_single_write(
    proxy: FaultProxy, pg: str, door_type: type[Door], figure: Figure
) -> None:
    """Nothing is prepared: each flight executes."""
    single = test_lost_acknowledgement.test_each_flight_of_a_single_write
    single(proxy, pg, door_type, False, figure)
