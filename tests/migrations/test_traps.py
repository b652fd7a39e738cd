"""Traps that were measured: each of them broke somebody's Alembic."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from typing import Any

import pytest

from tests.migrations.project import DEMO, ROOT


def python(code: str) -> str:
    """Run code in a process of its own, in the project's root, and return what it prints."""
    return subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip()


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def test_the_folder_alembic_is_no_package() -> None:
    assert not (DEMO / "__init__.py").exists()
    assert not (DEMO / "versions" / "__init__.py").exists()


def test_the_library_is_found_from_the_root_of_the_project() -> None:
    found = python("import sys; sys.path.insert(0, ''); import alembic; print(alembic.__file__)")
    assert "site-packages" in found


def test_the_command_runs_from_the_root_of_the_project() -> None:
    command = [sys.executable, "-m", "alembic", "heads"]
    assert "(head)" in subprocess.check_output(command, cwd=ROOT, text=True)


def test_no_plugin_is_published(project: dict[str, Any]) -> None:
    assert "alembic.plugins" not in project["project"].get("entry-points", {})


def test_ruff_takes_alembic_for_a_library(project: dict[str, Any]) -> None:
    assert "alembic" in project["tool"]["ruff"]["lint"]["isort"]["known-third-party"]


def test_the_wheel_holds_the_environment(project: dict[str, Any]) -> None:
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included["alembic"] == "theater_sql/_alembic"


def test_importing_theater_sql_imports_no_alembic() -> None:
    code = "import sys, theater_sql, theater_sql.host; print('alembic' in sys.modules)"
    assert python(code) == "False"
