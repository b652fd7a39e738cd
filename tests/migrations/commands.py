"""A user's project in an empty directory, and the commands that are run in it."""

from __future__ import annotations

import importlib
import io
import os
import runpy
import subprocess
import sys
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.migrations.project import ROOT
from theater_sql import SQLStorage
from theater_sql.cli import main

ACTORS = """\
from __future__ import annotations
import enum
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID, uuid4
import sqlalchemy as sa
from theater_sql import ActorRegistry


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


actors = ActorRegistry({metadata})


@dataclass
class Cart:
    owner: str
{fields}

actors.register("Cart", state=Cart{options})
"""


class Project:
    """A directory with ``shop/actors.py``, whose type ``Cart`` has the fields of one's choice."""

    def __init__(self, path: Path, url: str | None) -> None:
        self.path = path
        self.url = url
        (path / "shop").mkdir(parents=True)
        self.fields()

    def fields(self, *lines: str, options: str = "", metadata: str = "") -> None:
        fields = "".join(f"    {line}\n" for line in lines)
        options = options and f", {options}"
        text = ACTORS.format(fields=fields, options=options, metadata=metadata)
        (self.path / "shop" / "actors.py").write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command in this process, and return its exit code and what it prints."""
        with ExitStack() as stack:
            stack.enter_context(chdir(self.path))
            stack.enter_context(patch.dict(os.environ, self._environment(), clear=True))
            stack.enter_context(patch.object(sys, "path", list(sys.path)))
            # Two files written within a second would have the same cached bytecode.
            stack.enter_context(patch.object(sys, "dont_write_bytecode", True))
            stack.callback(_forget_shop)
            output = stack.enter_context(redirect_stdout(io.StringIO()))
            errors = stack.enter_context(redirect_stderr(io.StringIO()))
            importlib.invalidate_caches()
            code = main(arguments)
        return code, output.getvalue(), errors.getvalue()

    def ok(self, *arguments: str) -> str:
        code, output, errors = self.run(*arguments)
        assert (code, errors) == (0, ""), output + errors
        return output

    def refused(self, *arguments: str) -> str:
        """Run a command that must fail with one line, and return that line."""
        code, output, errors = self.run(*arguments)
        assert code == 1, output + errors
        assert errors.count("\n") == 1, errors
        assert errors.startswith(f"theater-sql {arguments[0]}: ")
        return errors

    def process(self, *command: str) -> str:
        """Run a module of Python, as a user does, and return what it prints."""
        here = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", *command],
            cwd=self.path,
            env=self._environment() | here,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _environment(self) -> dict[str, str]:
        url = {} if self.url is None else {"THEATER_SQL_URL": self.url}
        return {k: v for k, v in os.environ.items() if k != "THEATER_SQL_URL"} | url

    def shop(self) -> dict[str, Any]:
        """Return what ``shop/actors.py`` defines."""
        return runpy.run_path(str(self.path / "shop" / "actors.py"))

    def put(self, actor_id: str, **values: Any) -> None:
        shop = self.shop()
        with SQLStorage(str(self.url), shop["actors"]) as storage:
            storage.put("Cart", actor_id, shop["Cart"](**values))

    def get(self, actor_id: str) -> dict[str, Any]:
        with SQLStorage(str(self.url), self.shop()["actors"]) as storage:
            found = storage.get("Cart", actor_id)
            assert found
            return dict(vars(found.state))

    def migrate(self, name: str) -> str:
        """Write the revision of this name, run it, and return its text."""
        code = self.generate(name)
        self.ok("upgrade")
        assert self.ok("check") == "the tables are what the actors need\n"
        assert "nothing to do" in self.ok("revision", "-m", "again")
        return code

    def init(self) -> None:
        self.ok("init", "shop.actors:actors")

    def generate(self, name: str) -> str:
        """Write the revision of this name, and return its text."""
        self.ok("revision", "-m", name, "--rev-id", name)
        [path] = (self.path / "alembic" / "versions").glob(f"{name}_*.py")
        return path.read_text(encoding="utf-8")


def _forget_shop() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]
