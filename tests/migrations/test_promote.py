"""A type that nobody registered gets a table of its own, by the commands of a user's project."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.migrations.project import ROOT
from theater_sql import ActorMoved, ActorRegistry, CorruptState, SQLStorage

NOBODY = """
from theater_sql import ActorRegistry

actors = ActorRegistry()
"""
ORDERS = """
from dataclasses import dataclass

from theater_sql import ActorRegistry

@dataclass
class Order:
    total: int = 0

actors = ActorRegistry()
actors.register("Order", state=Order, table="orders")
"""


class Project:
    """A project of a user's in a directory that was empty."""

    def __init__(self, path: Path, url: str) -> None:
        self.path, self.url = path, url
        (path / "shop.py").write_text(NOBODY, encoding="utf-8")

    def run(self, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "theater_sql.cli", *arguments],
            cwd=self.path,
            env=os.environ | {"THEATER_SQL_URL": self.url, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def module(self) -> dict[str, Any]:
        """Return the names of the project's module, as its newest processes have them."""
        return runpy.run_path(str(self.path / "shop.py"))

    def actors(self) -> ActorRegistry:
        registry: ActorRegistry = self.module()["actors"]
        return registry


@pytest.fixture
def project(url: str, tmp_path: Path) -> Project:
    project = Project(tmp_path, url)
    project.run("init", "shop:actors")
    project.run("revision", "-m", "first")
    project.run("upgrade")
    with SQLStorage(url, ActorRegistry()) as storage:
        puts = [("Order", f"o{n}", {"total": n}) for n in range(1000)]
        storage.put_many(puts).raise_errors()
    sys.modules.pop("shop", None)
    (tmp_path / "shop.py").write_text(ORDERS, encoding="utf-8")
    return project


def rows(url: str) -> tuple[int, int]:
    """Return how many rows the generic table has, markers included, and how many the own one."""
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        generic = connection.exec_driver_sql("SELECT count(*) FROM theater_actor").scalar()
        if not sa.inspect(connection).has_table("orders"):
            return int(generic or 0), 0
        own = connection.exec_driver_sql("SELECT count(*) FROM orders").scalar()
    return int(generic or 0), int(own or 0)


def sums(storage: SQLStorage) -> tuple[int, int]:
    ids = storage.list_ids("Order", limit=5000)
    found = storage.get_many([("Order", one) for one in ids]).raise_errors()
    states: list[Any] = [one.state for one in found if one]
    totals = [one["total"] if isinstance(one, dict) else one.total for one in states]
    assert storage.count("Order") == len(ids) == len(set(ids))
    return len(ids), sum(totals)


def test_there_and_back(project: Project) -> None:
    url, want = project.url, (1000, sum(range(1000)))
    with SQLStorage(url, ActorRegistry()) as old:
        etags = {one: old.get("Order", one).etag for one in ("o1", "o2")}
        assert "table orders is missing" in project.run("check", fails=True)
        project.run("revision", "-m", "orders")
        [script] = (project.path / "alembic" / "versions").glob("*_orders.py")
        text = script.read_text(encoding="utf-8")
        assert text.index("op.create_table('orders'") < text.index("op.promote_actor('Order')")
        assert text.index("op.demote_actor('Order')") < text.index("op.drop_table('orders'")

        assert "1000 rows moved" in project.run("upgrade")
        assert rows(url) == (0, 1000)
        assert "the tables are what the actors need" in project.run("check")
        assert "nothing to do" in project.run("revision", "-m", "none")
        names = project.module()
        with SQLStorage(url, names["actors"]) as new:
            assert sums(new) == want
            assert {one: new.get("Order", one).etag for one in etags} == etags
            etags["o1"] = new.put("Order", "o1", names["Order"](1), expect=etags["o1"])
            with pytest.raises(ActorMoved, match=r"Order\['o2'\]: moved; .* nothing was written"):
                old.put("Order", "o2", {"total": 0}, expect=etags["o2"])
            with pytest.raises(ActorMoved, match="moved"):
                old.get("Order", "never")

            project.run("downgrade", "-1")
            assert rows(url) == (1000, 0)
            assert sums(new) == want  # by way of the generic table, until it is replaced
            found = new.get("Order", "o1")
            assert found
            assert found.version == 2
        with SQLStorage(url, ActorRegistry()) as fresh:
            assert sums(fresh) == want
            assert {one: fresh.get("Order", one).etag for one in etags} == etags
            fresh.put("Order", "o2", {"total": 2}, expect=etags["o2"])


def test_what_does_not_fit_stays_and_is_listed(project: Project) -> None:
    url = project.url
    with SQLStorage(url, ActorRegistry()) as old:
        old.put("Order", "text", {"total": "12 EUR"})
        old.put("Order", "more", {"total": 1, "note": "keep me"})
        project.run("revision", "-m", "orders")
        told = project.run("upgrade")
        assert "Order['text'] stays where it is: Expected `int`, got `str` at $.total" in told
        assert "EUR" not in told
        found = project.run("check", fails=True)
        assert "Order['more'] does not fit orders: the state has no such field" in found
        more = old.get("Order", "more")
        assert more
        assert more.state == {"total": 1, "note": "keep me"}
        with SQLStorage(url, project.actors()) as new:
            assert new.count("Order") == 1002
            assert new.get("Order", "o7")
            with pytest.raises(CorruptState, match="untouched"):
                new.get("Order", "text")
        old.put("Order", "text", {"total": 12})
        old.delete("Order", "more")
        project.run("revision", "-m", "the rest")
        project.run("upgrade")
        project.run("check")
        assert rows(url) == (0, 1001)


def test_a_project_whose_type_has_no_rows_needs_no_promote(url: str, tmp_path: Path) -> None:
    project = Project(tmp_path, url)
    project.run("init", "shop:actors")
    (tmp_path / "shop.py").write_text(ORDERS, encoding="utf-8")
    project.run("revision", "-m", "first")
    [script] = (tmp_path / "alembic" / "versions").glob("*_first.py")
    assert "promote" not in script.read_text(encoding="utf-8")
    project.run("upgrade")
    found = project.module()
    with SQLStorage(url, found["actors"]) as new, SQLStorage(url, ActorRegistry()) as old:
        new.put("Order", "a", found["Order"](3))
        with pytest.raises(ActorMoved):
            old.put("Order", "b", {"total": 1})
    assert rows(url) == (0, 1)
