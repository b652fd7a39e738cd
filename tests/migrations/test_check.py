"""``differences``: a database made for one registry, compared with another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from theater_sql import ActorRegistry, ActorRow, SQLStorage, StorageCorrupt, Unavailable
from theater_sql.backends import engine_for
from theater_sql.migrations.check import differences


@dataclass
class Cart:
    total: int
    note: str | None = None


def registry(state: type[Any], metadata: sa.MetaData | None = None) -> ActorRegistry:
    actors = ActorRegistry(metadata)
    actors.register("Cart", state=state)
    return actors


def shelves(*extra: sa.schema.SchemaItem, index: bool = True) -> ActorRegistry:
    class Base(DeclarativeBase):
        pass

    class Shelf(ActorRow, Base):
        __tablename__ = "shelf"
        __table_args__ = extra
        actor_id: Mapped[str] = mapped_column(primary_key=True)
        room: Mapped[str] = mapped_column(index=index)

    actors = ActorRegistry(Base.metadata)
    actors.register("Shelf", model=Shelf)
    return actors


def compared(url: str, made: ActorRegistry, wanted: ActorRegistry) -> list[str]:
    made.metadata.create_all(engine_for(url, create=True))
    return differences(engine_for(url), wanted)


def test_nothing_differs(url: str) -> None:
    assert compared(url, registry(Cart), registry(Cart)) == []


def test_missing_tables(url: str) -> None:
    found = compared(url, ActorRegistry(), registry(Cart))
    assert len(found) == 1
    assert re.match(r"table cart is missing: run the migrations", found[0])


def test_our_own_tables_missing(url: str) -> None:
    engine_for(url, create=True).connect().close()
    found = "\n".join(differences(engine_for(url), ActorRegistry()))
    assert "table theater_actor is missing" in found
    assert "table theater_actor_type is missing" in found


def test_missing_column(url: str) -> None:
    @dataclass
    class Old:
        total: int

    found = compared(url, registry(Old), registry(Cart))
    assert len(found) == 1
    assert found[0].startswith("column cart.note is missing: run the migrations")


def test_extra_columns(url: str) -> None:
    @dataclass
    class Old:
        total: int
        legacy: int
        note: str | None = None
        harmless: str | None = None

    found = sorted(compared(url, registry(Old), registry(Cart)))
    assert len(found) == 2
    assert found[0].startswith("column cart.harmless is in no model; it refuses no rows: drop it")
    assert found[1].startswith("column cart.legacy is NOT NULL without a default")


def test_extra_column_with_a_default(url: str) -> None:
    registry(Cart).metadata.create_all(engine_for(url, create=True))
    with engine_for(url).begin() as connection:
        connection.exec_driver_sql("ALTER TABLE cart ADD COLUMN kind TEXT NOT NULL DEFAULT 'a'")
    found = differences(engine_for(url), registry(Cart))
    assert len(found) == 1
    assert found[0].startswith("column cart.kind is in no model; it refuses no rows: drop it")


def test_type(url: str) -> None:
    @dataclass
    class Old:
        total: str
        note: str | None = None

    found = compared(url, registry(Old), registry(Cart))
    assert len(found) == 1
    assert found[0].startswith("column cart.total is TEXT, its model says BIGINT: run the")


@dataclass
class Strict:
    total: int


@dataclass
class Lax:
    total: int | None = None


@pytest.mark.parametrize(
    ("made", "wanted", "expected"),
    [
        (Lax, Strict, "column cart.total allows NULL, its model does not: run"),
        (Strict, Lax, "column cart.total is NOT NULL, its model allows NULL: run"),
    ],
)
def test_nullability(url: str, made: type[Any], wanted: type[Any], expected: str) -> None:
    found = compared(url, registry(made), registry(wanted))
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_missing_index(url: str) -> None:
    found = compared(url, shelves(index=False), shelves())
    assert len(found) == 1
    assert found[0].startswith("index ix_shelf_room of table shelf is missing: run")


def test_extra_index(url: str) -> None:
    assert compared(url, shelves(), shelves(index=False)) == []


def test_missing_constraint(url: str) -> None:
    found = compared(url, shelves(), shelves(sa.UniqueConstraint("room", name="one_per_room")))
    assert len(found) == 1
    assert found[0].startswith("table shelf has no constraint on room: run")


def test_tables_of_others_do_not_matter(url: str) -> None:
    wanted = registry(Cart, sa.MetaData())
    registry(Cart).metadata.create_all(engine_for(url, create=True))
    stranger = sa.Table("stranger", wanted.metadata, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table("child", wanted.metadata, sa.Column("parent", sa.ForeignKey(stranger.c.id)))
    with engine_for(url).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE leftover (a INTEGER NOT NULL)")
    assert differences(engine_for(url), wanted) == []


def test_schemas(pg_url: str) -> None:
    engine = engine_for(pg_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA shop")
    wanted = registry(Cart, sa.MetaData(schema="shop"))
    assert "table shop.cart is missing" in "\n".join(differences(engine, wanted))
    wanted.metadata.create_all(engine)
    assert differences(engine, wanted) == []
    moved = engine.execution_options(schema_translate_map={None: "shop"})
    assert differences(moved, registry(Cart)) == []
    back = engine.execution_options(schema_translate_map={"shop": "public"})
    assert "table cart is missing" in "\n".join(differences(back, wanted))


def test_the_storage_asks(url: str) -> None:
    with SQLStorage(url, registry(Cart)) as storage:
        storage.create_all()
        assert storage.check() == []


def test_a_database_in_memory() -> None:
    with SQLStorage("sqlite://", registry(Cart)) as storage:
        assert "table cart is missing" in "\n".join(storage.check())
        storage.create_all()
        assert storage.check() == []


def test_an_unreachable_server() -> None:
    engine = engine_for("postgresql+psycopg://someone:hunter2@127.0.0.1:1/nothing")
    with pytest.raises(Unavailable) as caught:
        differences(engine, registry(Cart))
    assert "hunter2" not in repr(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    file = tmp_path / "none.db"
    for engine in (engine_for(f"sqlite:///{file}"), create_engine(f"sqlite:///{file}")):
        with pytest.raises(Unavailable):
            differences(engine, registry(Cart))
    assert not file.exists()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database " * 1000, encoding="utf-8")
    with pytest.raises(StorageCorrupt):
        differences(engine_for(f"sqlite:///{tmp_path}/text.db"), registry(Cart))
