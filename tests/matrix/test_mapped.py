"""Mapped classes as states: each kind x each column type x both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import make_dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column
from sqlalchemy.pool import NullPool
from sqlmodel import Field, SQLModel

from tests.hostile.values import exactly
from tests.matrix.fields import FIELDS, Colour
from theater_sql import ActorRegistry, ActorRow, SQLStorage

METADATA = sa.MetaData()


class Base(DeclarativeBase):
    metadata = METADATA


class DataBase(MappedAsDataclass, DeclarativeBase):
    metadata = METADATA


COLUMNS: dict[str, Callable[[], Any]] = {
    "int": sa.BigInteger,
    "float": sa.Double,
    "str": sa.Text,
    "bool": sa.Boolean,
    "bytes": sa.LargeBinary,
    "date": sa.Date,
    "time": sa.Time,
    "UUID": sa.Uuid,
    "datetime": lambda: sa.DateTime(timezone=True),
    "Enum": lambda: sa.Enum(Colour, native_enum=False),
    "Optional int": sa.BigInteger,
    "Optional str": sa.Text,
    "Optional bool": sa.Boolean,
    "Optional bytes": sa.LargeBinary,
    "Optional UUID": sa.Uuid,
    "list": sa.JSON,
    "dict": sa.JSON,
}


def _declarative(name: str, type_: Any, nullable: bool) -> Any:
    columns: dict[str, Any] = {
        "__tablename__": name,
        "actor_id": mapped_column(sa.Text, primary_key=True),
        "value": mapped_column(type_, nullable=nullable),
    }
    return type(name, (ActorRow, Base), columns)


def _as_dataclass(name: str, type_: Any, nullable: bool) -> Any:
    columns: dict[str, Any] = {
        "__tablename__": name,
        "__annotations__": {"actor_id": Mapped[str], "value": Mapped[Any]},
        "actor_id": mapped_column(sa.Text, primary_key=True, init=False),
        "value": mapped_column(type_, nullable=nullable),
    }
    return type(name, (ActorRow, DataBase), columns)


def _sqlmodel(name: str, type_: Any, nullable: bool) -> Any:
    fields: dict[str, Any] = {
        "__tablename__": name,
        "__module__": __name__,
        "__annotations__": {"actor_id": str, "value": Any},
        "actor_id": Field(primary_key=True),
        "value": Field(sa_column=sa.Column(type_, nullable=nullable)),
        "metadata": METADATA,
    }
    make: Any = type(SQLModel)
    return make(name, (ActorRow, SQLModel), fields, table=True)


KINDS = {"declarative": _declarative, "MappedAsDataclass": _as_dataclass, "SQLModel": _sqlmodel}


def registered() -> tuple[ActorRegistry, dict[tuple[str, str], Any]]:
    actors, models = ActorRegistry(METADATA), {}
    for kind, make in KINDS.items():
        for field, column in COLUMNS.items():
            name = f"{kind}_{field}".lower().replace(" ", "_")
            model = make(name, column(), field.startswith("Optional"))
            actors.register(f"{kind}/{field}", model=model)
            models[kind, field] = model
            if kind == "declarative":  # and once with a plain class as its state
                table = f"{name}_state"
                state = make_dataclass(table, [("value", FIELDS[field][0])])
                row = make(table, column(), field.startswith("Optional"))
                actors.register(f"state/{field}", model=row, state=state)
                models["state", field] = state
    return actors, models


ACTORS, MODELS = registered()


@pytest.mark.parametrize("kind", [*KINDS, "state"])
def test_each_value_comes_back_exactly(url: str, kind: str) -> None:
    engine = sa.create_engine(url, poolclass=NullPool)
    METADATA.create_all(engine)
    given = {
        (f"{kind}/{field}", f"v{n}"): (MODELS[kind, field](value=value), value)
        for field in COLUMNS
        for n, value in enumerate(FIELDS[field][1])
    }
    with SQLStorage(url, ACTORS, timeout=60.0) as storage:
        results = storage.put_many([(*actor, state) for actor, (state, _) in given.items()])
        wrong = [str(error) for error in results.errors]
        for actor, found in zip(given, storage.get_many(list(given)), strict=True):
            state, value = given[actor]
            if not found or isinstance(found, Exception):
                wrong.append(f"{actor}: {found!r:.100}")
            elif type(found.state) is not type(state) or not exactly(found.state.value, value):
                wrong.append(f"{actor}: {found.state.value!r:.60} for {value!r:.60}")
    assert wrong == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_mapped_state_knows_its_id_and_belongs_to_no_session(url: str, kind: str) -> None:
    engine = sa.create_engine(url, poolclass=NullPool)
    METADATA.create_all(engine, [ACTORS.table(f"{kind}/int"), ACTORS.routes, ACTORS.generic.table])
    with SQLStorage(url, ACTORS) as storage:
        storage.put(f"{kind}/int", "ann", MODELS[kind, "int"](value=5))
        found = storage.get(f"{kind}/int", "ann")
        assert found
        assert found.state.actor_id == "ann"
        assert sa.inspect(found.state).session is None
        found.state.value = 6
        storage.put(f"{kind}/int", "ann", found.state, expect=found.etag)
        assert storage.get(f"{kind}/int", "ann").version == 2  # type: ignore[union-attr]
