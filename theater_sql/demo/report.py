"""Print what the demonstration did, and what is in the tables, in plain SQL."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from theater_sql.demo.actors import Author, Day, Repository, SourceFile, actors
from theater_sql.demo.intake import Intake, Progress
from theater_sql.identity import type_name


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show a progress bar where somebody looks at it and rich is installed."""
    try:
        if not sys.stderr.isatty():
            raise ImportError
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar
    except ImportError:
        yield lambda done, total: None
        return
    columns = (TextColumn("commits"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_intake(path: str, tip: str | None, url: str, intake: Intake) -> None:
    """Print what was read, where it went, and how fast."""
    at = f"at {tip[:12]}" if tip else "without commits"
    print(f"{_bold('Repository')}  {printable(path)} {at}")
    print(f"{_bold('Database')}    {printable(url)}")
    if not intake.commits:
        print(f"{_bold('Taken in')}    nothing: there is nothing new")
        return
    rate = intake.messages / intake.seconds
    print(
        f"{_bold('Taken in')}    {intake.commits:,} commits, {intake.messages:,} messages "
        f"in {intake.seconds:.1f} s: {rate:,.0f} messages a second"
    )


def busiest_authors(connection: sa.Connection, limit: int = 10) -> Sequence[sa.RowMapping]:
    """Return the authors with most commits: a plain ``select`` on the derived table."""
    author = actors.table(Author)
    query = sa.select(
        author.c.commits,
        author.c.added,
        author.c.removed,
        author.c.first_commit,
        author.c.last_commit,
        author.c.actor_id,
    )
    ranked = query.order_by(author.c.commits.desc(), author.c.actor_id).limit(limit)
    return connection.execute(ranked).mappings().all()


def print_tables(connection: sa.Connection) -> None:
    """Print how many rows each table has."""
    print(f"\n{_bold('Tables')}")
    for actor_type in (Author, SourceFile, Repository, Day):
        table = actors.table(actor_type)
        rows = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        print(f"  {rows:>9,}  {table.name}")


def print_authors(rows: Sequence[sa.RowMapping]) -> None:
    """Print the busiest authors, the name last because it may have any width."""
    if not rows:
        return
    print(f"\n{_bold('Busiest authors')} (a plain select on the table author)")
    print(f"  {'commits':>9}  {'added':>11}  {'removed':>11}  {'first':<10}  {'last':<10}  author")
    for row in rows:
        print(
            f"  {row['commits']:>9,}  {row['added']:>11,}  {row['removed']:>11,}  "
            f"{row['first_commit']:%Y-%m-%d}  {row['last_commit']:%Y-%m-%d}  "
            f"{printable(row['actor_id']) or '(no name)'}"
        )


def print_generic_row(connection: sa.Connection) -> None:
    """Print the newest row of the generic table as it is stored."""
    table = actors.table(Day)
    # As text, or the driver would decode the state.
    columns = [sa.cast(c, sa.Text).label(c.name) if c.name == "state" else c for c in table.c]
    query = sa.select(*columns).where(table.c.actor_type == type_name(Day))
    newest = query.order_by(table.c.actor_id.desc()).limit(1)
    row = connection.execute(newest).mappings().first()
    if row is None:
        return
    print(f"\n{_bold('One row')} of the generic table {table.name}")
    for column, value in row.items():
        print(f"  {column:<16}{_shortened(printable(str(value)))}")


def print_restored(restored: int, total: int) -> None:
    """Print how many actors a new host restored as they are stored."""
    if not total:
        return
    print(f"\n{_bold('Restored')}    {restored} of these {total} actors by a new host, as stored")


def printable(text: str) -> str:
    """Escape what would act on the terminal instead of being shown."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _shortened(text: str, length: int = 300) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def _bold(text: str) -> str:
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        return f"\033[1m{text}\033[0m"
    return text
