"""The examples that people copy first do run, in order, as one program each."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def blocks_of(document: str) -> list[str]:
    text = (ROOT / document).read_text()
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run_blocks(document: str, folder: Path) -> str:
    """Run the examples of a page, in order, as one program; return what it prints."""
    return run_program("\n".join(blocks_of(document)), folder)


def run_program(program: str, folder: Path, *options: str) -> str:
    script = folder / "example.py"
    script.write_text(program)
    done = subprocess.run(
        [sys.executable, "-W", "error", *options, script],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},  # what is tested, not what is installed
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_readme_examples_print_what_their_comments_say(tmp_path: Path) -> None:
    printed = run_blocks("README.md", tmp_path)
    assert "19.20" in printed
    assert "('ann', Decimal('19.20'))" in printed


def test_quickstart_examples_run(tmp_path: Path) -> None:
    printed = run_blocks("docs/quickstart.md", tmp_path)
    assert "another write came first; nothing was written" in printed


def test_host_examples_print_what_their_comments_say(tmp_path: Path) -> None:
    assert run_blocks("docs/host.md", tmp_path).split() == ["750", "750", "750"]


@pytest.mark.parametrize(
    "name", ["README.md", "docs/architecture.md", "docs/failover.md", "docs/host.md", "docs/ray.md"]
)
def test_files_that_the_documentation_names_exist(name: str) -> None:
    named = re.findall(
        r"`((?:theater_sql|docs|tests|alembic|tools)/[\w/.]+)`", (ROOT / name).read_text()
    )
    assert named or name == "README.md"
    for path in named:
        assert (ROOT / path).exists(), path
