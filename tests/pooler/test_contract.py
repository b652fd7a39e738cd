"""Tests of our own storages on PostgreSQL, run again through PgBouncer: see ``conftest``."""

from tests.contract.test_batches import *
from tests.contract.test_races import *
from tests.contract.test_writes import *
