"""The registry: which actor type is stored how. ``ActorRegistry.match`` is the dispatcher."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Literal, TypeVar, overload

import sqlalchemy as sa

from theater_sql.bindings import (
    UNTYPED,
    Binding,
    derived_binding,
    generic_binding,
    model_binding,
    with_bridge,
)
from theater_sql.codec import DocumentCodec, json_codec, shape_of
from theater_sql.contract import ActorType, ActorTypeLike, S
from theater_sql.errors import InvalidId, RegistrationError
from theater_sql.identity import class_path, type_name
from theater_sql.tables import generic_layout, route_table

C = TypeVar("C", bound=type[Any])


class Table(enum.Enum):
    """Where an actor type's rows go, where that is not a table of its own."""

    GENERIC = "generic"


GENERIC: Final = Table.GENERIC
"""Keep the states of a registered type in the generic table."""


class ActorRegistry:
    """Match actor types to the tables that hold their states.

    The tables are added to ``metadata``, as are the two tables of our own. ``jsonb`` makes
    the generic table's column ``jsonb``, for those who query inside states; it changes key
    order and refuses the character NUL.
    """

    def __init__(self, metadata: sa.MetaData | None = None, *, jsonb: bool = False) -> None:
        self.metadata: Final = metadata if metadata is not None else sa.MetaData()
        self.generic: Final = generic_layout(self.metadata, jsonb)
        self.routes: Final = route_table(self.metadata)
        is_there = self.generic.table.c.state.is_not(None)
        self._moving: Final = replace(self.generic, only=(is_there,))
        self._bindings: dict[str, Binding] = {}
        self._names: dict[type[Any], str] = {}
        self._owners: dict[str, str] = {}

    def match(self, actor_type: ActorTypeLike[Any]) -> Binding:
        """Return how an actor type is stored: as it was registered, else in the generic table."""
        name = self._name(actor_type)
        return self._bindings.get(name) or generic_binding(name, self.generic, UNTYPED)

    def _name(self, actor_type: ActorTypeLike[Any]) -> str:
        if type(actor_type) is ActorType:
            name = actor_type.name
            if type(name) is str and name in self._bindings:
                return name
        if not issubclass(type(actor_type), type):
            return type_name(actor_type)
        registered = self._registered(actor_type)
        name = registered or type_name(actor_type)
        if registered is None:
            self._check_owner(name, actor_type)  # type: ignore[arg-type]
        return name

    def _registered(self, actor: Any) -> str | None:
        """Return the name that a class was registered with."""
        if not issubclass(type(actor), type):
            return None
        try:
            return self._names.get(actor)
        except Exception:
            raise InvalidId(None, None, "an actor type's class can't be hashed") from None

    def _check_owner(self, name: str, actor: type[Any]) -> None:
        """Refuse a class that claims a name by which another class was registered.

        A class of the same path is the same class, made anew in this or another process.
        """
        owner = self._owners.get(name)
        if owner is not None and owner != class_path(actor):
            raise RegistrationError(f"{name}: {class_path(actor)} and {owner} claim this name")

    def table(self, actor_type: ActorTypeLike[Any]) -> sa.Table:
        """Return the table that holds an actor type's rows, for queries in plain SQLAlchemy."""
        return self.match(actor_type).layout.table

    def model(self, actor_type: ActorTypeLike[Any]) -> type[Any]:
        """Return the mapped class that an actor type was registered with."""
        binding = self.match(actor_type)
        if binding.model is None:
            raise RegistrationError(f"{binding.name} has no model; use table() for its table")
        return binding.model

    def __iter__(self) -> Iterator[Binding]:
        """Iterate over the registered bindings, each once."""
        return iter({id(binding): binding for binding in self._bindings.values()}.values())

    @overload
    def register(
        self,
        actor: type[Any] | str,
        *,
        state: type[S],
        model: type[Any] | None = None,
        table: str | Literal[Table.GENERIC] | None = None,
        id_type: type[Any] | tuple[type[Any], ...] | None = None,
        name: str | None = None,
        aliases: tuple[str, ...] = (),
        schema_version: int = 1,
        columns: Mapping[str, str] | None = None,
        renamed: Mapping[str, str] | None = None,
    ) -> ActorType[S]: ...

    @overload
    def register(
        self,
        actor: type[Any] | str,
        *,
        state: None = None,
        model: type[S],
        name: str | None = None,
        aliases: tuple[str, ...] = (),
        schema_version: int = 1,
        renamed: Mapping[str, str] | None = None,
    ) -> ActorType[S]: ...

    @overload
    def register(
        self,
        actor: type[Any] | str,
        *,
        table: Literal[Table.GENERIC],
        name: str | None = None,
        aliases: tuple[str, ...] = (),
        schema_version: int = 1,
    ) -> ActorType[Any]: ...

    @overload
    def register(self, actor: None = None, **options: Any) -> Callable[[C], C]: ...

    def register(self, actor: Any = None, **options: Any) -> Any:
        """Say how an actor type is stored, and return its ``ActorType``.

        Without ``actor``, return a class decorator. Give ``state`` (a table is derived from
        its fields, or it goes to the generic table with ``table=GENERIC``), or ``model`` (a
        mapped class with the ``ActorRow`` mixin), or both (the state's fields are columns of
        the model). ``id_type`` is the type of the ids of a derived table, ``str`` by default.
        ``name`` is what is stored for the class; ``aliases`` are names it had before: read,
        never written. ``columns`` names the columns of fields. ``renamed={"new": "old"}`` tells
        the migrations that the field's column was called ``old`` before.

        Raises:
            RegistrationError: the type can't be stored so; the message names the field.
        """
        if actor is None:
            return lambda cls: (self.register(cls, **options), cls)[1]
        return self._register(actor, **options)

    def _register(
        self,
        actor: Any,
        *,
        name: str | None = None,
        aliases: Any = (),
        schema_version: Any = 1,
        **options: Any,
    ) -> ActorType[Any]:
        name = type_name(actor if name is None else name)
        if type(aliases) not in (tuple, list, set, frozenset):
            raise RegistrationError(f"{name}: aliases= is a tuple of names")
        if type(schema_version) is not int or not 1 <= schema_version < 2**31:
            raise RegistrationError(f"{name}: schema_version is a number from 1")
        names = [name, *(_alias(alias, name) for alias in aliases)]
        for taken in (n for n in names if n in self._bindings or names.count(n) > 1):
            raise RegistrationError(f"{name}: the name {taken!r} is registered already")
        if self._registered(actor) is not None:
            raise RegistrationError(f"{name}: {actor.__qualname__} is registered already")
        binding = self._bind(name, **options)
        for other in self:
            if other.layout.table is binding.layout.table is not self.generic.table:
                raise RegistrationError(f"{name}: {other.name} has the table {other.layout.table}")
        if not binding.is_generic:
            binding = with_bridge(binding, self._moving)
        binding = binding.known_as(tuple(names[1:]), schema_version)
        self._bindings.update(dict.fromkeys(names, binding))
        if isinstance(actor, type):
            self._names[actor] = name
            self._owners[name] = class_path(actor)
        return ActorType(name)

    def _bind(
        self,
        name: str,
        *,
        state: Any = None,
        model: Any = None,
        table: Any = None,
        id_type: Any = None,
        columns: Mapping[str, str] | None = None,
        renamed: Mapping[str, str] | None = None,
    ) -> Binding:
        if not (table is None or table is GENERIC or type(table) is str):
            raise RegistrationError(f"{name}: table= is a name or GENERIC")
        _check_names(name, columns=columns, renamed=renamed)
        if (table is GENERIC or model is not None) and id_type is not None:
            raise RegistrationError(f"{name}: id_type= is for a table derived from the state")
        has_model = model is not None
        has_names = bool(columns or renamed)
        if (table is GENERIC and (has_model or has_names)) or (has_model and table is not None):
            raise RegistrationError(f"{name}: table=, model= and columns= contradict each other")
        if table is GENERIC:
            codec = UNTYPED if state is None else DocumentCodec(json_codec(state, name))
            return generic_binding(name, self.generic, codec)
        if model is not None:
            return model_binding(name, model, state, columns or {}, renamed or {})
        if state is None:
            raise RegistrationError(f"{name}: give state=, model= or table=GENERIC")
        return derived_binding(
            name,
            table or _snake(name),
            self.metadata,
            shape_of(state, name),
            str if id_type is None else id_type,
            columns or {},
            renamed or {},
        )


def _alias(alias: Any, name: str) -> str:
    if not isinstance(alias, str):
        raise RegistrationError(f"{name}: aliases= is a tuple of names")
    return type_name(alias)


def _check_names(of: str, **options: Any) -> None:
    for option, names in options.items():
        is_names = isinstance(names, Mapping) and all(
            type(field) is str and type(column) is str for field, column in names.items()
        )
        if names is not None and not is_names:
            raise RegistrationError(f"{of}: {option}= is a dict of names")


def _snake(name: str) -> str:
    """Return the table name for a type name: ``shop.HTTPCart`` gives ``http_cart``."""
    last = name.rpartition(".")[2]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", last).lower()
