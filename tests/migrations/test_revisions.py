"""Generated revisions: what a change of a state becomes, with rows in the tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa

from tests.conftest import NewDatabase
from tests.migrations.commands import Project
from tests.migrations.project import schema
from theater_sql import GENERIC, ActorRegistry, RegistrationError, SchemaMismatch, SQLStorage
from theater_sql.backends import engine_for

DEFAULTS = {
    "number: int": "-3",
    "ratio: float": "1.5",
    "huge: float": "1e300",
    "text: str": repr("it's \"100%\" \\n :x ${y} 'q'"),
    "slashes: str": r"'a\\b \\:c \\: d::e %s'",
    "empty: str": "''",
    "yes: bool": "True",
    "no: bool": "False",
    "raw: bytes": r"b'\x00\xff'",
    "no_bytes: bytes": "b''",
    "day: date": "date(2024, 2, 29)",
    "clock: time": "time(1, 2, 3, 4)",
    "span: timedelta": "timedelta(days=-1, seconds=3, microseconds=5)",
    "one: UUID": "UUID(int=5)",
    "at: datetime": "datetime(2024, 1, 2, 3, 4, 5, 6, UTC)",
    "price: Decimal": "Decimal('-1.50')",
    "colour: Colour": "Colour.BLUE",
    "size: Literal['s', 'm']": "'m'",
    "items: list[str]": "field(default_factory=list)",
    "more: dict[str, int]": "field(default_factory=lambda: {'a:b': 1, \"it's %\": 2})",
    "maybe: str | None": "'x'",
    "none: str | None": "None",
}
FRESH = "at: datetime = field(default_factory=lambda: datetime.now(UTC))"
BEFORE = {"actor_id", "owner", "version", "etag", "created_at", "updated_at", "schema_version"}


@pytest.fixture
def project(tmp_path: Path, url: str) -> Project:
    """A project whose table of ``Cart`` has one column for its state, and no row."""
    made = Project(tmp_path / "project", url)
    made.init()
    made.migrate("0001")
    return made


def columns(url: str) -> set[str]:
    return {column[0] for column in schema(url)["cart"]["columns"]}


class TestANewField:
    def test_with_a_default_is_that_in_old_rows(self, project: Project, url: str) -> None:
        project.put("ann", owner="ann")
        old = project.shop()
        project.fields(*[f"{field} = {default}" for field, default in DEFAULTS.items()])
        code = project.migrate("0002")
        assert "DECIDE" not in code
        assert "theater_sql" not in code
        new = project.shop()
        assert repr(project.get("ann")) == repr(vars(new["Cart"]("ann")))
        # The column keeps its default: a process of the old code can still write new rows.
        with SQLStorage(url, old["actors"]) as storage:
            storage.put("Cart", "bob", old["Cart"]("bob"))
        assert repr(project.get("bob")) == repr(vars(new["Cart"]("bob")))
        project.put("eve", owner="eve", number=7)
        assert project.get("eve")["number"] == 7
        project.ok("downgrade", "0001")
        assert columns(url) == BEFORE

    def test_has_the_same_revision_on_both_databases(
        self, tmp_path: Path, sqlite_url: str, pg_url: str
    ) -> None:
        codes = []
        for url in (sqlite_url, pg_url):
            project = Project(tmp_path / url[:4], url)
            project.init()
            project.migrate("0001")
            project.fields(*[f"{field} = {default}" for field, default in DEFAULTS.items()])
            codes.append(project.generate("0002").partition("def downgrade")[0])
        assert codes[0] == codes[1]

    @pytest.mark.parametrize(
        "field", ["number: int", "one: UUID = field(default_factory=uuid4)", FRESH, "day: date = 3"]
    )
    def test_without_a_sure_default_asks_for_a_decision(
        self, project: Project, url: str, field: str
    ) -> None:
        project.put("ann", owner="ann")
        project.fields(field)
        code = project.generate("0002")
        name = field.partition(":")[0]
        assert f"# DECIDE what the rows that are there get in cart.{name}" in code
        assert f"the revision has to say what old rows get in cart.{name}" in project.refused(
            "upgrade"
        )
        assert columns(url) == BEFORE
        with engine_for(url).begin() as connection:
            connection.exec_driver_sql("DELETE FROM cart")
        project.ok("upgrade")
        project.ok("check")

    def test_is_done_when_it_is_decided(self, project: Project) -> None:
        project.put("ann", owner="ann")
        project.fields("number: int")
        code = project.generate("0002")
        code = re.sub(r"    if not op.get_context.*\n.*\n", "", code)
        code = code.replace("sa.BigInteger(), ", "sa.BigInteger(), server_default='5', ", 1)
        [path] = (project.path / "alembic" / "versions").glob("0002_*")
        path.write_text(code, encoding="utf-8")
        project.ok("upgrade")
        assert project.get("ann")["number"] == 5
        assert "nothing to do" in project.ok("revision", "-m", "again")


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("import attrs\n\n\n@attrs.define\nclass Cart:", ("3", "attrs.field(factory=list)")),
        ("import msgspec\n\n\nclass Cart(msgspec.Struct):", ("3", "[]")),
        ("import pydantic\n\n\nclass Cart(pydantic.BaseModel):", ("3", "[]")),
        (
            "import pydantic\n\n\nclass Cart(pydantic.BaseModel):",
            ("3", "pydantic.Field(default_factory=list)"),
        ),
        ("from typing import NamedTuple\n\n\nclass Cart(NamedTuple):", ("3", "[]")),
    ],
)
def test_defaults_of_every_kind_of_state(
    project: Project, header: str, values: tuple[str, str]
) -> None:
    project.put("ann", owner="ann")
    project.fields(f"number: int = {values[0]}", f"items: list[str] = {values[1]}")
    path = project.path / "shop" / "actors.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("@dataclass\nclass Cart:", header), encoding="utf-8")
    code = project.migrate("0002")
    assert "server_default=sa.text('3')" in code
    assert "server_default='[]'" in code
    shop = project.shop()
    with SQLStorage(str(project.url), shop["actors"]) as storage:
        found = storage.get("Cart", "ann")
        assert found
        assert found.state == shop["Cart"](owner="ann", number=3, items=[])


MODEL = """
import uuid
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from theater_sql import ActorRegistry, ActorRow


class Base(DeclarativeBase):
    pass


class Row(ActorRow, Base):
    __tablename__ = "shelf"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    {columns}


actors = ActorRegistry({metadata})
actors.register("Shelf", model=Row)
"""
MORE = """
    number: Mapped[int] = mapped_column(default=4)
    extra: Mapped[dict[str, int]] = mapped_column(sa.JSON, default=dict)
    kind: Mapped[str] = mapped_column(sa.String(9), server_default="own")
    room: Mapped[str] = mapped_column(default="it's", index=True)
    token: Mapped[uuid.UUID] = mapped_column(default=uuid.uuid4)
"""


@pytest.mark.parametrize("metadata", ["", "Base.metadata"])
def test_defaults_and_indexes_of_a_model(tmp_path: Path, url: str, metadata: str) -> None:
    project = Project(tmp_path, url)
    path = tmp_path / "shop" / "actors.py"
    path.write_text(MODEL.format(columns="", metadata=metadata), encoding="utf-8")
    project.init()
    project.migrate("0001")
    path.write_text(MODEL.format(columns=MORE, metadata=metadata), encoding="utf-8")
    code = project.migrate("0002")
    assert "DECIDE what the rows that are there get in shelf.token:" in code
    assert {one[0]: one[3] for one in schema(url)["shelf"]["columns"]}["token"] is None
    assert "server_default=sa.text('4')" in code
    assert "server_default='{}'" in code
    assert "server_default='own'" in code
    assert 'server_default="it\'s"' in code
    assert "ix_shelf_room" in str(schema(url)["shelf"]["indexes"])
    project.ok("downgrade", "0001")
    project.ok("upgrade")


class TestARenamedField:
    def test_keeps_its_values(self, project: Project, url: str) -> None:
        project.fields("before: str")
        project.migrate("0002")
        project.put("ann", owner="ann", before="kept")
        project.fields("after: str", options="renamed={'after': 'before'}")
        code = project.migrate("0003")
        assert "new_column_name='after'" in code
        assert "add_column" not in code
        assert "drop_column" not in code
        assert project.get("ann")["after"] == "kept"
        project.ok("downgrade", "0002")
        project.fields("before: str")
        assert project.get("ann")["before"] == "kept"
        project.ok("check")

    def test_may_change_in_other_ways_too(self, project: Project, url: str) -> None:
        project.fields("before: int")
        project.migrate("0002")
        project.put("ann", owner="ann", before=7)
        project.fields("after: str | None", options="renamed={'after': 'before'}")
        project.migrate("0003")
        assert project.get("ann")["after"] == "7"
        project.ok("downgrade", "0002")
        project.fields("before: int")
        assert project.get("ann")["before"] == 7
        project.ok("check")

    def test_is_new_where_the_old_column_is_not(self, project: Project) -> None:
        project.fields("after: str | None = None", options="renamed={'after': 'before'}")
        assert "add_column" in project.migrate("0002")

    def test_takes_its_index_along(self, tmp_path: Path, url: str) -> None:
        project = Project(tmp_path, url)
        path = tmp_path / "shop" / "actors.py"
        room = "room: Mapped[str] = mapped_column(index=True)"
        path.write_text(MODEL.format(columns=room, metadata=""), encoding="utf-8")
        project.init()
        project.migrate("0001")
        text = MODEL.format(columns=room.replace("room", "place"), metadata="")
        text = text.replace("model=Row", "model=Row, renamed={'place': 'room'}")
        path.write_text(text, encoding="utf-8")
        project.migrate("0002")
        assert "ix_shelf_place" in str(schema(url)["shelf"]["indexes"])
        project.ok("downgrade", "0001")
        project.ok("upgrade")


@pytest.mark.parametrize(
    ("was", "is_", "value", "then"),
    [
        ("int", "str", 7, "7"),
        ("str", "int", "7", 7),
        ("int", "Decimal", 7, Decimal(7)),
        ("float", "Decimal", 1.5, Decimal("1.5")),
        ("str = ''", "int", "7", 7),
        ("str", "UUID", "00000000000000000000000000000005", UUID(int=5)),
        ("int", "str | None", 7, "7"),
    ],
)
def test_a_retyped_field_is_converted(
    project: Project, was: str, is_: str, value: Any, then: Any
) -> None:
    project.fields(f"field: {was}")
    project.migrate("0002")
    project.put("ann", owner="ann", field=value)
    project.fields(f"field: {is_}")
    project.migrate("0003")
    assert project.get("ann")["field"] == then
    project.ok("downgrade", "0002")
    project.fields(f"field: {was}")
    project.ok("check")
    project.ok("upgrade")


def test_a_removed_field_comes_back_empty(project: Project, url: str) -> None:
    project.fields("note: str | None = None")
    project.migrate("0002")
    project.put("ann", owner="ann", note="a")
    project.fields()
    project.migrate("0003")
    assert "note" not in columns(url)
    project.ok("downgrade", "0002")
    assert "note" in columns(url)


def test_a_schema_of_ones_own(tmp_path: Path, pg_url: str) -> None:
    project = Project(tmp_path, pg_url)
    project.fields(metadata="sa.MetaData(schema='the shop')")
    project.init()
    with engine_for(pg_url).begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA other")
        connection.exec_driver_sql("CREATE TABLE other.cart (a INTEGER)")
        connection.exec_driver_sql("CREATE TABLE cart (a INTEGER)")
    code = project.migrate("0001")
    assert code.count("CREATE SCHEMA") == 1
    project.put("ann", owner="ann")
    fields = ("number: int = 3", "later: UUID = field(default_factory=uuid4)")
    project.fields(*fields, metadata="sa.MetaData(schema='the shop')")
    code = project.generate("0002")
    assert "schema='the shop'" in code
    assert "CREATE SCHEMA" not in code
    assert "what old rows get in cart.later" in project.refused("upgrade")
    project.fields(fields[0], metadata="sa.MetaData(schema='the shop')")
    [path] = (tmp_path / "alembic" / "versions").glob("0002_*")
    path.unlink()
    project.migrate("0002")
    assert project.get("ann")["number"] == 3
    with engine_for(pg_url).connect() as connection:
        found = sa.inspect(connection)
        assert [one["name"] for one in found.get_columns("cart", schema="other")] == ["a"]
        assert [one["name"] for one in found.get_columns("cart")] == ["a"]


def test_the_default_schema_by_its_name(tmp_path: Path, pg_url: str) -> None:
    project = Project(tmp_path, pg_url)
    project.fields(metadata="sa.MetaData(schema='public')")
    project.init()
    project.migrate("0001")
    project.put("ann", owner="ann")
    project.fields("number: int = 3", metadata="sa.MetaData(schema='public')")
    project.migrate("0002")
    assert project.get("ann")["number"] == 3


def test_offline_sql_gives_the_same_tables(
    tmp_path: Path, pg_url: str, new_pg: NewDatabase
) -> None:
    project = Project(tmp_path, pg_url)
    project.init()
    project.migrate("0001")
    project.fields(
        "gone: int = 1",
        "before: str = ''",
        "typed: str = ''",
        *[f"{field} = {default}" for field, default in DEFAULTS.items()],
    )
    project.migrate("0002")
    project.fields(
        "typed: int",
        "needed: int",
        "after: str | None = None",
        *[f"{field} = {default}" for field, default in DEFAULTS.items()],
        options="renamed={'after': 'before'}",
    )
    project.migrate("0003")
    with new_pg() as other:
        sql(other, project.ok("upgrade", "--sql"))
        assert schema(other) == schema(pg_url)
        project.ok("downgrade", "0001")
        sql(other, project.ok("downgrade", "0003:0001", "--sql"))
        assert schema(other) == schema(pg_url)


def sql(url: str, script: str) -> None:
    """Run a script as one message, as psql does."""
    plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(script.encode())


def test_a_default_of_the_database_is_no_difference(project: Project) -> None:
    env = project.path / "alembic" / "env.py"
    text = env.read_text(encoding="utf-8")
    env.write_text(text.replace("run(actors", "run(actors, compare_server_default=True"), "utf-8")
    project.fields("number: int = 3")
    project.migrate("0002")
    project.process("alembic", "check")


class TestAProcessOfTheOldCode:
    def test_goes_on_beside_a_new_column(self, project: Project, url: str) -> None:
        old = project.shop()
        with SQLStorage(url, old["actors"]) as storage:
            etag = storage.put("Cart", "ann", old["Cart"]("ann"))
            project.fields("note: str | None = None", "number: int = 3")
            project.migrate("0002")
            storage.put("Cart", "ann", old["Cart"]("bob"), expect=etag)
            storage.put("Cart", "new", old["Cart"]("new"))
            found = storage.get("Cart", "ann")
            assert found
            assert found.state == old["Cart"]("bob")
        assert project.get("new") == {"owner": "new", "note": None, "number": 3}

    def test_is_told_by_name_of_a_change_that_it_can_not_follow(
        self, project: Project, url: str
    ) -> None:
        old = project.shop()
        with SQLStorage(url, old["actors"]) as storage:
            storage.put("Cart", "ann", old["Cart"]("ann"))
            path = project.path / "shop" / "actors.py"
            text = path.read_text(encoding="utf-8").replace("owner: str", "holder: str")
            path.write_text(
                text.replace("state=Cart", "state=Cart, renamed={'holder': 'owner'}"),
                encoding="utf-8",
            )
            project.migrate("0002")
            with pytest.raises(SchemaMismatch, match="owner"):
                storage.get("Cart", "ann")
            with pytest.raises(SchemaMismatch, match="owner"):
                storage.put("Cart", "ann", old["Cart"]("bob"))
        assert project.get("ann") == {"holder": "ann"}


def test_a_name_that_is_no_fields_is_no_renamed_field() -> None:
    @dataclass
    class State:
        new: int

    with pytest.raises(RegistrationError, match=r"renamed= names \['nwe'\], which are no fields"):
        ActorRegistry().register("A", state=State, renamed={"nwe": "old"})
    with pytest.raises(RegistrationError, match="renamed= is a dict of names"):
        ActorRegistry().register("A", state=State, renamed=["new"])  # type: ignore[call-overload]
    with pytest.raises(RegistrationError, match="contradict"):
        ActorRegistry().register("A", state=State, table=GENERIC, renamed={"new": "old"})
