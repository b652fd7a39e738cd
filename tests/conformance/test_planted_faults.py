"""The kit finds nothing in a storage that is right, and every fault that is planted in it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from tests.conformance.planted import CAUGHT_BY, FAULTS
from theater_sql import StorageError
from theater_sql.testing import Capability, ProviderContract, StorageContract, Subject

CONTROL = "test_get_of_nothing_is_not_present"
"""What every faulty storage has to pass: one that fails at everything has no fault of one kind."""
RIGHT = {"RightForThreads": 100, "RightForCoroutines": 100, "RightProvider": 15}
"""The storages that are right, and so many tests they pass at the least."""


class Outcomes:
    """A plugin that remembers which tests passed and which failed, by class.

    A faulty storage takes the test that has to find its fault, and the control.
    """

    def __init__(self) -> None:
        self.passed: dict[str, set[str]] = defaultdict(set)
        self.failed: dict[str, set[str]] = defaultdict(set)
        self.crashed: set[str] = set()
        self.skipped = 0

    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        items[:] = [item for item in items if self.is_wanted(item)]

    def is_wanted(self, item: pytest.Function) -> bool:
        assert item.cls is not None
        name = item.cls.__name__.removeprefix("Test")
        return name not in CAUGHT_BY or item.originalname in (CAUGHT_BY[name], CONTROL)

    def pytest_runtest_makereport(self, item: pytest.Function, call: pytest.CallInfo[None]) -> None:
        told = (AssertionError, pytest.fail.Exception, StorageError)
        if call.excinfo is not None and not issubclass(call.excinfo.type, told):
            self.crashed.add(f"{item.nodeid}: {call.excinfo.exconly()}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        _, of, test = report.nodeid.split("::", 2)
        self.skipped += report.skipped
        if report.when == "call" or report.failed:
            seen = self.failed if report.failed else self.passed
            seen[of.removeprefix("Test")].add(test.partition("[")[0])


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    outcomes = Outcomes()
    planted = str(Path(__file__).with_name("planted.py"))
    pytest.main(
        ["-q", "-p", "no:cacheprovider", "--no-header", "--tb=no", "-rN", planted], [outcomes]
    )
    return outcomes


@pytest.mark.parametrize("storage", RIGHT)
def test_a_storage_that_is_right_passes_every_test(outcomes: Outcomes, storage: str) -> None:
    assert outcomes.failed[storage] == set()
    assert len(outcomes.passed[storage]) >= RIGHT[storage]
    assert outcomes.skipped == 0


def test_every_fault_has_its_test() -> None:
    assert sorted(fault.__name__ for fault in FAULTS) == sorted(CAUGHT_BY)


@pytest.mark.parametrize("fault", CAUGHT_BY)
def test_the_fault_is_found(outcomes: Outcomes, fault: str) -> None:
    assert CAUGHT_BY[fault] in outcomes.failed[fault]
    assert CONTROL in outcomes.passed[fault]


def test_no_fault_is_found_by_a_crash_of_its_own(outcomes: Outcomes) -> None:
    assert [crash for crash in outcomes.crashed if "::TestDeclaresTooMuch" not in crash] == []


def test_what_is_there_has_to_be_declared(outcomes: Outcomes) -> None:
    assert outcomes.failed["DeclaresTooLittle"] == {"test_what_is_not_declared_is_absent"}
    hooks = "test_a_hook_is_declared_and_what_is_declared_has_its_hook"
    assert outcomes.failed["DeclaresNoHook"] == {hooks}


def test_a_capability_that_a_contract_does_not_test_can_not_be_declared() -> None:
    with pytest.raises(TypeError, match="ETAGS is tested by StorageContract only"):
        type("Wrong", (ProviderContract,), {"capabilities": {Capability.ETAGS}})
    with pytest.raises(TypeError, match="subjects are made by Subject"):
        type("Wrong", (ProviderContract,), {"subjects": ("text",)})


def test_what_is_declared_has_to_be_there(outcomes: Outcomes) -> None:
    assert outcomes.failed["DeclaresTooMuch"] >= {
        "test_create_where_nothing_is",
        "test_a_handle_goes_through_the_life_of_an_actor",
        "test_all_types_in_one_call",
        "test_a_batch_is_written_as_a_whole",
        "test_count_follows_creates_and_deletes",
    }
    assert CONTROL in outcomes.passed["DeclaresTooMuch"]


def test_ids_of_every_kind_need_a_subject_that_takes_them() -> None:
    with pytest.raises(TypeError, match="ID_KINDS"):

        class Typed(StorageContract):
            subjects = (Subject("a", int, int),)


def test_tests_that_need_another_type_or_an_untyped_one_are_left_out() -> None:
    class One(StorageContract):
        capabilities = StorageContract.capabilities - {Capability.ID_KINDS}
        subjects = (Subject("a", int, int),)

    class Two(StorageContract):
        capabilities = One.capabilities
        subjects = (*One.subjects, Subject("b", int, int))

    name = "test_types_with_one_id_do_not_mix"
    assert getattr(One, name) is None
    assert callable(getattr(Two, name))
    assert getattr(Two, "test_a_large_state_comes_back_exactly", None) is None
