"""The commands for people without Alembic, in a directory of their own."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.migrations.commands import Project
from tests.migrations.project import DEMO, schema
from theater_sql.backends import engine_for

SECRET = "hunter2-never-shown"
INIT = ("init", "shop.actors:actors")


@pytest.fixture
def project(tmp_path: Path, url: str) -> Project:
    return Project(tmp_path / "project", url)


@pytest.fixture
def alone(tmp_path: Path) -> Project:
    """A project without a database, which therefore is a file in its directory."""
    return Project(tmp_path / "project", None)


def test_from_an_empty_directory_to_tables_and_back(project: Project, url: str) -> None:
    project.init()
    assert "no revision" in project.ok("history")
    assert "Detected added table 'cart'" in project.ok("revision", "-m", "first tables")
    assert "first tables" in project.ok("upgrade")
    assert "nothing to do" in project.ok("upgrade")
    assert "(head)" in project.ok("current")
    assert "<base> -> " in project.ok("history")
    assert project.ok("check") == "the tables are what the actors need\n"
    assert "nothing to do" in project.ok("revision", "-m", "again")
    assert {"cart", "theater_actor", "theater_actor_type"} <= set(schema(url))
    project.ok("downgrade", "base")
    assert "cart" not in schema(url)
    assert "no revision" in project.ok("current")


def test_check_says_what_differs_and_fails(project: Project) -> None:
    project.init()
    project.generate("0001")
    project.ok("upgrade")
    project.fields("note: str | None = None")
    code, output, errors = project.run("check")
    assert (code, errors) == (1, "")
    assert output.startswith("column cart.note is missing: run the migrations")


def test_plain_alembic_works_too(project: Project, url: str) -> None:
    project.init()
    project.process("alembic", "revision", "--autogenerate", "-m", "first")
    project.process("alembic", "upgrade", "head")
    project.process("alembic", "check")
    assert "CREATE TABLE cart" in project.process("alembic", "upgrade", "head", "--sql")
    assert "cart" in schema(url)
    assert "nothing to do" in project.process("theater_sql.cli", "upgrade")


def test_sql_needs_no_database(alone: Project, pg_url: str) -> None:
    alone.url = pg_url
    alone.init()
    alone.generate("0001")
    alone.url = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
    assert "CREATE TABLE cart" in alone.ok("upgrade", "--sql")
    assert "DROP TABLE cart" in alone.ok("downgrade", "0001:base", "--sql")


def test_the_url_is_in_no_file(project: Project, url: str) -> None:
    project.init()
    project.generate("0001")
    for path in project.path.rglob("*.*"):
        assert path.suffix in (".db", ".pyc") or url not in path.read_text(encoding="utf-8")


def test_without_a_url_the_database_is_here(alone: Project) -> None:
    alone.init()
    alone.generate("0001")
    alone.ok("upgrade")
    assert (alone.path / "theater.db").exists()


class TestInit:
    def test_keeps_what_pyproject_says(self, alone: Project) -> None:
        before = '# ours\r\n[project]\r\nname = "shop"  # a comment\r\n[tool.other]\r\na = 1'
        path = alone.path / "pyproject.toml"
        path.write_bytes(before.encode())
        alone.init()
        after = path.read_bytes().decode()
        assert after.startswith(before)
        assert "\n" not in after.replace("\r\n", "")
        tool = tomllib.loads(after)["tool"]
        assert tool["theater-sql"] == {"actors": "shop.actors:actors"}
        assert tool["alembic"]["script_location"] == "%(here)s/alembic"
        assert tool["other"] == {"a": 1}

    def test_makes_no_package_and_a_short_environment(self, alone: Project) -> None:
        alone.init()
        home = alone.path / "alembic"
        assert {path.name for path in home.iterdir()} == {"env.py", "script.py.mako", "versions"}
        assert list((home / "versions").iterdir()) == []
        assert len((home / "env.py").read_text(encoding="utf-8").splitlines()) <= 8
        template = (home / "script.py.mako").read_text(encoding="utf-8")
        assert template == (DEMO / "script.py.mako").read_text(encoding="utf-8")

    def test_finds_a_package_under_src(self, alone: Project) -> None:
        (alone.path / "src").mkdir()
        (alone.path / "shop").rename(alone.path / "src" / "shop")
        alone.init()
        alone.generate("0001")
        alone.ok("upgrade")
        alone.ok("check")

    @pytest.mark.parametrize(
        "text",
        ["[tool.alembic]\n", "[tool.theater-sql]\nactors = 'a:b'\n", "tool = {}\n", "broken [\n"],
    )
    def test_refuses_a_pyproject_that_it_would_disturb(self, alone: Project, text: str) -> None:
        path = alone.path / "pyproject.toml"
        path.write_text(text, encoding="utf-8")
        assert "pyproject.toml" in alone.refused(*INIT)
        assert path.read_text(encoding="utf-8") == text
        assert not (alone.path / "alembic").exists()

    @pytest.mark.parametrize(
        "name", ["alembic.ini", "alembic/env.py", "alembic/script.py.mako", "alembic/__init__.py"]
    )
    def test_overwrites_nothing(self, alone: Project, name: str) -> None:
        path = alone.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("# mine", encoding="utf-8")
        assert f"{name} is there already" in alone.refused(*INIT)
        assert path.read_text(encoding="utf-8") == "# mine"
        assert not (alone.path / "pyproject.toml").exists()

    @pytest.mark.parametrize(
        ("place", "says"),
        [
            ("shop.actors", "write module:attribute"),
            ("shop.actors:actors()", "write module:attribute"),
            ("nowhere:actors", "No module named 'nowhere'"),
            ("shop.actors:nothing", "shop.actors has no nothing"),
            ("shop.actors:Cart", "is a type, not an ActorRegistry"),
        ],
    )
    def test_refuses_what_is_no_registry(self, alone: Project, place: str, says: str) -> None:
        assert says in alone.refused("init", place)
        assert not (alone.path / "alembic").exists()


COMMANDS = [("upgrade",), ("downgrade", "-1"), ("current",), ("check",), ("revision", "-m", "a")]


class TestWhatCantBeDone:
    @pytest.mark.parametrize("command", [*COMMANDS, ("history",)], ids=" ".join)
    def test_no_project(self, alone: Project, command: tuple[str, ...]) -> None:
        assert "there is no pyproject.toml in this directory: run" in alone.refused(*command)
        (alone.path / "pyproject.toml").write_text("[project]\nname = 'shop'\n", encoding="utf-8")
        assert "theater-sql" in alone.refused(*command)

    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    def test_no_server(self, alone: Project, command: tuple[str, ...]) -> None:
        alone.init()
        alone.url = f"postgresql+psycopg://someone:{SECRET}@127.0.0.1:1/nothing"
        said = alone.refused(*command)
        assert "refused" in said
        assert SECRET not in said

    @pytest.mark.parametrize("command", [("downgrade", "-1"), ("current",), ("check",)])
    def test_no_file(self, alone: Project, command: tuple[str, ...]) -> None:
        alone.init()
        assert "there is no file theater.db" in alone.refused(*command)
        assert not (alone.path / "theater.db").exists()

    def test_no_file_of_a_revision(self, alone: Project) -> None:
        alone.init()
        alone.generate("0001")
        alone.ok("upgrade")
        (alone.path / "alembic" / "versions" / "0001_0001.py").unlink()
        assert "0001" in alone.refused("upgrade")

    def test_no_registry(self, alone: Project) -> None:
        alone.init()
        (alone.path / "shop" / "actors.py").write_text("1 / 0", encoding="utf-8")
        assert "ZeroDivisionError" in alone.refused("check")
        assert "ZeroDivisionError" in alone.refused("revision", "-m", "a")

    def test_revision_before_upgrade(self, alone: Project) -> None:
        alone.init()
        alone.generate("0001")
        assert "upgrade first" in alone.refused("revision", "-m", "a")

    def test_a_statement_that_fails(self, project: Project, url: str) -> None:
        project.init()
        project.generate("0001")
        with engine_for(url, create=True).begin() as connection:
            connection.exec_driver_sql("CREATE TABLE cart (a INTEGER)")
        assert "cart" in project.refused("upgrade")
