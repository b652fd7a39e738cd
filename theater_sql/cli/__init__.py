"""The command ``theater-sql``. What a command needs is imported when it runs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Final

DEFAULT_URL: Final = "sqlite:///theater.db"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 when it failed, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    from theater_sql.cli.demo import demo

    return demo(options.path, options.url)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="theater-sql", description="SQL storage for virtual actors."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_demo(commands)
    return parser


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "take the history of a git repository in through actors, and show the tables"
    demo = commands.add_parser("demo", help=summary, description=f"{summary.capitalize()}.")
    demo.add_argument(
        "path", nargs="?", default=".", metavar="PATH", help="a git repository (default: here)"
    )
    demo.add_argument(
        "--url",
        default=os.environ.get("THEATER_SQL_URL") or DEFAULT_URL,
        help="the database, as SQLAlchemy writes it, such as postgresql+psycopg://user@host/name "
        f"(default: the environment's THEATER_SQL_URL, else {DEFAULT_URL})",
    )


class _Version(argparse.Action):
    """Look the version up only when it is asked for: that takes longer than all the rest."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"theater-sql {version('theater-sql')}")
        parser.exit()
