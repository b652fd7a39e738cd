"""Faults of storages, each as somebody might make it; the machine has to find them all."""

from __future__ import annotations

import copy
from typing import Any
from uuid import UUID, uuid5

from tests.machine.dicts import DictStorage, Handle
from theater_sql import ABSENT, NOT_PRESENT, OVERWRITE, BatchConflict, Conflict, Found, Put

_SPACE = UUID(int=1)


class LastWriteWins(DictStorage):
    """Forgets to compare."""

    told = "not a Conflict"

    def check(self, actor: Any, expect: Any) -> None:
        if expect is ABSENT:
            super().check(actor, expect)


class CreatesTwice(DictStorage):
    """Takes a create for an overwrite."""

    told = r"not a Conflict \(exists\)"

    def check(self, actor: Any, expect: Any) -> None:
        if expect is not ABSENT:
            super().check(actor, expect)


class InsertsWhatIsGone(DictStorage):
    """Writes by INSERT ... ON CONFLICT DO UPDATE ... WHERE etag = expected."""

    told = r"not a Conflict \(gone\)"

    def check(self, actor: Any, expect: Any) -> None:
        if actor in self.rows or expect is ABSENT:
            super().check(actor, expect)


class EtagIsTheVersion(DictStorage):
    """Lets an old etag in again once the actor was deleted and created."""

    told = "an etag came twice"

    def mint(self, actor: Any) -> UUID:
        version = self.rows[actor].version + 1 if actor in self.rows else 1
        return uuid5(_SPACE, f"{actor}{version}")


class EtagIsOfTheState(DictStorage):
    """Gives the same etag to the same state."""

    told = "an etag came twice"

    def put(self, *args: Any, etag: Any = None, **options: Any) -> UUID:
        return super().put(*args, etag=etag or uuid5(_SPACE, repr(args)), **options)


class SkipsWhatIsTheSame(DictStorage):
    """Writes nothing if the state is what is stored."""

    told = "version 1, not 2"

    def write(self, actor: Any, state: Any, etag: Any) -> None:
        if actor in self.rows and self.rows[actor].state == state:
            self.rows[actor] = self.rows[actor]._replace(etag=etag)
        else:
            super().write(actor, state, etag)


class WritesAndThenComplains(DictStorage):
    """Raises Conflict for a stale etag, and has written by then."""

    told = "another state|version 2, not 1"

    def put(self, *args: Any, expect: Any = OVERWRITE, **options: Any) -> UUID:
        try:
            return super().put(*args, expect=expect, **options)
        except Conflict as conflict:
            if conflict.kind == "stale":
                self.write(args[:2], args[2], conflict.actual)
            raise


class VersionsGoOn(DictStorage):
    """Counts on over delete and re-create."""

    told = "version 2, not 1"

    def __init__(self, rows: dict[Any, Found[Any]]) -> None:
        super().__init__(rows)
        self.versions: dict[Any, int] = {}

    def write(self, actor: Any, state: Any, etag: Any) -> None:
        super().write(actor, state, etag)
        version = max(self.rows[actor].version, self.versions.get(actor, 0) + 1)
        self.versions[actor] = version
        self.rows[actor] = self.rows[actor]._replace(version=version)


class WritesWhatIsSentAgain(DictStorage):
    """Does not know its own etag again."""

    told = "not an etag|version 2, not 1"

    def is_there_already(self, actor: Any, etag: Any) -> bool:
        return False


class DeletesWithoutAsking(DictStorage):
    """Removes whatever is there."""

    told = "delete gave None|not a Conflict"

    def delete(self, actor_type: Any, actor_id: Any, *, expect: Any = OVERWRITE) -> None:
        super().delete(actor_type, actor_id)


class DeleteOfNothingFails(DictStorage):
    """Takes a delete of nothing for an error."""

    told = "delete gave Conflict"

    def delete(self, actor_type: Any, actor_id: Any, *, expect: Any = OVERWRITE) -> None:
        if expect is OVERWRITE and (actor_type, actor_id) not in self.rows:
            raise Conflict(actor_type, actor_id, "no", kind="gone", expected=expect, actual=None)
        super().delete(actor_type, actor_id, expect=expect)


class ReadsFromAMemory(DictStorage):
    """Keeps what it wrote in a memory of its own, and so misses what other hosts write."""

    told = "another state|another etag|nothing is there"

    def __init__(self, rows: dict[Any, Found[Any]]) -> None:
        super().__init__(rows)
        self.memory: dict[Any, Any] = {}

    def get(self, actor_type: Any, actor_id: Any) -> Any:
        remembered = self.memory.get((actor_type, actor_id))
        return remembered or super().get(actor_type, actor_id)

    def write(self, actor: Any, state: Any, etag: Any) -> None:
        super().write(actor, state, etag)
        self.memory[actor] = self.rows[actor]

    def delete(self, *actor: Any, expect: Any = OVERWRITE) -> None:
        super().delete(*actor, expect=expect)
        self.memory.pop(actor, None)


class LosesItsLastWrite(DictStorage):
    """Acknowledges a write before it is safe from a restart."""

    told = "get gave NOT_PRESENT|another state"

    written: tuple[Any, Any, Any] | None = None

    def write(self, actor: Any, state: Any, etag: Any) -> None:
        before = self.rows.get(actor)
        super().write(actor, state, etag)
        self.written = (actor, before, etag)

    def close(self) -> None:
        if self.written is None:
            return
        actor, before, etag = self.written
        if actor in self.rows and self.rows[actor].etag == etag:
            del self.rows[actor]
            if before is not None:
                self.rows[actor] = before


class TypesShareIds(DictStorage):
    """Forgets the type in the key."""

    told = "nothing is there"

    def get(self, actor_type: Any, actor_id: Any) -> Any:
        for (_, one), row in self.rows.items():
            if one == actor_id:
                return copy.deepcopy(row)
        return NOT_PRESENT


class ListsForTuples(DictStorage):
    """Gives back what JSON makes of a state."""

    told = "another state"

    def write(self, actor: Any, state: Any, etag: Any) -> None:
        if isinstance(state, dict):
            state = state | {"pair": list(state["pair"])}
        super().write(actor, state, etag)


class HandleGoesOn(DictStorage):
    """Its handles overwrite after a conflict."""

    told = "a failed handle went on"

    class handles(Handle):  # noqa: N801
        def expecting(self, method: str, *args: Any) -> Any:
            self.lost = False
            return super().expecting(method, *args)


class HandleReadsEachTime(DictStorage):
    """Its handles expect what is there now, not what they last saw."""

    told = "not a Conflict"

    class handles(Handle):  # noqa: N801
        def expecting(self, method: str, *args: Any) -> Any:
            if not self.lost:
                self.get()
            return super().expecting(method, *args)


class HalfABatch(DictStorage):
    """Leaves what it wrote of a batch that is all or nothing."""

    told = "nothing is there|another state"

    def roll_back(self, before: dict[Any, Found[Any]]) -> None:
        pass


class TellsOneConflict(DictStorage):
    """Ends a batch that is all or nothing at its first conflict."""

    told = "conflicts are not all"

    def put_all(self, puts: list[Put]) -> list[Any]:
        try:
            return super().put_all(puts)
        except BatchConflict as error:
            error.conflicts = error.conflicts[:1]
            raise


class ResultsOutOfOrder(DictStorage):
    """Gives the results of a get_many by actor."""

    told = "get gave|another state|nothing is there"

    def get_many(self, actors: Any) -> list[Any]:
        return super().get_many(sorted(actors))


class PageSkipsOne(DictStorage):
    """Begins a page one behind where it should."""

    told = "list_ids gives"

    def list_ids(self, actor_type: Any, *, after: Any = None, limit: int = 1000) -> list[Any]:
        page = super().list_ids(actor_type, after=after, limit=limit)
        return page[1:] if after in super().list_ids(actor_type) else page


class CountsTheDeleted(DictStorage):
    """Counts all that there ever were."""

    told = "count is off"

    def __init__(self, rows: dict[Any, Found[Any]]) -> None:
        super().__init__(rows)
        self.ever: set[Any] = set()

    def write(self, actor: Any, state: Any, etag: Any) -> None:
        super().write(actor, state, etag)
        self.ever.add(actor)

    def count(self, actor_type: Any) -> int:
        ever = {actor for actor in self.ever | set(self.rows) if actor[0] == actor_type}
        return len(ever)


FAULTS = [fault for fault in DictStorage.__subclasses__() if fault.__module__ == __name__]
