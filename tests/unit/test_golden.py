"""The golden SQL is complete: each kind of statement, of each kind of table, on each backend."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

import pytest

from tests.golden import FOLDER, golden
from theater_sql.statements import Kind, Statements

TABLES = ("derived", "composite", "model", "generic")
BACKENDS = ("postgresql", "sqlite")
COMPILED = golden()


def test_there_is_a_file_for_each_table_and_backend_and_no_other() -> None:
    wanted = {FOLDER / f"{backend}_{table}.sql" for backend in BACKENDS for table in TABLES}
    assert COMPILED.keys() == wanted
    assert set(FOLDER.iterdir()) == wanted


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_file_holds_what_is_compiled_now(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == COMPILED[path], "make sql, and read the diff"


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_every_kind_is_written(path: Path) -> None:
    written = re.findall(r"^-- (\w+), one row\n(.+)", path.read_text(encoding="utf-8"), re.M)
    assert [kind for kind, _ in written] == [kind.value for kind in Kind]
    assert all(re.match(r"(SELECT|INSERT|UPDATE|DELETE|WITH)\b", sql) for _, sql in written)


def test_every_statement_that_is_built_has_a_kind() -> None:
    built = {name for name, made in vars(Statements).items() if isinstance(made, cached_property)}
    assert built == {kind.value for kind in Kind}
