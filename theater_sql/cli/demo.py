"""``theater-sql demo``: run the main job, and say in one line why it can't be done."""

from __future__ import annotations

import asyncio
import os
import sys

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from theater_sql.demo.run import run
from theater_sql.errors import TheaterSQLError


def demo(path: str, url: str) -> int:
    """Run the demonstration and return the exit code."""
    try:
        asyncio.run(run(path, url))
        sys.stdout.flush()
    except (TheaterSQLError, SQLAlchemyError, CommandError) as error:
        print(f"theater-sql demo: {_one_line(error, url)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("theater-sql demo: interrupted; run it again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of the output has gone. What Python still wants to flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _one_line(error: Exception, url: str) -> str:
    """Return what happened, without the password and without the rest of a long story."""
    text = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
    if password := _password(url):
        text = text.replace(f":{password}@", ":***@")
    return text if len(text) <= 400 else f"{text[:397]}..."


def _password(url: str) -> str | None:
    try:
        return sa.make_url(url).password
    except (ArgumentError, ValueError):
        return None
