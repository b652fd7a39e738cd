"""Migrations with Alembic: the calls for an ``env.py``, and upgrades by program.

Nothing else in theater_sql imports this package, or Alembic, before it is needed.
"""

from __future__ import annotations

from theater_sql.migrations.environment import configure, run
from theater_sql.migrations.upgrades import upgrade

__all__ = ["configure", "run", "upgrade"]
