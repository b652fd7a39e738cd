"""What the tests look at: the table itself."""

from __future__ import annotations

import sqlalchemy as sa

from tests.ray.actors import Counter, actors


def counts(url: str) -> dict[str, int]:
    """Return what each counter stands at."""
    table = actors.table(Counter)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(table.c.actor_id, table.c.count)).mappings().all()
    engine.dispose()
    return {row["actor_id"]: row["count"] for row in rows}
