"""Alembic's environment for the demo's actors."""

from typing import Any

from alembic import context

from theater_sql.demo.actors import actors
from theater_sql.migrations import run


def number(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Number a new revision: 0001, 0002 and so on."""
    directives[0].rev_id = f"{len(list(context.script.walk_revisions())) + 1:04}"


run(actors, process_revision_directives=number)
