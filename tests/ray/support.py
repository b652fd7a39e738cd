"""What the tests look at: the table itself."""

from __future__ import annotations

import sqlalchemy as sa

from tests.ray.actors import Counter, actors


def total(url: str) -> int:
    """Return the sum over all counters."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        query = sa.select(sa.func.coalesce(sa.func.sum(actors.table(Counter).c.count), 0))
        found = int(connection.execute(query).scalar_one())
    engine.dispose()
    return found
