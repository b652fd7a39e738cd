"""``configure``: hooks are added to those of the user, and strangers' tables are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from tests.migrations.project import config, generate, schema, scratch
from theater_sql.backends import engine_for
from theater_sql.migrations import upgrade

FOREIGN = ["CREATE TABLE foreign_one (a INTEGER)", "CREATE INDEX foreign_index ON foreign_one (a)"]


def execute(url: str, *statements: str) -> None:
    with engine_for(url, create=True).begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_leaves_tables_of_others_alone(url: str, tmp_path: Path) -> None:
    execute(url, *FOREIGN)
    before = schema(url)["foreign_one"]
    home = scratch(tmp_path)
    assert "foreign" not in generate(home, url)
    upgrade(url, home)
    assert schema(url)["foreign_one"] == before
    assert "foreign" not in generate(home, url, "0002")


def test_leaves_a_table_alone_whose_model_is_gone(url: str, tmp_path: Path) -> None:
    home = scratch(tmp_path)
    generate(home, url)
    upgrade(url, home)
    env = (home / "env.py").read_text(encoding="utf-8")
    env = env.replace("target_metadata=METADATA", "target_metadata=METADATA[1]")
    (home / "env.py").write_text(env, encoding="utf-8")
    assert "drop_table" not in generate(home, url, "0002")


def test_asks_the_users_hooks_first(url: str, tmp_path: Path) -> None:
    options = """{
        "render_item": lambda _, item, __: isinstance(item, UTCDateTime) and "sa.Text()",
        "include_object": lambda item, name, kind, *_: name != "pair",
        "include_name": lambda name, kind, _: name != "shelf",
    }"""
    imports = (
        "from tests.migrations.models import METADATA\nfrom theater_sql.types import UTCDateTime"
    )
    home = scratch(tmp_path, options=options, imports=imports)
    code = generate(home, url)
    assert "DateTime" not in code
    assert "'pair'" not in code
    assert "sa.Numeric().with_variant(sa.Text(), 'sqlite')" in code
    upgrade(url, home)
    # The user's filter hides the table from autogenerate, so it is proposed again.
    assert "create_table('shelf'" in generate(home, url, "0002")


def test_changes_of_a_state_run_on_both_databases(
    url: str, sqlite_url: str, pg_url: str, tmp_path: Path
) -> None:
    imports = "from tests.migrations.models import After, Before, changed"
    home = scratch(tmp_path, metadata="changed(Before)", imports=imports)
    generate(home, url, "0001")
    upgrade(url, home)
    env = (home / "env.py").read_text(encoding="utf-8")
    env = env.replace("changed(Before)", "changed(After)")
    (home / "env.py").write_text(env, encoding="utf-8")
    generate(home, url, "0002")
    for each in {url, sqlite_url, pg_url}:
        upgrade(each, home)
        command.check(config(home, each))
        after = schema(each)
        command.downgrade(config(home, each), "0001")
        assert schema(each) != after
        upgrade(each, home)
        # A column that was dropped and added again comes last on PostgreSQL.
        assert {c[0] for c in schema(each)["changing"]["columns"]} == {
            c[0] for c in after["changing"]["columns"]
        }


def test_writes_offline_sql(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = scratch(tmp_path)
    generate(home, url)
    env = "from alembic import context\nfrom theater_sql.migrations import configure\n"
    env += f"configure(url={url!r}, literal_binds=True)\n"
    env += "with context.begin_transaction():\n    context.run_migrations()\n"
    (home / "env.py").write_text(env, encoding="utf-8")
    command.upgrade(config(home, url), "head", sql=True)
    script = capsys.readouterr().out
    assert "CREATE TABLE everything" in script
    assert ("fillfactor" in script) is (sa.make_url(url).get_backend_name() == "postgresql")
