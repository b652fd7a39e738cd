"""The main job: take a git history in through actors, restore them, and show the tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import sqlalchemy as sa

import theater_sql
from theater_sql import AsyncSQLStorage
from theater_sql.backends import engine_for, normal_url
from theater_sql.demo import DemoError
from theater_sql.demo.actors import Author, Look, Repository, actors
from theater_sql.demo.history import History
from theater_sql.demo.hosts import theater_on
from theater_sql.demo.intake import Intake, take_in
from theater_sql.demo.report import (
    busiest_authors,
    print_authors,
    print_generic_row,
    print_intake,
    print_restored,
    print_tables,
    progress_bar,
)
from theater_sql.host import AwaitedTheater
from theater_sql.migrations import upgrade

PACKAGE: Final = Path(theater_sql.__file__).parent


COMPARED: Final = ("commits", "added", "removed", "first_commit", "last_commit")


async def run(path: str, url: str, host: str) -> None:
    """Do the main job on the repository at ``path`` with the database at ``url``."""
    history = History(path)
    shown = _database(url)
    prepare_database(url)
    engine = engine_for(url)
    async with AsyncSQLStorage(url, actors) as storage:
        await _check(storage)
        async with theater_on(host, url, storage) as theater:
            intake = await _take_in(theater, engine, history)
        print_intake(path, history.tip, shown, intake)
        with engine.connect() as connection:
            print_tables(connection)
            busiest = busiest_authors(connection)
            print_authors(busiest)
            print_generic_row(connection)
        # The first host is gone with all that it had in memory: this one starts from the tables.
        async with theater_on(host, url, storage) as theater:
            print_restored(await _restored(theater, busiest), len(busiest))


def _database(url: str) -> str:
    """Return the URL to show, without the password; refuse one that can't work."""
    parsed = normal_url(url)
    product = parsed.get_backend_name()
    if product == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise DemoError("a database in memory ends with its connection: name a file with --url")
    return parsed.set(drivername=product).render_as_string()


def prepare_database(url: str) -> None:
    """Upgrade the database through this project's own Alembic environment."""
    packaged = PACKAGE / "_alembic"
    upgrade(url, packaged if packaged.is_dir() else PACKAGE.parent / "alembic")


async def _check(storage: AsyncSQLStorage) -> None:
    differences = await storage.check()
    if differences:
        more = f" (and {len(differences) - 1} more)" if differences[1:] else ""
        raise DemoError(f"the tables are not what the actors need: {differences[0]}{more}")


async def _take_in(theater: AwaitedTheater, engine: sa.Engine, history: History) -> Intake:
    first = history.first()
    if first is None:
        return Intake()
    repository = _known_repository(engine, history) or first
    with progress_bar() as told:
        return await take_in(theater, repository, history, told)


def _known_repository(engine: sa.Engine, history: History) -> str | None:
    """Return the id of the stored repository, its first commit when it was first taken in.

    The numbers that actors remember belong to one repository, so a database holds only one.
    """
    table = actors.table(Repository)
    with engine.connect() as connection:
        known: str | None = connection.execute(sa.select(table.c.actor_id)).scalars().first()
    if known is not None and not history.contains(known):
        raise DemoError(
            f"the database holds another repository, the one whose first commit is {known[:12]}, "
            "and it can hold one only: name another database with --url"
        )
    return known


async def _restored(theater: AwaitedTheater, rows: Sequence[sa.RowMapping]) -> int:
    """Ask a new host's actors for what they are, and count those that agree with their rows."""
    count = 0
    for row in rows:
        state = await theater.ask(Author, row["actor_id"], Look())
        count += all(getattr(state, name) == row[name] for name in COMPARED)
    return count
