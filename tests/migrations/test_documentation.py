"""What docs/migrations.md shows is what happens: its files are written, its commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa

from tests.migrations.commands import Project
from tests.migrations.project import ROOT
from theater_sql import ABSENT, ActorRegistry, NotPermitted, Put, SQLStorage
from theater_sql.backends import engine_for

TEXT: Final = (ROOT / "docs" / "migrations.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```(python|console)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
[GRANTS] = re.findall(r"^```sql\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


@dataclass
class New:
    text: str


@pytest.fixture
def commands(tmp_path: Path) -> dict[str, str]:
    """An environment whose commands are those of this tree."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, module in (("theater-sql", "-m theater_sql.cli"), ("python", "")):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    here = {name: value for name, value in os.environ.items() if name != "THEATER_SQL_URL"}
    path = f"{folder}{os.pathsep}{here['PATH']}"
    return here | {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def test_commands_print_what_they_are_said_to(tmp_path: Path, commands: dict[str, str]) -> None:
    home = tmp_path / "project"
    home.mkdir()
    known: dict[str, str] = {}  # the documentation's revisions, and what they are called here
    for kind, block in BLOCKS:
        if kind == "python":
            name = block.partition("\n")[0].removeprefix("# ")
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).write_text(block, encoding="utf-8")
            continue
        for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            done = subprocess.run(
                here(command, known),
                shell=True,
                cwd=home,
                env=commands,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            learn(known, expected, done.stdout)
            assert done.stdout == here(expected, known), command


def learn(known: dict[str, str], theirs: str, ours: str) -> None:
    """Pair the revisions of two texts."""
    pairs = zip(
        *(re.findall(r"(?<![0-9a-f])[0-9a-f]{12}(?![0-9a-f])", text) for text in (theirs, ours)),
        strict=True,
    )
    for theirs, ours in pairs:
        known.setdefault(theirs, ours)


def here(text: str, known: dict[str, str]) -> str:
    for theirs, ours in known.items():
        text = text.replace(theirs, ours)
    return text


def test_two_roles(tmp_path: Path, pg_url: str) -> None:
    admin = sa.make_url(pg_url)
    names = {f"shop_{kind}": f"{kind}_{admin.database}" for kind in ("migrates", "runs")}
    execute(pg_url, here(GRANTS, names))
    try:
        migrates = admin.set(username=names["shop_migrates"], password="one")
        runs = admin.set(username=names["shop_runs"], password="another")
        project = Project(tmp_path / "project", migrates.render_as_string(hide_password=False))
        project.init()
        project.migrate("0001")
        project.fields("number: int = 3", options="table='later'")
        project.migrate("0002")
        project.url = runs.render_as_string(hide_password=False)
        project.put("ann", owner="ann")
        assert project.get("ann")["number"] == 3
        do_everything(project.url, project.shop()["actors"])
        assert project.ok("check") == "the tables are what the actors need\n"
        project.fields("number: int = 3", "more: int = 4", options="table='later'")
        project.generate("0003")
        assert "0002" in project.ok("current")
        assert "the role lacks a privilege; nothing was written" in project.refused("upgrade")
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied for schema public"):
            execute(project.url, "CREATE TABLE mine (a INTEGER)")
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied for table"):
            execute(project.url, "TRUNCATE theater_actor")
    finally:
        for name in names.values():
            execute(pg_url, f"DROP OWNED BY {name}")
            execute(pg_url, f"DROP ROLE {name}")


def do_everything(url: str, actors: ActorRegistry) -> None:
    """Make every call of a storage."""
    with SQLStorage(url, actors) as storage:
        storage.create_all()  # finds nothing to create
        etag = storage.put("Any", "a", {"n": 1}, expect=ABSENT)
        etag = storage.put("Any", "a", {"n": 2}, expect=etag)
        assert storage.get("Any", "a").etag == etag
        puts = [Put("Any", name, {"n": 3}) for name in ("b", "c")]
        storage.put_many(puts).raise_errors()
        storage.put_many(puts, atomic=True)
        assert len(storage.get_many([("Any", "b"), ("Cart", "ann")])) == 2
        assert storage.count("Any") == len(storage.list_ids("Any")) == 3
        handle = storage.handle("Any", "d")
        handle.put({"n": 4})
        handle.delete()
        with engine_for(url).begin() as connection, storage.in_transaction(connection) as tx:
            tx.lock([("Any", "a"), ("Cart", "ann")])
            tx.put("Any", "a", {"n": 5})
            tx.delete("Any", "b")
        storage.delete_many([("Any", "a"), ("Any", "c")]).raise_errors()
        storage.delete("Cart", "ann")
        assert storage.count("Any") == 0
    new = ActorRegistry()
    new.register("New", state=New)
    with SQLStorage(url, new) as storage, pytest.raises(NotPermitted):
        storage.create_all()


def execute(url: str, statement: str) -> None:
    with engine_for(url).begin() as connection:
        connection.exec_driver_sql(statement)
