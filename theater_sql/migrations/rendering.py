"""Column types and defaults in generated revisions: plain SQLAlchemy, the DDL of our own types."""

from __future__ import annotations

from typing import Any, Final, Literal

from alembic.autogenerate.api import AutogenContext
from sqlalchemy.dialects import postgresql

from theater_sql.migrations.defaults import ServerDefault, render_default
from theater_sql.types import Document, Duration, ExactDecimal, UTCDateTime

_POSTGRESQL: Final = "from sqlalchemy.dialects import postgresql"
_PLAIN: Final[dict[type[Any], tuple[str, str]]] = {
    UTCDateTime: ("DateTime(timezone=True)", "Text()"),
    ExactDecimal: ("Numeric()", "Text()"),
    Duration: ("Interval()", "BigInteger()"),
    Document: ("JSON()", "Text()"),
}
"""What our types are on PostgreSQL, and on SQLite."""


def render_item(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
    """Return the code for a column's type or default; ``False`` where Alembic's own is right."""
    if isinstance(item, ServerDefault):
        return render_default(item, context)
    if kind != "type":
        return False
    prefix = context.opts["sqlalchemy_module_prefix"]
    if isinstance(item, postgresql.JSON):
        # Away from PostgreSQL, Alembic leaves the prefix out and the revision fails.
        context.imports.add(_POSTGRESQL)
        return f"postgresql.{item!r}".replace("=Text()", f"={prefix}Text()")
    if type(item) not in _PLAIN:
        return False
    base, on_sqlite = _PLAIN[type(item)]
    code = f"{prefix}{base}"
    if isinstance(item, Document) and item.jsonb:
        context.imports.add(_POSTGRESQL)
        code = "postgresql.JSONB()"
    return f"{code}.with_variant({prefix}{on_sqlite}, 'sqlite')"
