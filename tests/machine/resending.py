"""A storage with the bare driver that sends again when its link breaks, rightly and not."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from theater_sql import (
    ABSENT,
    NOT_PRESENT,
    OVERWRITE,
    Conflict,
    Etag,
    Found,
    InvalidEtag,
    OutcomeUnknown,
)

TABLE = """
CREATE TABLE resent (
    kind text, name text, state jsonb, etag uuid, version bigint, updated_at timestamptz,
    PRIMARY KEY (kind, name)
)
"""
_INSERT = "INSERT INTO resent VALUES (%s, %s, %s, %s, 1, now()) ON CONFLICT DO NOTHING"
_UPDATE = (
    "UPDATE resent SET state = %s, etag = %s, version = version + 1, updated_at = now()"
    " WHERE kind = %s AND name = %s AND etag = %s"
)
_DELETE = "DELETE FROM resent WHERE kind = %s AND name = %s AND etag = %s"


class Resending:
    """Sends the same statement under the same etag, and looks for its own if nothing matched."""

    def __init__(self, url: str) -> None:
        self._dsn = url.replace("+psycopg", "")
        self._connection: psycopg.Connection[Any] | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def get(self, *actor: Any) -> Any:
        return self.look(actor) or NOT_PRESENT

    def put(
        self, kind: Any, name: Any, state: Any, *, expect: Any = OVERWRITE, etag: Any = None
    ) -> UUID:
        actor = (kind, name)
        if etag is not None and etag == expect:
            raise InvalidEtag(kind, name, "the same; nothing was sent")
        found = self.look(actor)
        if found and found.etag == etag:
            return found.etag  # sent again
        base = (found.etag if found else ABSENT) if expect is OVERWRITE else expect
        mine = etag or uuid4()
        create = (_INSERT, (*actor, Jsonb(state), mine))
        statement = create if base is ABSENT else (_UPDATE, (Jsonb(state), mine, *actor, base))
        try:
            matched = self.execute(*statement).rowcount
        except psycopg.OperationalError:
            return self.put_again(actor, state, expect, mine, statement)
        if not matched:
            raise self.conflict(actor, expect)
        return mine

    def put_again(self, actor: Any, state: Any, expect: Any, mine: UUID, statement: Any) -> UUID:
        if self.execute(*statement).rowcount:
            return mine
        found = self.look(actor)
        if found and found.etag == mine:
            return mine
        raise OutcomeUnknown(actor[0], actor[1], "the link broke", etag=Etag(mine))

    def delete(self, *actor: Any, expect: Any = OVERWRITE) -> None:
        found = self.look(actor)
        if expect is OVERWRITE and not found:
            return None
        base = found.etag if found and expect is OVERWRITE else expect
        statement = (_DELETE, (*actor, None if base is ABSENT else base))
        try:
            matched = self.execute(*statement).rowcount
        except psycopg.OperationalError:
            return self.delete_again(actor, expect, statement)
        if not (matched or (base is ABSENT and not found)):
            raise self.conflict(actor, expect)
        return None

    def delete_again(self, actor: Any, expect: Any, statement: Any) -> None:
        if not self.execute(*statement).rowcount and self.look(actor):
            raise OutcomeUnknown(actor[0], actor[1], "the link broke", etag=None)

    def execute(self, sql: str, args: Any) -> psycopg.Cursor[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._dsn, autocommit=True)
        return self._connection.execute(sql, args)

    def look(self, actor: Any) -> Found[Any] | None:
        row = self.execute(
            "SELECT state, etag, version, updated_at FROM resent WHERE kind = %s AND name = %s",
            actor,
        ).fetchone()
        return Found(*row) if row else None

    def conflict(self, actor: Any, expect: Any) -> Conflict:
        found = self.look(actor)
        kind = "gone" if found is None else "exists" if expect is ABSENT else "stale"
        actual = found.etag if found else None
        reason = "not it; nothing was written"
        return Conflict(actor[0], actor[1], reason, kind=kind, expected=expect, actual=actual)


class SendsAnotherEtag(Resending):
    """Begins anew when its link breaks, as if nothing could have been written."""

    told = "version 2, not 1|version 3, not 2|Conflict"

    def put_again(self, actor: Any, state: Any, expect: Any, mine: UUID, statement: Any) -> UUID:
        return self.put(actor[0], actor[1], state, expect=expect)


class TakesItselfForAnother(Resending):
    """Sends the same again, and calls it a conflict if that matches nothing."""

    told = "Conflict"

    def put_again(self, actor: Any, state: Any, expect: Any, mine: UUID, statement: Any) -> UUID:
        if not self.execute(*statement).rowcount:
            raise self.conflict(actor, expect)
        return mine


class TakesItsDeleteForAnothers(Resending):
    """Calls it a conflict if the delete that it sends again matches nothing."""

    told = "delete gave Conflict"

    def delete_again(self, actor: Any, expect: Any, statement: Any) -> None:
        if not self.execute(*statement).rowcount:
            raise self.conflict(actor, expect)


NAIVE = [SendsAnotherEtag, TakesItselfForAnother, TakesItsDeleteForAnothers]
