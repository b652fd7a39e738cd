"""Alembic environments to test with: the repository's own, and scratch ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect

from theater_sql.backends import engine_for

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "alembic"

ENV = """
from alembic import context
from sqlalchemy import NullPool, create_engine
{imports}
from theater_sql.migrations import configure

engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
with engine.connect() as connection:
    configure(connection=connection, target_metadata={metadata}, **{options})
    with context.begin_transaction():
        context.run_migrations()
"""

REVISION = """
import os, signal, time
import sqlalchemy as sa
from alembic import op

revision = {name!r}
down_revision = {down!r}

def upgrade():
    {upgrade}

def downgrade():
    pass
"""


def scratch(
    path: Path,
    metadata: str = "METADATA",
    options: str = "{}",
    imports: str = "from tests.migrations.models import METADATA",
) -> Path:
    """Make an environment in ``path / "migrations"``."""
    home = path / "migrations"
    (home / "versions").mkdir(parents=True)
    env = ENV.format(imports=imports, metadata=metadata, options=options)
    (home / "env.py").write_text(env, encoding="utf-8")
    template = (DEMO / "script.py.mako").read_text(encoding="utf-8")
    (home / "script.py.mako").write_text(template, encoding="utf-8")
    return home


def config(home: Path, url: str) -> Config:
    made = Config()
    made.set_main_option("script_location", str(home))
    made.attributes["url"] = url
    return made


def generate(home: Path, url: str, name: str = "0001") -> str:
    """Have Alembic write a revision, and return its text."""
    script: Any = command.revision(config(home, url), "test", autogenerate=True, rev_id=name)
    return Path(script.path).read_text(encoding="utf-8")


def write(home: Path, name: str, down: str | None, upgrade: str) -> None:
    """Write a revision by hand."""
    text = REVISION.format(name=name, down=down, upgrade=upgrade.replace("\n", "\n    "))
    (home / "versions" / f"{name}.py").write_text(text, encoding="utf-8")


def schema(url: str) -> dict[str, Any]:
    """Return what the database says of its tables, Alembic's own left out."""
    engine = engine_for(url)
    with engine.connect() as connection:
        found = inspect(connection)
        names = set(found.get_table_names()) - {"alembic_version"}
        tables: dict[str, Any] = {name: _table(found, name) for name in sorted(names)}
        if engine.dialect.name == "postgresql":
            tables["options"] = _rows(connection, _OPTIONS)
            tables["columns"] = _rows(connection, _COLUMNS)
    return tables


def _table(found: sa.Inspector, name: str) -> dict[str, Any]:
    return {
        "columns": [
            (one["name"], str(one["type"]), one["nullable"], one["default"])
            for one in found.get_columns(name)
        ],
        "key": found.get_pk_constraint(name)["constrained_columns"],
        "unique": sorted(map(str, found.get_unique_constraints(name))),
        "indexes": sorted(map(str, found.get_indexes(name))),
    }


def _rows(connection: sa.Connection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(sa.text(query))]


_OPTIONS = """
    SELECT relname, reloptions FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
    ORDER BY relname
"""
_COLUMNS = """
    SELECT relname, attname, format_type(atttypid, atttypmod), collname
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    LEFT JOIN pg_collation ON pg_collation.oid = attcollation
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND attnum > 0 AND relname <> 'alembic_version'
    ORDER BY relname, attnum
"""
