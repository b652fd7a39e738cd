"""What every command says of what can't be done: one line, and no password."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from theater_sql.errors import TheaterSQLError


def told(command: str, url: str, work: Callable[[], int]) -> int:
    """Do the work of a command and return its exit code; a failure is told in one line."""
    try:
        code = work()
        sys.stdout.flush()
    except (TheaterSQLError, SQLAlchemyError, CommandError) as error:
        print(f"theater-sql {command}: {_one_line(error, url)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"theater-sql {command}: interrupted; run it again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of the output has gone. What Python still wants to flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


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
