"""The command ``theater-sql``. What a command needs is imported when it runs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Final, TypeAlias

DEFAULT_URL: Final = "sqlite:///theater.db"
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 when it failed, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    if options.command == "demo":
        from theater_sql.cli.demo import demo

        return demo(options.path, options.url, options.host)
    from theater_sql.cli.migrate import migrate

    return migrate(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="theater-sql", description="SQL storage for virtual actors."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    demo = _add(
        commands, "demo", "take the history of a git repository in through actors, show the tables"
    )
    demo.add_argument(
        "path", nargs="?", default=".", metavar="PATH", help="a git repository (default: here)"
    )
    demo.add_argument(
        "--host",
        choices=("asyncio", "ray"),
        default="asyncio",
        help="what runs the actors: this process (default), or a Ray cluster, the one that "
        "RAY_ADDRESS names or one of its own",
    )
    _add_migrations(commands)
    return parser


def _add(commands: Commands, name: str, summary: str) -> argparse.ArgumentParser:
    """Add a command that works on a database."""
    parser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
    )
    parser.add_argument(
        "--url",
        default=os.environ.get("THEATER_SQL_URL") or DEFAULT_URL,
        help="the database, as SQLAlchemy writes it, such as postgresql+psycopg://user@host/name "
        f"(default: the environment's THEATER_SQL_URL, else {DEFAULT_URL})",
    )
    return parser


def _add_migrations(commands: Commands) -> None:
    init = _add(commands, "init", "prepare this directory for migrations: alembic/, pyproject.toml")
    init.add_argument(
        "actors", metavar="MODULE:ATTRIBUTE", help="the ActorRegistry, such as shop.actors:actors"
    )
    revision = _add(commands, "revision", "write a revision of what differs from the actors")
    revision.add_argument("-m", "--message", required=True, help="what changes")
    revision.add_argument("--rev-id", metavar="ID", help="its name (default: twelve hex digits)")
    upgrade = _add(commands, "upgrade", "run the revisions that the database has not seen")
    upgrade.add_argument("revision", nargs="?", default="head", metavar="REVISION")
    downgrade = _add(commands, "downgrade", "go back to a revision, such as -1 or base")
    downgrade.add_argument("revision", metavar="REVISION")
    for command in (upgrade, downgrade):
        command.add_argument("--sql", action="store_true", help="print the SQL, and run nothing")
    _add(commands, "current", "show the revision of the database")
    _add(commands, "history", "show all revisions, newest first")
    _add(commands, "check", "say where the tables differ from the actors; exit code 1 if they do")


class _Version(argparse.Action):
    """Look the version up only when it is asked for: that takes longer than all the rest."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"theater-sql {version('theater-sql')}")
        parser.exit()
