"""The commands for a project's tables: thin over Alembic's, in words for those new to it."""

from __future__ import annotations

import io
import logging
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.util import CommandError
from sqlalchemy.engine import Engine

from theater_sql.backends import engine_for
from theater_sql.backends.base import Phase
from theater_sql.cli import project
from theater_sql.cli.failures import told
from theater_sql.cli.init import init
from theater_sql.migrations.check import differences
from theater_sql.migrations.connections import connected, translated

_LOGS: Final = ("alembic.runtime.migration", "alembic.autogenerate", "theater_sql.migrations")
_NOISE: Final = ("Context impl", "Will assume")


def migrate(options: Namespace) -> int:
    """Run one of the commands and return its exit code."""
    return told(options.command, options.url, lambda: _COMMANDS[options.command](options))


def _upgrade(options: Namespace) -> int:
    return _move(options, command.upgrade, _reached)


def _downgrade(options: Namespace) -> int:
    return _move(options, command.downgrade, _existing)


def _move(options: Namespace, to: Callable[..., None], engine: Callable[[str], Engine]) -> int:
    config = project.config(options.url)
    if options.sql:
        to(config, options.revision, sql=True)
        return 0
    with _narrated() as told_of, translated(engine(options.url)):
        to(config, options.revision)
    if not told_of.lines:
        print(f"nothing to do: the database is at {_revisions(options) or 'no revision'}")
    return 0


def _current(options: Namespace) -> int:
    project.config(options.url)
    _existing(options.url)
    none = "no revision: nothing was migrated here yet (theater-sql upgrade does)"
    print(_revisions(options) or none)
    return 0


def _revisions(options: Namespace) -> str:
    """Return the revisions that the database is at."""
    config = project.config(options.url)
    config.stdout = io.StringIO()
    command.current(config)
    return ", ".join(config.stdout.getvalue().split("\n")).strip(", ")


def _history(options: Namespace) -> int:
    config = project.config(options.url)
    config.stdout = io.StringIO()
    command.history(config)
    found = config.stdout.getvalue().strip()
    print(found or 'no revision: theater-sql revision -m "first tables" writes the first')
    return 0


def _check(options: Namespace) -> int:
    project.config(options.url)
    found = differences(engine_for(options.url), project.actors())
    print("\n".join(found) or "the tables are what the actors need")
    return 1 if found else 0


def _revision(options: Namespace) -> int:
    config = project.config(options.url)
    # Alembic's own words name the file with all its folders.
    with _narrated(), translated(_reached(options.url)), redirect_stdout(io.StringIO()):
        try:
            written: Any = command.revision(
                config,
                options.message,
                autogenerate=True,
                rev_id=options.rev_id,
                process_revision_directives=_unless_empty,
            )
        except CommandError as error:
            if "not up to date" in str(error):
                raise CommandError(f"{error} Run theater-sql upgrade first.") from error
            raise
    if not written:
        print("nothing to do: the tables are what the actors need")
    else:
        print(f"wrote {_relative(Path(written.path))}: read it, then run theater-sql upgrade")
    return 0


def _unless_empty(context: Any, revision: Any, directives: list[Any]) -> None:
    if directives[0].upgrade_ops.is_empty():
        directives.clear()


def _relative(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _reached(url: str) -> Engine:
    """Return the engine of a database that can be reached; a missing file is created."""
    engine = engine_for(url, create=True)
    with translated(engine, Phase.CONNECT):
        engine.connect().close()
    return engine


def _existing(url: str) -> Engine:
    engine = engine_for(url)
    with connected(engine):
        return engine


class _Told(logging.StreamHandler):  # type: ignore[type-arg]  # no generic when it runs
    """Print what Alembic tells of its work."""

    lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        if not record.getMessage().startswith(_NOISE):
            self.lines += 1
            super().emit(record)


@contextmanager
def _narrated() -> Iterator[_Told]:
    handler = _Told(sys.stdout)
    loggers = [logging.getLogger(name) for name in _LOGS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


_COMMANDS: Final[dict[str, Callable[[Namespace], int]]] = {
    "init": lambda options: init(options.actors),
    "upgrade": _upgrade,
    "downgrade": _downgrade,
    "current": _current,
    "history": _history,
    "check": _check,
    "revision": _revision,
}
