"""Locks, deadlines and lost acknowledgements, through PgBouncer."""

from __future__ import annotations

import pytest

from tests.faults.support import Figure
from tests.faults.test_deadlines import *
from tests.faults.test_locks import (
    overlap,
    test_a_create_waits_for_somebodys_insert_of_the_same_key,
    test_a_held_row_is_unavailable_at_the_deadline,
    test_neighbours_of_held_rows_go_on,
)
from tests.faults.test_lost_acknowledgement import *
from tests.pooler.conftest import Database


@pytest.mark.parametrize(("rows", "batch"), [(60, 40), (2000, 100)], ids=["60", "2000"])
def test_overlapping_batches_do_not_deadlock(
    pg: str, database: Database, rows: int, batch: int, figure: Figure
) -> None:
    overlap(pg, rows, batch, figure, url=database.pooled, pooler=True)
