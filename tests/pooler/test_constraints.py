"""The user's own constraints, deferred ones at the commit too, through PgBouncer."""

from tests.contract.test_constraints import *
