"""The kit's contract for a storage that is right and for every faulty one, run by its own test.

The name does not begin with test_, so that pytest runs it only where it is asked to.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from tests.conformance import faults_of_reads, faults_of_writes
from tests.machine import faults as faults_of_the_machine
from tests.machine.dicts import TOO_NEW, UNDECODABLE, DictStorage
from theater_sql import NOT_PRESENT, Etag, Found
from theater_sql.testing import (
    UNTYPED,
    Capability,
    Door,
    ProviderContract,
    StorageContract,
    Subject,
)

SEEN = "test_another_storage_of_the_database_sees_what_is_stored_and_what_is_deleted"
CAUGHT_BY: dict[str, str] = {
    "ChecksThenInserts": "test_of_racing_creators_one_wins_and_the_others_are_told",
    "TakesUndecodableForNothing": "test_a_row_that_cant_be_decoded_is_an_error_and_stays",
    "OverwritesUndecodable": "test_a_row_that_cant_be_decoded_is_an_error_and_stays",
    "AnUndecodableRowSpoilsTheRead": "test_a_row_that_cant_be_decoded_fails_alone_among_many",
    "IdsAreText": "test_ids_of_every_kind_are_different_actors",
    "IdsAreCaseless": "test_ids_that_look_alike_are_different_actors",
    "SharesItsStates": "test_a_state_is_not_shared_with_the_caller",
    "DropsAnItem": "test_each_item_has_its_own_result_in_order",
    "PageRepeatsOne": "test_pages_have_each_id_once_and_in_order",
    "CutsLongStates": "test_a_large_state_comes_back_exactly",
    "BatchesInterleave": "test_of_racing_batches_one_wins_as_a_whole",
    "OverwriteTriesOnce": "test_racing_overwrites_all_succeed_and_each_counts",
    "StateBeforeEtag": "test_a_read_among_writes_gives_one_of_them_whole",
    "DeletesWithoutALock": "test_of_racing_deletes_one_wins_and_the_others_are_told",
    "DeletesByPattern": "test_a_delete_leaves_every_other_actor",
    "RepeatBringsBack": "test_a_repeated_put_does_not_bring_back_what_was_deleted",
    "NoneIsOverwrite": "test_what_is_no_etag_is_refused_and_nothing_is_written",
    "TakesAnyState": "test_a_state_that_cant_be_stored_is_refused_and_what_is_stored_stays",
    "TakesAnyId": "test_what_is_no_id_is_refused_by_every_call",
    "GoesOnWhenClosed": "test_a_closed_storage_refuses_every_call",
    "ClockGoesBack": "test_the_time_of_a_write_never_goes_back",
    "HandleTakesTwoAtOnce": "test_calls_at_once_on_one_handle_follow_each_other",
    "HandleForgetsOtherErrors": "test_after_any_error_a_handle_goes_on_after_a_get_only",
    "GivesTwinsOnce": "test_an_actor_that_is_asked_for_twice_is_given_twice",
    "FailsForOneItem": "test_what_is_wrong_with_an_item_is_its_own_result",
    "PagesByOffset": "test_a_list_goes_on_after_an_id_that_is_not_there",
    "OverwritesWhatIsNewer": "test_a_row_of_newer_code_is_neither_read_nor_overwritten",
    "ReadsWhatIsNewer": "test_a_row_of_newer_code_is_neither_read_nor_overwritten",
    "WritesOutsideTheTransaction": "test_the_callers_rollback_undoes_all_and_voids_the_etags",
    "TransactionNeverCommits": "test_the_callers_commit_commits",
    "ConflictAfterAWriteInside": "test_the_transaction_goes_on_after_a_conflict",
    "ListsText": "test_ids_of_every_kind_are_listed_as_they_were_given",
    "LastWriteWins": "test_a_stale_etag_is_refused",
    "CreatesTwice": "test_create_where_something_is_is_refused",
    "InsertsWhatIsGone": "test_an_etag_where_nothing_is_is_refused_and_creates_nothing",
    "EtagIsTheVersion": "test_after_a_new_creation_the_version_restarts_and_every_old_etag_fails",
    "EtagIsOfTheState": "test_the_same_state_again_has_a_new_etag_and_the_next_version",
    "SkipsWhatIsTheSame": "test_the_same_state_again_has_a_new_etag_and_the_next_version",
    "WritesAndThenComplains": "test_a_stale_etag_is_refused",
    "VersionsGoOn": "test_after_a_new_creation_the_version_restarts_and_every_old_etag_fails",
    "WritesWhatIsSentAgain": "test_an_etag_of_the_callers_makes_a_repeated_put_harmless",
    "DeletesWithoutAsking": "test_a_stale_etag_is_refused",
    "DeleteOfNothingFails": "test_delete_of_nothing_is_a_success",
    "ReadsFromAMemory": SEEN,
    "LosesItsLastWrite": SEEN,
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
"""The name of each fault, and a test that has to find it."""

TUPLES = Subject(
    "testing.Tuples",
    lambda number: {"number": number, "pair": (number, number)},
    lambda state: int(state["number"]) if type(state["pair"]) is tuple else -1,
)


class Planted(StorageContract, is_part=True):
    capabilities = frozenset(Capability)
    subjects = (UNTYPED, TUPLES)
    make: ClassVar[Any] = DictStorage

    @pytest.fixture
    def storage(self) -> Any:
        return self.make({})

    def reopen(self, door: Door) -> Any:
        return self.make(door.raw.rows)

    def make_undecodable(self, door: Door, subject: Subject, actor_id: str) -> None:
        self.change(door, subject, actor_id, UNDECODABLE)

    def make_too_new(self, door: Door, subject: Subject, actor_id: str) -> None:
        self.change(door, subject, actor_id, TOO_NEW)

    def change(self, door: Door, subject: Subject, actor_id: str, state: str) -> None:
        rows = door.raw.rows
        row = rows[subject.actor_type, actor_id]
        rows[subject.actor_type, actor_id] = row._replace(state=state)

    @contextmanager
    def transaction(self, door: Door) -> Iterator[Any]:
        tx = door.raw.in_transaction()
        yield tx
        tx.commit()


FAULTS = (*faults_of_reads.FAULTS, *faults_of_writes.FAULTS, *faults_of_the_machine.FAULTS)
for fault in FAULTS:
    globals()[f"Test{fault.__name__}"] = type(f"Test{fault.__name__}", (Planted,), {"make": fault})


class TestRightForThreads(Planted):
    pass


class AwaitedDict:
    """A storage for coroutines that works on one event loop only, as a pool of connections does."""

    def __init__(self, rows: dict[Any, Any]) -> None:
        self.rows, self.inner = rows, DictStorage(rows)
        self.loop: Any = None

    def handle(self, *actor: Any) -> Any:
        return AwaitedHandle(self, self.inner.handle(*actor))

    def in_transaction(self) -> Any:
        return self.inner.in_transaction()

    async def turn(self) -> None:
        loop = asyncio.get_running_loop()
        self.loop = self.loop or loop
        assert self.loop is loop, "a second event loop"
        await asyncio.sleep(0)


class AwaitedHandle:
    def __init__(self, storage: AwaitedDict, inner: Any) -> None:
        self.storage, self.inner = storage, inner

    async def turn(self) -> None:
        await self.storage.turn()


def awaited(method: str) -> Any:
    async def call(self: Any, *args: Any, **options: Any) -> Any:
        await self.turn()
        return getattr(self.inner, method)(*args, **options)

    return call


for method in ("get", "put", "delete"):
    setattr(AwaitedHandle, method, awaited(method))
    setattr(AwaitedDict, method, awaited(method))
for method in ("get_many", "put_many", "delete_many", "list_ids", "count", "close"):
    setattr(AwaitedDict, method, awaited(method))


class TestRightForCoroutines(Planted):
    make = AwaitedDict

    @pytest.fixture(scope="class")
    @classmethod
    def storage(cls) -> Any:
        return Door(cls.opened())

    @classmethod
    async def opened(cls) -> Any:
        return cls.make({})


# --- what is declared, and what is there --------------------------------------------------


class ThreeCallbacks:
    """What a provider is at the least: text in a dict, and no etags."""

    def __init__(self) -> None:
        self.texts: dict[Any, str] = {}

    def get(self, actor_type: Any, actor_id: Any) -> Any:
        if (actor_type, actor_id) not in self.texts:
            return NOT_PRESENT
        state = json.loads(self.texts[actor_type, actor_id])
        return Found(state, Etag(uuid4()), 1, datetime.now(UTC))

    def put(self, actor_type: Any, actor_id: Any, state: Any) -> None:
        self.texts[actor_type, actor_id] = json.dumps(state)

    def delete(self, actor_type: Any, actor_id: Any) -> None:
        self.texts.pop((actor_type, actor_id), None)


class TestRightProvider(ProviderContract):
    capabilities = frozenset({Capability.ID_KINDS})

    @pytest.fixture
    def storage(self) -> ThreeCallbacks:
        return ThreeCallbacks()


class TestDeclaresTooLittle(ProviderContract):
    @pytest.fixture
    def storage(self) -> DictStorage:
        return DictStorage({})


class TestDeclaresTooMuch(StorageContract):
    @pytest.fixture
    def storage(self) -> ThreeCallbacks:
        return ThreeCallbacks()


class TestDeclaresNoHook(TestRightProvider):
    def reopen(self, door: Door) -> Any:
        return door.raw
