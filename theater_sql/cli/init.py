"""``theater-sql init``: an Alembic environment in the current directory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from theater_sql.cli.project import PYPROJECT, SECTION, parsed, registry
from theater_sql.errors import ConfigurationError

_HOME: Final = Path("alembic")
_ENV: Final = '''"""Alembic's environment. The database is the one that THEATER_SQL_URL names."""

from {module} import {attribute}

from theater_sql.migrations import run

run({attribute})
'''
_TEMPLATE: Final = '''"""${message}"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
'''
_SECTIONS: Final = """\
[tool.alembic]
script_location = "%(here)s/alembic"
prepend_sys_path = [{paths}]

[tool.{section}]
actors = "{place}"
"""


def init(place: str) -> int:
    """Make an environment for the registry at ``module:attribute``; overwrite nothing."""
    paths = [".", "src"] if Path("src").is_dir() else ["."]
    sys.path[:0] = paths
    registry(place)
    text = _pyproject(place, paths)
    module, _, attribute = place.partition(":")
    files = {
        _HOME / "env.py": _ENV.format(module=module, attribute=attribute),
        _HOME / "script.py.mako": _TEMPLATE,
    }
    for path in (Path("alembic.ini"), _HOME / "__init__.py", *files):
        if path.exists():
            raise ConfigurationError(f"{path} is there already: {_reason(path)}")
    (_HOME / "versions").mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        path.write_text(content, encoding="utf-8")
    with PYPROJECT.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
    _print_what_is_next()
    return 0


def _pyproject(place: str, paths: list[str]) -> str:
    """Return the text of pyproject.toml with our sections at its end."""
    before = ""
    if PYPROJECT.exists():
        with PYPROJECT.open(encoding="utf-8", newline="") as file:  # keeps its ends of lines
            before = file.read()
    tool = parsed(before).get("tool", {})
    for section in ("alembic", SECTION):
        if section in tool:
            raise ConfigurationError(f"{PYPROJECT} has a [tool.{section}] already")
    here = ", ".join('"%(here)s"' if path == "." else f'"%(here)s/{path}"' for path in paths)
    added = _SECTIONS.format(section=SECTION, place=place, paths=here)
    if before:
        added = "\n" * (1 if before.endswith("\n") else 2) + added
    after = before + (added.replace("\n", "\r\n") if "\r\n" in before else added)
    parsed(after)  # a tool = {...} takes no more tables
    return after


def _reason(path: Path) -> str:
    if path.name == "__init__.py":
        return "it makes the directory a package that hides the library Alembic"
    return "call theater_sql.migrations.run or configure in the env.py of your own environment"


def _print_what_is_next() -> None:
    print(f"wrote {_HOME}/env.py, {_HOME}/script.py.mako and two sections of {PYPROJECT}")
    print('next: theater-sql revision -m "first tables", then theater-sql upgrade')
