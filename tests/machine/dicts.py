"""A storage in a dict that does all that the contract asks, and faults to plant in it."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from theater_sql import (
    ABSENT,
    NOT_PRESENT,
    OVERWRITE,
    BatchConflict,
    Conflict,
    CorruptState,
    Delete,
    Found,
    InvalidEtag,
    InvalidId,
    InvalidState,
    Put,
    Results,
    StateTooNew,
    StorageClosed,
    StorageError,
)
from theater_sql.contract import Expect
from theater_sql.identity import check_id

UNDECODABLE: Final = "what no decoder takes"
TOO_NEW: Final = "what newer code wrote"


class Handle:
    """One actor's handle, as ``theater_sql.Handle``."""

    def __init__(self, storage: DictStorage, actor: tuple[Any, Any]) -> None:
        self.storage, self.actor = storage, actor
        self.etag: Any = None
        self.lost = False
        self.turn = threading.RLock()

    def get(self) -> Any:
        with self.turn:
            self.lost = False
            found = self.storage.get(*self.actor)
            self.etag = found.etag
            return found

    def put(self, state: Any) -> Any:
        with self.turn:
            return self.expecting("put", state)

    def delete(self) -> None:
        with self.turn:
            self.expecting("delete")

    def expecting(self, method: str, *args: Any) -> Any:
        if self.lost:
            raise StorageError(*self.actor, "get() first")
        if self.etag is None and method == "put":
            self.get()
        expect = OVERWRITE if self.etag is None else self.etag
        try:
            result = getattr(self.storage, method)(*self.actor, *args, expect=expect)
        except StorageError:
            self.lost, self.etag = True, None
            raise
        self.etag = result or ABSENT
        return result


class DictStorage:
    """A host's storage; ``rows`` is the database that all of them share."""

    handles: type[Handle] = Handle
    guard = threading.RLock()  # of all, since any may share its rows with any other

    def __init__(self, rows: dict[Any, Found[Any]]) -> None:
        self.rows = rows
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def admit(self, actor_type: Any, actor_id: Any, *etags: Any) -> None:
        """Refuse what no call takes."""
        if self.closed:
            raise StorageClosed(actor_type, actor_id, "closed; nothing was sent")
        self.admit_id(actor_type, actor_id)
        if not all(isinstance(etag, (UUID, Expect)) for etag in etags):
            raise InvalidEtag(actor_type, actor_id, "not an etag; nothing was sent")

    def admit_id(self, actor_type: Any, actor_id: Any) -> None:
        check_id(actor_type, actor_id)  # as ours does: the rules of ids are not at stake here

    def admit_state(self, actor_type: Any, actor_id: Any, state: Any) -> None:
        try:
            json.dumps(state)
        except TypeError:
            raise InvalidState(
                actor_type, actor_id, "not a state; nothing was written", path="$"
            ) from None

    def in_transaction(self) -> Inside:
        return Inside(self)

    def handle(self, actor_type: Any, actor_id: Any) -> Handle:
        return self.handles(self, (actor_type, actor_id))

    def get(self, actor_type: Any, actor_id: Any) -> Any:
        self.admit(actor_type, actor_id)
        found = copy.deepcopy(self.rows.get((actor_type, actor_id), NOT_PRESENT))
        if found and found.state is UNDECODABLE:
            raise CorruptState(actor_type, actor_id, "can't be decoded", path="$")
        if found and found.state is TOO_NEW:
            raise StateTooNew(actor_type, actor_id, "too new", stored=2, registered=1)
        return found

    def put(
        self,
        actor_type: Any,
        actor_id: Any,
        state: Any,
        *,
        expect: Any = OVERWRITE,
        etag: Any = None,
        overwrite_corrupt: bool = False,
    ) -> UUID:
        actor = (actor_type, actor_id)
        self.admit(*actor, expect, *([] if etag is None else [etag]))
        self.admit_state(*actor, state)
        if etag is not None and etag == expect:
            raise InvalidEtag(actor_type, actor_id, "the same; nothing was sent")
        with self.guard:
            if expect is OVERWRITE:
                self.check_readable(actor, overwrite_corrupt)
            if not self.is_there_already(actor, etag):
                self.check(actor, expect)
                self.write(actor, state, etag or self.mint(actor))
            return self.rows[actor].etag

    def delete(self, actor_type: Any, actor_id: Any, *, expect: Any = OVERWRITE) -> None:
        self.admit(actor_type, actor_id, expect)
        with self.guard:
            self.check((actor_type, actor_id), expect)
            self.rows.pop((actor_type, actor_id), None)

    def check_readable(self, actor: Any, overwrite_corrupt: bool) -> None:
        try:
            self.get(*actor)
        except CorruptState:
            if not overwrite_corrupt:
                raise

    def is_there_already(self, actor: Any, etag: Any) -> bool:
        return actor in self.rows and self.rows[actor].etag == etag

    def mint(self, actor: Any) -> Any:
        return uuid4()

    def check(self, actor: Any, expect: Any) -> None:
        row = self.rows.get(actor)
        present = row.etag if row else None
        if expect is OVERWRITE or present == (None if expect is ABSENT else expect):
            return
        kind = "gone" if row is None else "exists" if expect is ABSENT else "stale"
        reason = "not it; nothing was written"
        raise Conflict(actor[0], actor[1], reason, kind=kind, expected=expect, actual=present)

    def write(self, actor: Any, state: Any, etag: Any) -> None:
        version = self.rows[actor].version + 1 if actor in self.rows else 1
        self.rows[actor] = Found(copy.deepcopy(state), etag, version, datetime.now(UTC))

    # --- many at once -------------------------------------------------------------------------

    def get_many(self, actors: Iterable[Any]) -> list[Any]:
        return Results(self.attempt(self.get, *actor) for actor in actors)

    def put_many(self, puts: Iterable[Any], *, atomic: bool = False) -> list[Any]:
        items = [Put(*put) for put in puts]
        return self.put_all(items) if atomic else Results(self.try_put(item) for item in items)

    def attempt(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        try:
            return method(*args, **options)
        except StorageError as error:
            return error

    def try_put(self, put: Put) -> Any:
        return self.attempt(self.put, *put[:3], expect=put.expect, etag=put.etag)

    def put_all(self, puts: list[Put]) -> list[Any]:
        if len({put[:2] for put in puts}) < len(puts):
            raise InvalidId("a type", puts[0].actor_id, "twice")
        with self.guard:
            return self.put_all_locked(puts)

    def put_all_locked(self, puts: list[Put]) -> list[Any]:
        before = dict(self.rows)
        results = [self.try_put(put) for put in puts]
        conflicts = tuple(result for result in results if isinstance(result, Conflict))
        if conflicts:
            self.roll_back(before)
            raise BatchConflict("a type", puts[0].actor_id, "not it", conflicts=conflicts)
        errors = [result for result in results if isinstance(result, StorageError)]
        if errors:
            self.roll_back(before)
            raise errors[0]
        return results

    def roll_back(self, before: dict[Any, Found[Any]]) -> None:
        self.rows.clear()
        self.rows.update(before)

    def delete_many(self, deletes: Iterable[Any]) -> list[Any]:
        items = [Delete(*delete) for delete in deletes]
        return Results(self.attempt(self.delete, *one[:2], expect=one.expect) for one in items)

    def list_ids(self, actor_type: Any, *, after: Any = None, limit: int = 1000) -> list[Any]:
        ids = sorted((actor_id for of, actor_id in list(self.rows) if of == actor_type), key=repr)
        return [one for one in ids if after is None or repr(one) > repr(after)][:limit]

    def count(self, actor_type: Any) -> int:
        return sum(of == actor_type for of, _ in list(self.rows))


class Inside(DictStorage):
    """A storage's transaction: what it writes is there for others once it is committed."""

    def __init__(self, outside: DictStorage) -> None:
        super().__init__(dict(outside.rows))
        self.outside = outside

    def put_many(self, puts: Iterable[Any], *, atomic: bool = True) -> list[Any]:
        return super().put_many(puts, atomic=atomic)

    def lock(self, actors: Iterable[Any]) -> None:
        pass

    def commit(self) -> None:
        self.outside.roll_back(self.rows)
