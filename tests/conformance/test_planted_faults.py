"""The kit finds nothing in a storage that is right, and every fault that is planted in it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.planted import CAUGHT_BY

HARMLESS = "test_get_of_nothing_is_not_present"


class Outcomes:
    """Which tests passed and which failed, by class."""

    def __init__(self, printed: str) -> None:
        self.passed: dict[str, set[str]] = defaultdict(set)
        self.failed: dict[str, set[str]] = defaultdict(set)
        for verdict, of, test in re.findall(r"^(\w+) .*::Test(\w+)::(\w+)", printed, re.MULTILINE):
            (self.passed if verdict == "PASSED" else self.failed)[of].add(test)


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    """Run the whole kit on the storage that is right, and of each fault what has to find it."""
    planted = Path(__file__).with_name("planted.py")
    chosen = [f"{planted}::TestDictStorage"]
    for fault, test in CAUGHT_BY.items():
        chosen += [f"{planted}::Test{fault.__name__}::{name}" for name in (test, HARMLESS)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", "-rA"]
    done = subprocess.run(
        [*command, *chosen],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    return Outcomes(done.stdout)


def test_a_storage_that_is_right_passes_every_test(outcomes: Outcomes) -> None:
    assert outcomes.failed["DictStorage"] == set()
    assert len(outcomes.passed["DictStorage"]) > 40


@pytest.mark.parametrize("fault", CAUGHT_BY, ids=lambda fault: fault.__name__)
def test_the_fault_is_found(outcomes: Outcomes, fault: Any) -> None:
    assert outcomes.failed[fault.__name__] == {CAUGHT_BY[fault]}
    assert HARMLESS in outcomes.passed[fault.__name__]  # it is a storage, and has one fault
