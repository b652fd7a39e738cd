"""The demonstration: real actors on real input, the git history of a repository."""

from __future__ import annotations

from theater_sql.errors import TheaterSQLError


class DemoError(TheaterSQLError):
    """Why the demonstration can't go on, in one line for the person at the terminal."""
