"""What docs/testing.md shows does run, and every test that it names is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from theater_sql.testing import Capability, StorageContract

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs" / "testing.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
NAMED = sorted(set(re.findall(r"`((?:tests/[\w/]+\.py::)?test_\w+)`", TEXT)))
NAMES = ["threads", "coroutines", "provider", "hooks", "proxy", "history"]
LEAST = [120, 80, 35, 100, 11, 1]
"""So many tests run in each example, at the least."""


@pytest.mark.parametrize(("example", "least"), list(zip(EXAMPLES, LEAST, strict=True)), ids=NAMES)
def test_example_passes_and_skips_nothing(
    example: str, least: int, tmp_path: Path, pg_url: str
) -> None:
    (tmp_path / "test_example.py").write_text(example)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    here = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "THEATER_SQL_URL": pg_url,
    }  # this code, whichever is installed
    done = subprocess.run(
        [*command, tmp_path], cwd=tmp_path, env=here, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [summary] = re.findall(r"^(\d+) passed in .*$", done.stdout, re.MULTILINE)
    assert int(summary) >= least, done.stdout


def test_fixture_of_the_first_example_has_ten_lines_at_most() -> None:
    fixture = re.search(r"^@pytest.fixture.*?(?=\n\n\n)", EXAMPLES[0], re.DOTALL | re.MULTILINE)
    assert fixture is not None
    assert len(fixture[0].splitlines()) <= 10


@pytest.mark.parametrize("name", NAMED)
def test_that_is_named_is_there(name: str) -> None:
    path, _, test = name.rpartition("::")
    if path:
        assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(), re.MULTILINE)
    else:
        assert callable(getattr(StorageContract, test, None)) or test in full_contract()


def full_contract() -> set[str]:
    """Return the tests of a storage that has every hook."""

    class Full(StorageContract):
        capabilities = frozenset(Capability)

    return {name for name in dir(Full) if name.startswith("test_") and getattr(Full, name)}


def test_every_capability_is_listed() -> None:
    assert re.findall(r"^\| `([A-Z_]+)` \|", TEXT, re.MULTILINE) == [one.name for one in Capability]
