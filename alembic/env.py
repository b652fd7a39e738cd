"""Alembic's environment for the demo's actors.

The database is, in this order: the one a program hands over, ``-x url=...``,
``THEATER_SQL_URL``, ``theater.db`` in the current directory.
"""

import logging
import os
from typing import Any

from alembic import context

from theater_sql.backends import engine_for, normal_url
from theater_sql.demo.actors import actors
from theater_sql.migrations import configure


def number(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Number a new revision: 0001, 0002 and so on."""
    directives[0].rev_id = f"{len(list(context.script.walk_revisions())) + 1:04}"


options = {"target_metadata": actors.metadata, "process_revision_directives": number}
url = (
    context.config.attributes.get("url")
    or context.get_x_argument(as_dictionary=True).get("url")
    or os.environ.get("THEATER_SQL_URL")
    or "sqlite:///theater.db"
)

if context.config.cmd_opts:  # a person runs the command alembic
    logging.basicConfig(format="%(message)s")
    logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)
    logging.getLogger("theater_sql").setLevel(logging.INFO)

if context.is_offline_mode():
    configure(url=normal_url(url), literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    with engine_for(url, create=True).connect() as connection:
        configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
