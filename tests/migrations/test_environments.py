"""The tests every Alembic project should have, for the demo's environment and for a user's."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from tests.migrations import models
from tests.migrations.project import DEMO, config, generate, schema, scratch
from theater_sql.backends import engine_for
from theater_sql.demo.actors import actors as demo_actors
from theater_sql.migrations import upgrade
from theater_sql.migrations.check import differences


def create_all(url: str, *metadatas: sa.MetaData) -> None:
    for metadata in metadatas:
        metadata.create_all(engine_for(url, create=True))


def drop_all(url: str, *metadatas: sa.MetaData) -> None:
    for metadata in metadatas:
        metadata.drop_all(engine_for(url))


def imported(code: str) -> set[str]:
    """Return the top-level packages that a revision imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


class TestTheDemosEnvironment:
    def test_has_one_head(self) -> None:
        assert len(ScriptDirectory(str(DEMO)).get_heads()) == 1

    def test_upgrades_and_goes_down_and_up_again(self, url: str) -> None:
        upgrade(url, DEMO)
        after = schema(url)
        command.downgrade(config(DEMO, url), "base")
        assert set(schema(url)) <= {"options", "columns"}
        upgrade(url, DEMO)
        assert schema(url) == after

    def test_has_tables_equal_to_the_models(self, url: str) -> None:
        upgrade(url, DEMO)
        command.check(config(DEMO, url))
        assert differences(engine_for(url), demo_actors) == []

    def test_makes_what_create_all_makes(self, url: str) -> None:
        create_all(url, demo_actors.metadata)
        created = schema(url)
        drop_all(url, demo_actors.metadata)
        upgrade(url, DEMO)
        assert schema(url) == created

    def test_holds_our_own_tables(self, url: str) -> None:
        upgrade(url, DEMO)
        assert {"theater_actor", "theater_actor_type"} < set(schema(url))

    def test_writes_offline_sql(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        command.upgrade(config(DEMO, url), "head", sql=True)
        assert "CREATE TABLE theater_actor" in capsys.readouterr().out


class TestAUsersProject:
    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        return scratch(tmp_path)

    def test_generates_what_create_all_makes(self, home: Path, url: str) -> None:
        create_all(url, *models.METADATA)
        created = schema(url)
        drop_all(url, *models.METADATA)
        generate(home, url)
        upgrade(url, home)
        assert schema(url) == created

    def test_is_clean_to_check_afterwards(self, home: Path, url: str) -> None:
        generate(home, url)
        upgrade(url, home)
        command.check(config(home, url))
        assert differences(engine_for(url), models.actors) == []

    def test_generates_imports_of_sqlalchemy_and_alembic_only(self, home: Path, url: str) -> None:
        code = generate(home, url)
        assert imported(code) == {"sqlalchemy", "alembic"}
        assert "theater_sql" not in code

    def test_generates_the_same_from_either_database(
        self, tmp_path: Path, sqlite_url: str, pg_url: str
    ) -> None:
        ours, theirs = scratch(tmp_path / "a"), scratch(tmp_path / "b")
        assert generate(ours, sqlite_url) == generate(theirs, pg_url)

    def test_goes_down_and_up_again(self, home: Path, url: str) -> None:
        generate(home, url)
        upgrade(url, home)
        after = schema(url)
        command.downgrade(config(home, url), "base")
        upgrade(url, home)
        assert schema(url) == after
