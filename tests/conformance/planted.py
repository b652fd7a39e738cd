"""Storages with a fault each, and the kit's contract for every one: run by test_planted_faults.

The name does not begin with test_, so that pytest runs it only where it is asked to.
"""

from __future__ import annotations

import copy
import time
from typing import Any, ClassVar

import pytest

from tests.machine.dicts import UNDECODABLE, DictStorage
from tests.machine.faults import FAULTS
from theater_sql import ABSENT, NOT_PRESENT, CorruptState
from theater_sql.testing import UNTYPED, Capability, Door, StorageContract, Subject


class ChecksThenInserts(DictStorage):
    """Looks first, and writes afterwards."""

    def put(self, actor_type: Any, actor_id: Any, state: Any, **options: Any) -> Any:
        if options.get("expect") is not ABSENT:
            return super().put(actor_type, actor_id, state, **options)
        self.check((actor_type, actor_id), ABSENT)
        time.sleep(0.001)
        return super().put(actor_type, actor_id, state, etag=options.get("etag"))


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


CAUGHT_BY: dict[type[DictStorage], str] = {
    ChecksThenInserts: "test_of_racing_creators_one_wins_and_the_others_are_told",
    TakesUndecodableForNothing: "test_a_row_that_cant_be_decoded_is_an_error_and_stays",
    OverwritesUndecodable: "test_a_row_that_cant_be_decoded_is_an_error_and_stays",
    AnUndecodableRowSpoilsTheRead: "test_a_row_that_cant_be_decoded_fails_alone_among_many",
    IdsAreText: "test_ids_of_every_kind_are_different_actors",
    IdsAreCaseless: "test_ids_that_look_alike_are_different_actors",
    SharesItsStates: "test_a_state_is_not_shared_with_the_caller",
    DropsAnItem: "test_each_item_has_its_own_result_in_order",
    PageRepeatsOne: "test_pages_have_each_id_once_and_in_order",
    CutsLongStates: "test_a_large_state_comes_back_exactly",
}
FROM_THE_MACHINE: dict[str, str] = {
    "LastWriteWins": "test_a_stale_etag_is_refused",
    "CreatesTwice": "test_create_where_something_is_is_refused",
    "InsertsWhatIsGone": "test_an_etag_where_nothing_is_is_refused_and_creates_nothing",
    "EtagIsTheVersion": ("test_after_a_new_creation_the_version_restarts_and_every_old_etag_fails"),
    "EtagIsOfTheState": "test_the_same_state_again_has_a_new_etag_and_the_next_version",
    "SkipsWhatIsTheSame": "test_the_same_state_again_has_a_new_etag_and_the_next_version",
    "WritesAndThenComplains": "test_a_stale_etag_is_refused",
    "VersionsGoOn": "test_after_a_new_creation_the_version_restarts_and_every_old_etag_fails",
    "WritesWhatIsSentAgain": "test_an_etag_of_the_callers_makes_a_repeated_put_harmless",
    "DeletesWithoutAsking": "test_a_stale_etag_is_refused",
    "DeleteOfNothingFails": "test_delete_of_nothing_is_a_success",
    "ReadsFromAMemory": (
        "test_another_storage_of_the_database_sees_what_is_stored_and_what_is_deleted"
    ),
    "LosesItsLastWrite": (
        "test_another_storage_of_the_database_sees_what_is_stored_and_what_is_deleted"
    ),
    "TypesShareIds": "test_types_with_one_id_do_not_mix",
    "ListsForTuples": "test_put_then_get_gives_the_state_back",
    "HandleGoesOn": "test_a_handle_never_overwrites_what_it_has_not_seen",
    "HandleReadsEachTime": "test_a_handle_never_overwrites_what_it_has_not_seen",
    "HalfABatch": "test_a_batch_with_conflicts_writes_nothing_and_tells_them_all",
    "TellsOneConflict": "test_a_batch_with_conflicts_writes_nothing_and_tells_them_all",
    "ResultsOutOfOrder": "test_each_item_has_its_own_result_in_order",
    "PageSkipsOne": "test_pages_have_each_id_once_and_in_order",
    "CountsTheDeleted": "test_count_follows_creates_and_deletes",
}
CAUGHT_BY |= {fault: FROM_THE_MACHINE[fault.__name__] for fault in FAULTS}

TUPLES = Subject(
    "testing.Tuples",
    lambda number: {"number": number, "pair": (number, number)},
    lambda state: int(state["number"]) if type(state["pair"]) is tuple else -1,
)


class Planted(StorageContract, is_part=True):
    capabilities = StorageContract.capabilities | {Capability.REOPEN, Capability.UNDECODABLE}
    subjects = (UNTYPED, TUPLES)
    make: ClassVar[type[DictStorage]]

    @pytest.fixture
    def storage(self) -> DictStorage:
        return self.make({})

    def reopen(self, door: Door) -> DictStorage:
        return self.make(door.raw.rows)

    def make_undecodable(self, door: Door, subject: Subject, actor_id: str) -> None:
        rows = door.raw.rows
        row = rows[subject.actor_type, actor_id]
        rows[subject.actor_type, actor_id] = row._replace(state=UNDECODABLE)


storages: list[type[DictStorage]] = [DictStorage, *CAUGHT_BY]
for storage_class in storages:
    globals()[f"Test{storage_class.__name__}"] = type(
        f"Test{storage_class.__name__}", (Planted,), {"make": storage_class}
    )
