"""What a storage has to hold after any row of puts and deletes: the whole contract, as a dict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from theater_sql.contract import (
    ABSENT,
    NOT_PRESENT,
    OVERWRITE,
    ActorId,
    Etag,
    Expect,
    Found,
    Put,
)
from theater_sql.errors import Conflict, ConflictKind

Actor: TypeAlias = tuple[Any, ActorId]
"""An actor type and an id."""


class Row(NamedTuple):
    """One actor as it is stored."""

    state: Any
    etag: Etag
    version: int


class Model:
    """The actors of one database."""

    def __init__(self) -> None:
        self.rows: dict[Actor, Row] = {}
        self.etags: dict[Actor, list[Etag]] = {}
        """All that an actor ever had, in their order."""

    def etag(self, actor: Actor) -> Etag | None:
        """Return the etag that is there."""
        row = self.rows.get(actor)
        return row.etag if row else None

    def conflict(
        self, actor: Actor, expect: Etag | Expect, etag: Etag | None = None
    ) -> ConflictKind | None:
        """Return why a write has to fail, if it has to; ``etag`` is the one it brings along."""
        present = self.etag(actor)
        if expect is OVERWRITE or present == (None if expect is ABSENT else expect):
            return None
        if present is None:
            return "gone"
        if etag == present:
            return None  # sent again
        return "exists" if expect is ABSENT else "stale"

    def put(self, actor: Actor, state: Any, etag: Etag) -> None:
        """Store a state; one that is sent again with its own etag is there already."""
        row = self.rows.get(actor)
        if row is None or row.etag != etag:
            self.rows[actor] = Row(state, etag, row.version + 1 if row else 1)
            self.etags.setdefault(actor, []).append(etag)

    def was_there(self, etag: Etag) -> bool:
        """Tell whether any actor ever had this etag."""
        return any(etag in etags for etags in self.etags.values())

    def delete(self, actor: Actor) -> None:
        """Remove an actor; its etags stay spent."""
        self.rows.pop(actor, None)

    def ids(self, actor_type: Any) -> list[ActorId]:
        """Return the ids of a type in the order of their keys; all of them are ``str``."""
        return sorted(str(actor_id) for of, actor_id in self.rows if of == actor_type)


class Expected:
    """Compares what each call came to with what the model says, and does the same to the model."""

    def __init__(self, model: Model, same_state: Callable[[Any, Any], bool]) -> None:
        self._model = model
        self._same_state = same_state

    def put(self, put: Put, result: Any) -> None:
        """Check the etag or the error that a put gave."""
        actor = put[:2]
        kind = self._model.conflict(actor, put.expect, put.etag)
        if kind is not None:
            self.conflict(actor, put.expect, kind, result)
            return
        assert isinstance(result, UUID), f"{actor}: put gave {result!r}, not an etag"
        if put.etag is None:
            assert not self._model.was_there(Etag(result)), f"{actor}: an etag came twice"
        else:
            assert result == put.etag, f"{actor}: put gave another etag than it was to give"
        self._model.put(actor, put.state, Etag(result))

    def delete(self, actor: Actor, expect: Etag | Expect, result: Any) -> None:
        """Check the error that a delete gave, or none."""
        kind = self._model.conflict(actor, expect)
        if kind is not None:
            self.conflict(actor, expect, kind, result)
            return
        assert result is None, f"{actor}: delete gave {result!r}"
        self._model.delete(actor)

    def conflict(
        self, actor: Actor, expect: Etag | Expect, kind: ConflictKind, error: object
    ) -> None:
        """Check an error that has to be a ``Conflict`` of this kind."""
        assert isinstance(error, Conflict), f"{actor}: {error!r}, not a Conflict ({kind})"
        assert error.kind == kind, f"{actor}: Conflict is {error.kind!r}, not {kind!r}"
        assert error.expected == expect, f"{actor}: Conflict.expected is {error.expected}"
        assert error.actual == self._model.etag(actor), f"{actor}: Conflict.actual is wrong"
        assert error.actor_id == actor[1], f"{actor}: Conflict.actor_id is {error.actor_id!r}"

    def found(self, actor: Actor, found: Any) -> None:
        """Check what a get gave."""
        row = self._model.rows.get(actor)
        if row is None:
            assert found is NOT_PRESENT, f"{actor}: get gave {found!r}, and nothing is there"
            return
        assert isinstance(found, Found), f"{actor}: get gave {found!r}"
        assert self._same_state(found.state, row.state), f"{actor}: another state"
        assert found.etag == row.etag, f"{actor}: another etag"
        assert found.version == row.version, f"{actor}: version {found.version}, not {row.version}"
        assert found.updated_at.tzinfo is not None, f"{actor}: updated_at has no zone"
