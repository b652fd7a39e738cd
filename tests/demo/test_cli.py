"""The command: quick to help, and one clear line for whatever can't be done."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.demo.support import command, demo, run_command, run_here
from tests.demo.synthetic import extend_history, git, make_history
from theater_sql.backends import engine_for
from theater_sql.cli import main

SECRET = "hunter2-never-shown"

Runner = Callable[[Path, str], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_history(tmp_path_factory.mktemp("git") / "history", commits=30)


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "theater_sql.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=variables or None,
    )


def failure(repository: Path, url: str, runner: Runner = run_here) -> str:
    """Run the demonstration, which must fail with one line, and return that line."""
    done = runner(repository, url)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.strip().split("\n")
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("theater-sql demo: ")
    assert "Traceback" not in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    return lines[0]


def execute(url: str, statement: str) -> None:
    with engine_for(url).begin() as connection:
        connection.execute(sa.text(statement))


def test_not_a_repository(tmp_path: Path, sqlite_url: str) -> None:
    assert "not a git repository" in failure(Path("/"), sqlite_url, run_command)
    assert "No such file" in failure(tmp_path / "missing", sqlite_url, run_command)


def test_git_missing(
    repository: Path, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install it" in failure(repository, sqlite_url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"postgresql+psycopg://user:{SECRET}@127.0.0.1:1/name", "refused"),
        (f"postgresql://user:{SECRET}@127.0.0.1:1/name", "refused"),
        (f"mysql://user:{SECRET}@localhost/name", "mysql"),
        (f"postgresql+asyncpg://user:{SECRET}@localhost/name", "postgresql+psycopg"),
        (f"postgresql+psycopg://localhost/name?password={SECRET}", "password"),
        (f"postgresql://user:{SECRET}@host:port/name", "URL"),
        (f"nonsense {SECRET}", "URL"),
        ("", "URL"),
        ("sqlite://", "memory"),
        ("sqlite:////nowhere/at/all.db", "opened"),
    ],
)
def test_database_out_of_reach(repository: Path, url: str, says: str) -> None:
    assert says in failure(repository, url)


def test_wrong_password(repository: Path, pg_url: str) -> None:
    url = sa.make_url(pg_url).set(password=SECRET).render_as_string(hide_password=False)
    assert "password authentication failed" in failure(repository, url, run_command)


def test_no_such_database(repository: Path, pg_url: str) -> None:
    url = sa.make_url(pg_url).set(database="nowhere").render_as_string(hide_password=False)
    assert "nowhere" in failure(repository, url)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DROP TABLE source_file", "source_file"),
        ("ALTER TABLE author DROP COLUMN removed", "removed"),
        ("DROP TABLE theater_actor", "theater_actor"),
        ("UPDATE alembic_version SET version_num = 'unknown'", "unknown"),
    ],
)
def test_tables_missing_or_out_of_date(
    repository: Path, url: str, statement: str, says: str
) -> None:
    demo(repository, url)
    execute(url, statement)
    assert says in failure(repository, url)


def test_another_repository(repository: Path, tmp_path: Path, sqlite_url: str) -> None:
    demo(repository, sqlite_url)
    other = make_history(tmp_path / "other", commits=3, seed=9)
    assert "another repository" in failure(other, sqlite_url)


def test_rewritten_history(tmp_path: Path, sqlite_url: str) -> None:
    repository = make_history(tmp_path / "history", commits=30)
    demo(repository, sqlite_url)
    git(repository, "update-ref", "HEAD", "HEAD~3")
    extend_history(repository, commits=1)
    assert "rewritten" in failure(repository, sqlite_url)


def test_read_only_file(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "theater.db").write_bytes(
        b"this is no database, it only has the name of one\n" * 99
    )
    assert "not a database" in failure(repository, f"sqlite:///{tmp_path / 'theater.db'}")


def test_url_from_the_environment(
    repository: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEATER_SQL_URL", sqlite_url)
    assert run("demo", str(repository)).returncode == 0
    assert "nothing new" in demo(repository, sqlite_url)


def test_default_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_history(tmp_path, commits=3)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("THEATER_SQL_URL", raising=False)
    done = run("demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "theater.db").exists()


@pytest.mark.parametrize("arguments", [(), ("unknown",), ("demo", "a", "b"), ("demo", "--no")])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("theater-sql ")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, theater_sql.cli\n"
        "try: theater_sql.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'alembic', 'psycopg', 'rich', 'theater_sql.demo'} & sys.modules.keys()\n"
        "sys.exit(repr(heavy) if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "demo" in done.stdout


def test_progress_bar_is_for_terminals(repository: Path, sqlite_url: str) -> None:
    ours, theirs = os.openpty()
    done = subprocess.run(
        command(repository, sqlite_url), stdout=subprocess.PIPE, stderr=theirs, check=True
    )
    os.close(theirs)
    shown = os.read(ours, 4096)
    os.close(ours)
    assert b"commits" in shown
    assert b"\x1b" not in done.stdout


def test_reader_that_leaves_early(repository: Path, sqlite_url: str) -> None:
    with subprocess.Popen(
        command(repository, sqlite_url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
