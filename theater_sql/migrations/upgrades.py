"""``upgrade``: run a project's migrations by program."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import URL

from theater_sql.backends import engine_for
from theater_sql.backends.base import Phase
from theater_sql.migrations.connections import translated

_ALEMBIC: Final = threading.Lock()
"""Alembic's ``context`` is one for the whole process."""


def upgrade(url: str | URL, script_location: str | Path, revision: str = "head") -> None:
    """Upgrade a database with the migrations of an Alembic environment.

    The environment's ``env.py`` finds the URL as ``context.config.attributes["url"]``. A
    missing SQLite file is created; another upgrade that is under way is waited for.

    Raises:
        Unavailable: the database can't be reached.
        alembic.util.CommandError: the revisions don't fit together, or not the database.
    """
    engine = engine_for(url, create=True)
    with translated(engine, Phase.CONNECT):
        engine.connect().close()
    config = Config()
    config.set_main_option("script_location", str(script_location).replace("%", "%%"))
    config.attributes["url"] = url
    with _ALEMBIC, translated(engine):
        command.upgrade(config, revision)
