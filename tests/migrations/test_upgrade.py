"""``upgrade``: what it creates, and what it says when it can't."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.util import CommandError

from tests.migrations.project import DEMO, schema, scratch, write
from theater_sql import ConfigurationError, NotPermitted, StorageCorrupt, Unavailable
from theater_sql.migrations import upgrade

ONE = "op.create_table('one', sa.Column('a', sa.Integer))"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = scratch(tmp_path, metadata="None", imports="")
    write(home, "0001", None, ONE)
    return home


def test_creates_a_missing_file(tmp_path: Path, home: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    upgrade(url, home)
    assert "one" in schema(url)


def test_stops_at_the_revision_that_is_asked_for(url: str, home: Path) -> None:
    write(home, "0002", "0001", ONE.replace("one", "two"))
    upgrade(url, home, "0001")
    assert "two" not in schema(url)
    upgrade(url, home)
    assert "two" in schema(url)


def test_works_with_the_environment_in_any_folder(url: str, tmp_path: Path) -> None:
    packaged = tmp_path / "100 % packed" / "_alembic"
    shutil.copytree(DEMO, packaged)
    upgrade(url, packaged)
    assert "theater_actor" in schema(url)


def test_threads_take_turns(tmp_path: Path, home: Path) -> None:
    urls = [f"sqlite:///{tmp_path}/{n}.db" for n in range(4)]
    threads = [threading.Thread(target=upgrade, args=(url, home)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("one" in schema(url) for url in urls)


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://someone:hunter2@127.0.0.1:1/nothing", "sqlite:////no/such/folder/a.db"],
)
def test_says_that_the_database_is_unreachable(url: str, home: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        upgrade(url, home)
    assert caught.value.actor_type is None
    assert "hunter2" not in repr(caught.value)
    assert "\n" not in str(caught.value)


def test_says_that_the_file_is_no_database(tmp_path: Path, home: Path) -> None:
    (tmp_path / "text.db").write_text("no database " * 1000, encoding="utf-8")
    with pytest.raises(StorageCorrupt):
        upgrade(f"sqlite:///{tmp_path}/text.db", home)


def test_says_that_the_file_is_read_only(sqlite_url: str, tmp_path: Path, home: Path) -> None:
    upgrade(sqlite_url, home)
    write(home, "0002", "0001", ONE.replace("one", "two"))
    with pytest.raises(NotPermitted):
        upgrade(f"sqlite:///file:{tmp_path}/theater.db?mode=ro&uri=true", home)


def test_refuses_a_url_of_another_kind(home: Path) -> None:
    with pytest.raises(ConfigurationError):
        upgrade("mysql://localhost/nothing", home)


def test_leaves_a_faulty_revision_its_own_words(url: str, home: Path) -> None:
    write(home, "0002", "0001", "op.execute('SELECT * FROM nowhere')")
    with pytest.raises(sa.exc.DBAPIError, match="nowhere"):
        upgrade(url, home)


def test_leaves_a_misuse_of_the_driver_its_own_words(sqlite_url: str, home: Path) -> None:
    write(home, "0002", "0001", "op.execute('SELECT 1; SELECT 2')")
    with pytest.raises(sa.exc.DBAPIError, match="one statement at a time"):
        upgrade(sqlite_url, home)


def test_names_an_unknown_revision(url: str, home: Path) -> None:
    with pytest.raises(CommandError, match="0009"):
        upgrade(url, home, "0009")
