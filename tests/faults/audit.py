"""Actors for the stress test, and a log that triggers keep of every change of their rows."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool

from theater_sql import GENERIC, ActorRegistry, ActorRow, SQLStorage
from theater_sql.contract import ActorId
from theater_sql.testing import Change, Row


class Actor(NamedTuple):
    kind: str
    name: str


CONTESTED = 40
"""Medals up to this number are fought over; others are unique."""
TAKEN = 0
"""The number of a medal that nobody gives back."""


@dataclass
class Note:
    tag: str
    n: int


@dataclass
class Medal:
    tag: str
    number: int
    weight: int


class Base(DeclarativeBase):
    pass


class MedalRow(ActorRow, Base):
    __tablename__ = "medal"
    __table_args__ = (sa.CheckConstraint("weight >= 0"),)
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    tag: Mapped[str]
    number: Mapped[int] = mapped_column(sa.BigInteger, unique=True)
    weight: Mapped[int]


ACTORS = ActorRegistry(metadata=Base.metadata)
ACTORS.register("Note", state=Note, table="note")
ACTORS.register("Medal", model=MedalRow, state=Medal)
ACTORS.register("Kept", state=Note, table=GENERIC)
KINDS = ("Note", "Medal", "Kept", "Loose")

_numbers = itertools.count(CONTESTED + 1)


def state_of(kind: str, tag: str, chance: random.Random, *, contested: bool) -> Any:
    """Return a state with a tag; a contested one may violate a constraint."""
    if kind == "Medal":
        number = chance.randint(1, CONTESTED) if contested else next(_numbers)
        return Medal(tag, number, 1)
    n = chance.randrange(-(2**63), 2**63)
    return {"tag": tag, "n": n} if kind == "Loose" else Note(tag, n)


POISON: list[tuple[str, Callable[[str], Any]]] = [
    ("Medal", lambda tag: Medal(tag, TAKEN, 1)),
    ("Medal", lambda tag: Medal(tag, next(_numbers), -1)),
    ("Medal", lambda tag: Medal(tag, 2**63, 1)),
    ("Note", lambda tag: Note(f"{tag}\0", 1)),
    ("Note", lambda tag: Note(tag, 2**63)),
    ("Note", lambda tag: {"tag": tag}),
    ("Kept", lambda tag: Note(tag, object())),  # type: ignore[arg-type]
    ("Loose", lambda tag: {"tag": tag, "n": object()}),
    ("Loose", lambda tag: {"tag": f"{tag}\0", "n": float("nan")}),
]


_EVENTS = {
    "INSERT": ("new", "NULL", "new.etag"),
    "UPDATE": ("new", "old.etag", "new.etag"),
    "DELETE": ("old", "old.etag", "NULL"),
}
_AUDITED = {
    "note": ("'Note'", "actor_id", "tag"),
    "medal": ("'Medal'", "actor_id", "tag"),
    "theater_actor": ("actor_type", "actor_id", "state"),
}


def prepare(url: str) -> None:
    """Create the tables, triggers that log every change, and the medal that is taken."""
    with SQLStorage(url, ACTORS) as storage:
        storage.create_all()
        storage.put("Medal", "holder", Medal("", TAKEN, 1))
    engine = sa.create_engine(url, poolclass=NullPool)
    postgres = engine.dialect.name == "postgresql"
    number = "BIGINT GENERATED ALWAYS AS IDENTITY" if postgres else "INTEGER"
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE audit (position {number} PRIMARY KEY, actor_type TEXT, actor_id TEXT,"
            " old_etag TEXT, new_etag TEXT, version BIGINT, content TEXT)"
        )
        for table, event in itertools.product(_AUDITED, _EVENTS):
            for statement in _trigger(table, event, postgres):
                connection.exec_driver_sql(statement)


def _trigger(table: str, event: str, postgres: bool) -> Iterator[str]:
    row, old, new = _EVENTS[event]
    kind, name, content = (v if v[0] == "'" else f"{row}.{v}" for v in _AUDITED[table])
    log = (
        "INSERT INTO audit (actor_type, actor_id, old_etag, new_etag, version, content)"
        f" VALUES ({kind}, {name}, {old}, {new}, {row}.version, {content});"
    )
    trigger = f"CREATE TRIGGER {table}_{event} AFTER {event} ON {table}"
    if not postgres:
        yield f"{trigger} BEGIN {log} END"
        return
    function = f"log_{table}_{event}()"
    body = f"BEGIN {log} RETURN NULL; END"
    yield f"CREATE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql AS '{_quoted(body)}'"
    yield f"{trigger} FOR EACH ROW EXECUTE FUNCTION {function}"


def _quoted(text: str) -> str:
    return text.replace("'", "''")


_TAG = re.compile(r"[sa]\d+\.\d+")


def audited(url: str) -> tuple[dict[tuple[Any, ActorId], Row], list[Change]]:
    """Return what is stored, and every change in the order of the database."""
    engine = sa.create_engine(url, poolclass=NullPool)
    order = "SELECT * FROM audit ORDER BY position"
    with engine.connect() as connection:
        changes = [_change(row) for row in connection.execute(sa.text(order))]
        stored: dict[tuple[Any, ActorId], Row] = {}
        for table, columns in _AUDITED.items():
            select = sa.text(f"SELECT {', '.join(columns)}, etag, version FROM {table}")
            for kind, name, content, etag, version in connection.execute(select):
                row = Row(_uuid(etag), version, _tag(content))
                stored[Actor(kind, name.removeprefix("s:"))] = row
    stored.pop(Actor("Medal", "holder"))
    return stored, changes


def _change(row: Any) -> Change:
    _, kind, name, old, new, version, content = row
    actor = Actor(kind, name.removeprefix("s:"))
    old, new = (None if etag is None else _uuid(etag) for etag in (old, new))
    return Change(actor, old, new, version, _tag(content) if new else "")


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def _tag(content: Any) -> str:
    found = _TAG.search(str(content))
    return found[0] if found else str(content)
