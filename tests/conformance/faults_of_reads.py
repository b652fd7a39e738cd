"""Faults of reading, each as somebody might make it; the kit has to find them all."""

from __future__ import annotations

import copy
from typing import Any

from tests.machine.dicts import DictStorage
from theater_sql import (
    NOT_PRESENT,
    CorruptState,
    StateTooNew,
)


class TakesUndecodableForNothing(DictStorage):
    """Reads a row that it can't decode as none."""

    def get(self, actor_type: Any, actor_id: Any) -> Any:
        try:
            return super().get(actor_type, actor_id)
        except CorruptState:
            return NOT_PRESENT


class OverwritesUndecodable(DictStorage):
    """Reports a row that it can't decode, and yet writes over it."""

    def put(self, *args: Any, **options: Any) -> Any:
        return super().put(*args, **options | {"overwrite_corrupt": True})


class AnUndecodableRowSpoilsTheRead(DictStorage):
    """Fails a whole get_many for one row."""

    def get_many(self, actors: Any) -> list[Any]:
        return [self.get(*actor) for actor in actors]


class IdsAreText(DictStorage):
    """Takes 1 and "1" for one actor."""

    def get(self, actor_type: Any, actor_id: Any) -> Any:
        return super().get(actor_type, str(actor_id))

    def put(self, actor_type: Any, actor_id: Any, state: Any, **options: Any) -> Any:
        return super().put(actor_type, str(actor_id), state, **options)


class IdsAreCaseless(DictStorage):
    """Compares ids as a database does that means well."""

    def get(self, actor_type: Any, actor_id: Any) -> Any:
        return super().get(actor_type, self.folded(actor_id))

    def put(self, actor_type: Any, actor_id: Any, state: Any, **options: Any) -> Any:
        return super().put(actor_type, self.folded(actor_id), state, **options)

    def folded(self, actor_id: Any) -> Any:
        return actor_id.casefold().rstrip(" ") if isinstance(actor_id, str) else actor_id


class SharesItsStates(DictStorage):
    """Keeps the very object that it was given, and gives it out."""

    def get(self, actor_type: Any, actor_id: Any) -> Any:
        found = self.rows.get((actor_type, actor_id), NOT_PRESENT)
        return super().get(actor_type, actor_id) and found

    def write(self, actor: Any, state: Any, etag: Any) -> None:
        super().write(actor, copy.copy(state), etag)
        self.rows[actor] = self.rows[actor]._replace(state=state)


class DropsAnItem(DictStorage):
    """Leaves what is not there out of get_many."""

    def get_many(self, actors: Any) -> list[Any]:
        return [found for found in super().get_many(actors) if found is not NOT_PRESENT]


class PageRepeatsOne(DictStorage):
    """Begins a page with the last id of the one before."""

    def list_ids(self, actor_type: Any, *, after: Any = None, limit: int = 1000) -> list[Any]:
        ids = super().list_ids(actor_type, limit=10**9)
        return [one for one in ids if after is None or repr(one) >= repr(after)][:limit]


class CutsLongStates(DictStorage):
    """Keeps as much of a text as fits its column."""

    def write(self, actor: Any, state: Any, etag: Any) -> None:
        if isinstance(state, dict) and "text" in state:
            state = state | {"text": state["text"][:65_535]}
        super().write(actor, state, etag)


class GivesTwinsOnce(DictStorage):
    """Reads many by a dict."""

    def get_many(self, actors: Any) -> list[Any]:
        return super().get_many(dict.fromkeys(actors))


class PagesByOffset(DictStorage):
    """Goes on behind the position of the last id, and from the start if that is gone."""

    def list_ids(self, actor_type: Any, *, after: Any = None, limit: int = 1000) -> list[Any]:
        ids = super().list_ids(actor_type, limit=10**9)
        start = ids.index(after) + 1 if after in ids else 0
        return ids[start : start + limit]


class ListsText(DictStorage):
    """Gives every id as text."""

    def list_ids(self, actor_type: Any, *, after: Any = None, limit: int = 1000) -> list[Any]:
        ids = sorted({str(one) for of, one in self.rows if of == actor_type})
        return [one for one in ids if after is None or one > after][:limit]


class OverwritesWhatIsNewer(DictStorage):
    """Takes a row of newer code for one that can't be decoded."""

    def check_readable(self, actor: Any, overwrite_corrupt: bool) -> None:
        if not overwrite_corrupt:
            super().check_readable(actor, overwrite_corrupt)


class ReadsWhatIsNewer(DictStorage):
    """Reads a row of newer code as well as it can."""

    def get(self, actor_type: Any, actor_id: Any) -> Any:
        try:
            return super().get(actor_type, actor_id)
        except StateTooNew:
            return self.rows[actor_type, actor_id]


FAULTS = [fault for fault in DictStorage.__subclasses__() if fault.__module__ == __name__]
