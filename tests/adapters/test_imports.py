"""A framework is imported by those who use its adapter, and by nobody else."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_nothing_else_imports_a_framework() -> None:
    program = (
        "import sys, theater_sql, theater_sql.adapters, theater_sql.host\n"
        "print([name for name in ('dapr', 'agent_framework') if name in sys.modules])"
    )
    assert run(program).stdout == "[]\n"


@pytest.mark.parametrize(
    ("adapter", "extra"), [("dapr", "dapr"), ("agent_framework", "agent-framework")]
)
def test_a_framework_that_is_missing_is_named_with_what_installs_it(
    adapter: str, extra: str
) -> None:
    done = run(
        f"import sys; sys.modules[{adapter!r}] = None; import theater_sql.adapters.{adapter}"
    )
    assert f"pip install 'theater-sql[{extra}]'" in done.stderr.splitlines()[-1]
