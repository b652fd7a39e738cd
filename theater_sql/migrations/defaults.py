"""A field's default as the server default of its column: plain SQL, the same value everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from theater_sql.columns import DEFAULT, RENAMED, unchanging
from theater_sql.tables import default_source
from theater_sql.types import MICROSECOND, Document, Duration, ExactDecimal, UTCDateTime

_dialects: Final[Any] = (postgresql.dialect, sqlite.dialect)
# A style of parameters that doubles no percent sign.
POSTGRESQL, SQLITE = (dialect(paramstyle="named") for dialect in _dialects)
_ALIKE: Final = (UTCDateTime, ExactDecimal, sa.Date, sa.String, sa.Time, sa.Uuid)
"""Types whose text on SQLite PostgreSQL reads as well."""


class ServerDefault(sa.DefaultClause):
    """A default as each of the databases says it."""

    def __init__(self, on_postgresql: str, on_sqlite: str) -> None:
        super().__init__(sa.text(_escaped(on_postgresql)))
        self.on_postgresql = on_postgresql
        self.on_sqlite = on_sqlite


def server_default(column: sa.Column[Any]) -> ServerDefault | None:
    """Return what rows that are there already get in a new column, if it is certain."""
    try:
        value = _value(column)
        if value is None:
            return None
        literals = _literals(value, column.type)
        if any(str(sa.text(_escaped(sql)).compile(dialect=SQLITE)) != sql for sql in literals):
            return None
        return ServerDefault(*literals)
    except Exception:  # code of the user's, or a value without a literal form
        return None


def renamed_from(column: sa.Column[Any]) -> str | None:
    """Return the name that a column had before, as it was registered."""
    name: str | None = column.info.get(RENAMED)
    return name


def render_default(default: ServerDefault, context: AutogenContext) -> str:
    """Return the code for a server default."""
    ours, theirs = default.on_postgresql, default.on_sqlite
    if ours == theirs and ours.startswith("'") and "\\" not in ours:
        # SQLAlchemy 2.0 doubles a backslash for a PostgreSQL that it is not connected to.
        return repr(ours[1:-1].replace("''", "'"))
    text = f"{context.opts['sqlalchemy_module_prefix']}text"
    if ours == theirs:
        return f"{text}({_escaped(ours)!r})"
    choice = {"postgresql": _escaped(ours), "sqlite": _escaped(theirs)}
    name = f"{context.opts['alembic_module_prefix']}get_context().dialect.name"
    return f"{text}({choice!r}[{name}])"


def _value(column: sa.Column[Any]) -> Any:
    """Return the default as the column holds it."""
    noted: Callable[[], Any] | None = column.info.get(DEFAULT)
    if noted is not None:
        return noted()
    default: Any = column.default
    if column.nullable or default is None or default.is_sequence or default.is_clause_element:
        return None
    value = unchanging(default_source(default)) if default.is_callable else default.arg
    return json.dumps(value) if _is_json(column.type) else value


def _is_json(type_: TypeEngine[Any]) -> bool:
    return isinstance(type_, (sa.JSON, Document))


def _literals(value: Any, type_: TypeEngine[Any]) -> tuple[str, str]:
    """Return the SQL of a value for PostgreSQL and for SQLite."""
    if _is_json(type_):
        both = _literal(value, sa.Text(), SQLITE)
    elif isinstance(value, bytes):
        return f"'\\x{value.hex()}'::bytea", f"X'{value.hex()}'"
    elif isinstance(value, bool):
        both = "true" if value else "false"
    elif isinstance(type_, Duration):
        return _interval(value), str(value // MICROSECOND)
    elif isinstance(type_, _ALIKE):
        both = _literal(value, type_, SQLITE)
    else:
        return _literal(value, type_, POSTGRESQL), _literal(value, type_, SQLITE)
    return both, both


def _literal(value: Any, type_: TypeEngine[Any], dialect: sa.engine.Dialect) -> str:
    literal = sa.literal(value, type_)
    return str(literal.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _interval(value: timedelta) -> str:
    seconds = f"{value.seconds}.{value.microseconds:06}"
    return f"'{value.days} days {seconds} seconds'::interval"


def _escaped(sql: str) -> str:
    """Keep SQLAlchemy from taking what follows a colon for a parameter."""
    return re.sub(r"(?<![:\w\\]):(?=\w)|(?<=\\):", r"\\:", sql)
