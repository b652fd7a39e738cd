"""Many actors in one call, through PgBouncer."""

from tests.contract.test_many import *
