"""No state and no password in a message, a repr, a log or an exception chain."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeDecorator

from tests.contract.doors import MakeDoor
from theater_sql import GENERIC, ActorRegistry, ActorRow, SQLStorage, StorageError

SECRET = "4711-secret"


@dataclass
class Inner:
    n: int = 0


@dataclass
class Account:
    pin: int = 0
    name: str = ""
    inner: list[Inner] = field(default_factory=list)

    def __post_init__(self) -> None:
        if SECRET in str(self.name):
            raise ValueError(f"refused {self.name}")


class Model(BaseModel):
    pin: int
    names: list[int] = []


class Picky(TypeDecorator[str]):
    """A user's column type whose own errors quote the value."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        if value == SECRET:
            raise ValueError(f"can't take {value}")
        return value

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        if value == "unreadable " + SECRET:
            raise RuntimeError(f"can't read {value}")
        return value


class Base(DeclarativeBase):
    pass


class PickyRow(ActorRow, Base):
    __tablename__ = "picky"
    __table_args__ = (sa.CheckConstraint("length(plain) < 50"), sa.UniqueConstraint("plain"))
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    picky: Mapped[str | None] = mapped_column(Picky)
    plain: Mapped[str | None]
    number: Mapped[int | None]


ACTORS = ActorRegistry(Base.metadata)
ACTORS.register("Account", state=Account)
ACTORS.register("Shared", state=Account, table=GENERIC)
ACTORS.register("Model", state=Model)
ACTORS.register("SharedModel", state=Model, table=GENERIC)
ACTORS.register("Picky", model=PickyRow)


@pytest.fixture(scope="module")
def engine(shared_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(shared_url, poolclass=NullPool)
    ACTORS.metadata.create_all(engine)
    yield engine
    engine.dispose()


def broken(pin: Any) -> Model:
    return Model.model_construct(pin=pin, names=[pin])


STATES: dict[str, tuple[str, Callable[[], Any]]] = {
    "wrong type in a column": ("Account", lambda: Account(pin=SECRET)),  # type: ignore[arg-type]
    "wrong type in json": ("Account", lambda: Account(inner=[Inner(SECRET)])),  # type: ignore[arg-type]
    "generic, wrong type": ("Shared", lambda: Account(pin=SECRET)),  # type: ignore[arg-type]
    "generic, another class": ("Shared", lambda: {"name": SECRET, "pin": "x"}),
    "untyped": ("nobody.Knows", lambda: [SECRET, object()]),
    "pydantic": ("Model", lambda: broken(SECRET)),
    "generic pydantic": ("SharedModel", lambda: broken(SECRET)),
    "column type of the user's": ("Picky", lambda: PickyRow(picky=SECRET)),
    "check constraint": ("Picky", lambda: PickyRow(plain=SECRET * 10)),
    "unique constraint": ("Picky", lambda: PickyRow(plain=SECRET)),
    "too large": ("Picky", lambda: PickyRow(number=2**70)),
}


def check_clean(error: BaseException, log: str) -> None:
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(error.args) + log
    lines = [line for line in shown.splitlines() if "SECRET" not in line]  # our own source lines
    assert SECRET not in "\n".join(lines)


@pytest.mark.parametrize("which", STATES)
def test_refused_state_is_not_shown(
    make_door: MakeDoor,
    shared_url: str,
    engine: sa.Engine,
    caplog: pytest.LogCaptureFixture,
    which: str,
    actor_id: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    actor_type, make = STATES[which]
    with make_door(shared_url, ACTORS) as door:
        if which == "unique constraint":
            door.put("Picky", "first", PickyRow(plain=SECRET))
        with pytest.raises(StorageError) as caught:
            door.put(actor_type, actor_id, make())
        assert "nothing was written" in str(caught.value)
        check_clean(caught.value, caplog.text)


@pytest.mark.parametrize("which", STATES)
def test_refused_state_is_not_shown_by_many_or_in_a_transaction(
    shared_url: str,
    engine: sa.Engine,
    caplog: pytest.LogCaptureFixture,
    which: str,
    actor_id: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    actor_type, make = STATES[which]
    with SQLStorage(shared_url, ACTORS) as storage:
        if which == "unique constraint":
            storage.put("Picky", "first", PickyRow(plain=SECRET))
        batch = [("nobody.Knows", actor_id, 1), (actor_type, actor_id, make())]
        [error] = storage.put_many(batch).errors
        check_clean(error, caplog.text)
        with pytest.raises(StorageError) as caught:
            storage.put_many(batch, atomic=True)
        check_clean(caught.value, caplog.text)
        with engine.connect() as connection, storage.in_transaction(connection) as tx:
            for call in (tx.put_many, lambda items: tx.put(*items[1])):
                with pytest.raises(StorageError) as caught:
                    call(batch)
                check_clean(caught.value, caplog.text)


CORRUPT = {
    "column": ("Account", f"UPDATE account SET name = '{SECRET}'"),
    "json": ("Account", f"UPDATE account SET inner_ = '[\"{SECRET}\"]'"),
    "generic": ("Shared", f'UPDATE theater_actor SET state = \'{{"pin": "{SECRET}"}}\''),
    "generic, own check": (
        "Shared",
        f'UPDATE theater_actor SET state = \'{{"name": "{SECRET}"}}\'',
    ),
    "untyped": ("nobody.Knows", f'UPDATE theater_actor SET state = \'{{"$uuid": "{SECRET}"}}\''),
    "pydantic": ("SharedModel", f'UPDATE theater_actor SET state = \'{{"pin": "{SECRET}"}}\''),
    "column type of the user's": ("Picky", f"UPDATE picky SET picky = 'unreadable {SECRET}'"),
}


@pytest.mark.parametrize("which", CORRUPT)
def test_unreadable_row_is_not_shown(
    make_door: MakeDoor,
    shared_url: str,
    engine: sa.Engine,
    caplog: pytest.LogCaptureFixture,
    which: str,
    actor_id: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    actor_type, statement = CORRUPT[which]
    first: dict[str, Any] = {
        "Model": Model(pin=1),
        "SharedModel": Model(pin=1),
        "Picky": PickyRow(),
        "nobody.Knows": 1,
    }
    with make_door(shared_url, ACTORS) as door:
        door.put(actor_type, actor_id, first.get(actor_type, Account()))
        with engine.begin() as connection:
            where = f" WHERE actor_id IN ('{actor_id}', 's:{actor_id}')"
            connection.exec_driver_sql(statement.replace("inner_", '"inner"') + where)
        with pytest.raises(StorageError) as caught:
            door.get(actor_type, actor_id)
        assert "untouched" in str(caught.value)
        check_clean(caught.value, caplog.text)
