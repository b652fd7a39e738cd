"""Registration: what matches what, and what is refused at once, naming the field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from theater_sql import (
    GENERIC,
    ActorRegistry,
    ActorRow,
    ActorType,
    InvalidId,
    RegistrationError,
)

T = TypeVar("T")


@dataclass
class State:
    n: int = 0


@dataclass
class Box(Generic[T]):
    content: T


class Cart:
    pass


class Named:
    __actor_name__ = "shop.Named"


@pytest.fixture
def actors() -> ActorRegistry:
    return ActorRegistry()


def test_a_class_its_name_and_its_type_match_one_binding(actors: ActorRegistry) -> None:
    carts = actors.register(Cart, state=State)
    assert carts == ActorType(f"{__name__}.Cart")
    binding = actors.match(Cart)
    assert actors.match(carts) is binding
    assert actors.match(f"{__name__}.Cart") is binding
    assert binding.layout.table is actors.table(Cart)
    assert actors.table(carts).name == "cart"


def test_what_is_not_registered_matches_the_generic_table(actors: ActorRegistry) -> None:
    binding = actors.match(Cart)
    assert (binding.name, binding.layout) == (f"{__name__}.Cart", actors.generic)
    assert actors.match("never heard of it").layout is actors.generic
    assert actors.table("robert'); DROP TABLE students").name == "theater_actor"


def test_generic_goes_to_the_generic_table(actors: ActorRegistry) -> None:
    actors.register("A", state=State, table=GENERIC)
    actors.register("B", table=GENERIC)
    assert actors.match("A").layout is actors.match("B").layout is actors.generic
    assert set(actors.metadata.tables) == {"theater_actor", "theater_actor_type"}


def test_decorator_returns_the_class(actors: ActorRegistry) -> None:
    @actors.register(state=State, table="decorated", aliases=("old",))
    class Decorated:
        pass

    assert isinstance(Decorated, type)
    assert actors.table(Decorated).name == "decorated"
    assert actors.match("old") is actors.match(Decorated)


def test_names_and_aliases(actors: ActorRegistry) -> None:
    carts = actors.register(Cart, state=State, name="Cart", aliases=("shop.old.Cart",))
    assert carts.name == "Cart"
    assert actors.match("shop.old.Cart") is actors.match(Cart) is actors.match("Cart")
    assert actors.register(Named, state=State).name == "shop.Named"
    assert len(list(actors)) == 2


@pytest.mark.parametrize(
    ("actor", "options"),
    [
        (Cart, {"table": "other"}),
        (Cart, {"table": "other", "name": "Other"}),
        ("Cart", {"table": "other"}),
        ("old", {"table": "other"}),
        ("B", {"table": "other", "aliases": ("Cart",)}),
        ("B", {"table": "other", "aliases": ("old",)}),
        ("B", {"table": "cart"}),
        ("B", {"table": "theater_actor"}),
    ],
)
def test_nothing_is_claimed_twice(
    actors: ActorRegistry, actor: Any, options: dict[str, Any]
) -> None:
    actors.register(Cart, state=State, name="Cart", aliases=("old",))
    before = set(actors.metadata.tables)
    with pytest.raises(RegistrationError):
        actors.register(actor, state=State, **options)
    assert set(actors.metadata.tables) == before
    assert len(list(actors)) == 1


def test_another_class_of_a_registered_name_is_refused_or_told_apart(actors: ActorRegistry) -> None:
    # "two classes may not claim one name": here one claims it by registration, one by itself
    class Impostor:
        __actor_name__ = "Cart"

    actors.register(Cart, state=State, name="Cart")
    try:
        binding = actors.match(Impostor)
    except (RegistrationError, InvalidId):
        return
    assert binding is not actors.match(Cart)


@pytest.mark.parametrize(
    "name", ["Cart", "cart-1", "1cart", "", "cart name", "x" * 49, "cart;--", "größe", "_cart"]
)
def test_table_names_are_plain(actors: ActorRegistry, name: str) -> None:
    if name == "":  # as if it were not given
        assert actors.table(actors.register("shop.Cart", state=State, table=name)).name == "cart"
        return
    with pytest.raises(RegistrationError, match="table name"):
        actors.register("A", state=State, table=name)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("shop.CartItem", "cart_item"),
        ("Order", "order"),
        ("HTTPServer", "http_server"),
        ("A2B", "a2_b"),
    ],
)
def test_table_name_follows_the_type_name(actors: ActorRegistry, name: str, table: str) -> None:
    assert actors.table(actors.register(name, state=State)).name == table


@dataclass
class HasVersion:
    version: int


def test_columns_rename_a_field(actors: ActorRegistry) -> None:
    actors.register("A", state=HasVersion, columns={"version": "release"})
    assert "release" in actors.table("A").c
    codec = actors.match("A").codec
    assert codec.decode(codec.encode(HasVersion(5))) == HasVersion(5)


@pytest.mark.parametrize(
    "options",
    [
        {"columns": {"typo": "x"}},
        {"id_type": float},
        {"id_type": bool},
        {"id_type": ()},
        {"schema_version": 0},
        {"schema_version": 2**31},
        {"aliases": "no.tuple"},
        {"table": GENERIC, "columns": {"n": "m"}},
        {"table": GENERIC, "id_type": UUID},
    ],
    ids=repr,
)
def test_options_that_cant_work_are_refused(actors: ActorRegistry, options: dict[str, Any]) -> None:
    with pytest.raises(RegistrationError):
        actors.register("A", state=State, **options)
    assert "a" not in actors.metadata.tables


@pytest.mark.parametrize("name", ["a\0", "x" * 513, "\ud800"], ids=ascii)
def test_names_that_no_type_can_have(actors: ActorRegistry, name: str) -> None:
    with pytest.raises((RegistrationError, InvalidId)):
        actors.register(Cart, state=State, name=name)
    with pytest.raises((RegistrationError, InvalidId)):
        actors.register(Cart, state=State, aliases=(name,))


def test_composite_ids_have_composite_keys(actors: ActorRegistry) -> None:
    table = actors.table(actors.register("A", state=State, id_type=(str, int, UUID)))
    assert [c.name for c in table.primary_key] == ["actor_id_1", "actor_id_2", "actor_id_3"]
    assert actors.match("A").key(("a", 1, UUID(int=1))) == ("a", 1, UUID(int=1))
    for wrong in ("a", ("a", 1), ("a", "1", UUID(int=1)), ("a", 1, UUID(int=1), 1)):
        with pytest.raises(InvalidId):
            actors.match("A").key(wrong)


def test_tuple_of_one_is_not_its_part(actors: ActorRegistry) -> None:
    actors.register("A", state=State, id_type=(str,))
    assert actors.match("A").key(("a",)) == ("a",)
    with pytest.raises(InvalidId):
        actors.match("A").key("a")


# --- models ---------------------------------------------------------------------------------


class Base(DeclarativeBase):
    pass


class Row(ActorRow, Base):
    __tablename__ = "row"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]
    note: Mapped[str | None]


class NoMixin(Base):
    __tablename__ = "no_mixin"
    actor_id: Mapped[str] = mapped_column(primary_key=True)


class Lonely(ActorRow, Base):
    __tablename__ = "lonely"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]
    required: Mapped[int]


class FloatKey(ActorRow, Base):
    __tablename__ = "float_key"
    actor_id: Mapped[float] = mapped_column(primary_key=True)


@dataclass
class Wants:
    missing: int


@dataclass
class MaybeN:
    n: int | None


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"model": State}, "mapped class"),
    ({"model": NoMixin}, "ActorRow"),
    ({"model": Row, "state": Wants}, "missing"),
    ({"model": Row, "state": MaybeN}, "n.*NOT NULL"),
    ({"model": Row, "state": State, "columns": {"n": "nowhere"}}, "nowhere"),
    ({"model": Row, "state": State, "columns": {"n": "version"}}, "version"),
    ({"model": Row, "state": State, "columns": {"n": "actor_id"}}, "actor_id"),
    ({"model": Lonely, "state": State}, "required"),
    ({"model": FloatKey}, "actor_id"),
]


@pytest.mark.parametrize(("options", "named"), UNFIT)
def test_model_that_cant_work_is_refused(
    actors: ActorRegistry, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(RegistrationError, match=named):
        actors.register("A", **options)


def test_one_table_serves_one_type(actors: ActorRegistry) -> None:
    rows = actors.register("A", model=Row)
    assert actors.model(rows) is Row
    with pytest.raises(RegistrationError):
        actors.register("B", model=Row)
    with pytest.raises(RegistrationError):
        actors.model("C")


def test_two_registries_may_share_metadata() -> None:
    metadata = sa.MetaData()
    one, two = ActorRegistry(metadata), ActorRegistry(metadata)
    assert one.generic.table is two.generic.table
    one.register("A", state=State)
    two.register("B", state=State)
    with pytest.raises(RegistrationError):
        two.register("A", state=State)
