"""Every contender by the name that runs, tables and plots call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from benchmarks.contenders import core, drivers, langgraph, orm, sqlite, theater


class Entry(NamedTuple):
    """How to make a contender, what it runs on, and whether its callers are tasks or threads."""

    make: Callable[[sa.URL], Any]
    backend: str = "postgresql"
    tasks: bool = True


CONTENDERS: Final[dict[str, Entry]] = {
    "theater_sql": Entry(theater.Tasks),
    "psycopg pool": Entry(drivers.PsycopgTasks),
    "asyncpg pool": Entry(drivers.Asyncpg),
    "Core": Entry(core.Tasks),
    "ORM": Entry(orm.Tasks),
    "ORM on asyncpg": Entry(orm.AsyncpgTasks),
    "LangGraph store": Entry(langgraph.Tasks),
    "theater_sql, threads": Entry(theater.Threads, tasks=False),
    "psycopg pool, threads": Entry(drivers.PsycopgThreads, tasks=False),
    "ORM, threads": Entry(orm.Threads, tasks=False),
    "psycopg connection": Entry(drivers.PsycopgConnection, tasks=False),
    "theater_sql, SQLite": Entry(theater.Tasks, "sqlite"),
    "aiosqlite": Entry(sqlite.Aiosqlite, "sqlite"),
    "theater_sql, SQLite, threads": Entry(theater.Threads, "sqlite", tasks=False),
    "ORM, SQLite, threads": Entry(orm.SQLiteThreads, "sqlite", tasks=False),
    "sqlite3": Entry(sqlite.Connection, "sqlite", tasks=False),
}
