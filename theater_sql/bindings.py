"""Bindings: how the states of one actor type become rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapper
from sqlalchemy.types import TypeDecorator

from theater_sql.checks import check_for, is_aware, without_domain
from theater_sql.codec import (
    BridgeCodec,
    CodecError,
    ColumnCodec,
    DocumentCodec,
    Field,
    PlainCodec,
    RowCodec,
    Shape,
    StateCodec,
    same,
    shape_of,
)
from theater_sql.columns import attach_utc, column_codec, note_default, note_renamed
from theater_sql.contract import ActorId, IdPart
from theater_sql.errors import InvalidId, RegistrationError
from theater_sql.homes import Home
from theater_sql.identity import canonical, check_id, parse_canonical
from theater_sql.models import ModelShape
from theater_sql.tables import (
    BOOKKEEPING,
    Layout,
    derived_layout,
    model_layout,
    state_columns,
)
from theater_sql.types import Document

Key = tuple[IdPart, ...]
"""The values of a row's key columns."""

UNTYPED: Final = DocumentCodec(PlainCodec())


class Binding(NamedTuple):
    """How one actor type is stored.

    ``key`` turns an actor id into the values of the key columns, or raises ``InvalidId``;
    ``actor_id`` turns the values of those that hold the id back, or raises ``CodecError``.
    ``identify`` writes them into a state that has attributes for them: a mapped instance.
    ``in_generic`` is how a type that has a table is stored before its rows have moved there.
    """

    name: str
    layout: Layout
    key: Callable[[ActorId], Key]
    actor_id: Callable[[Key], ActorId]
    codec: StateCodec
    model: type[Any] | None = None
    identify: Callable[[Any, Key], None] | None = None
    aliases: tuple[str, ...] = ()
    schema_version: int = 1
    is_generic: bool = False
    in_generic: Binding | None = None

    @property
    def home(self) -> Home:
        """Where its rows live, unless they have not moved there yet."""
        return Home.GENERIC if self.is_generic else Home.TABLE

    def scopes(self) -> Iterator[tuple[str, ...]]:
        """Yield what tells the type's rows in its table: its name, and those it had before."""
        if not self.is_generic:
            yield ()
            return
        for name in (self.name, *self.aliases):
            yield (name,)

    def known_as(self, aliases: tuple[str, ...], schema_version: int) -> Binding:
        """Return the binding of a type that has other names as well."""
        named = self._replace(aliases=aliases, schema_version=schema_version)
        if self.in_generic is None:
            return named
        return named._replace(in_generic=self.in_generic.known_as(aliases, schema_version))


def with_bridge(binding: Binding, layout: Layout) -> Binding:
    """Add how the type's rows are read and written as long as they are in the generic table."""
    assert isinstance(binding.codec, RowCodec)
    generic = generic_binding(binding.name, layout, BridgeCodec(binding.codec))

    def key(actor_id: ActorId) -> Key:
        binding.key(actor_id)  # the type's own check of its ids
        return generic.key(actor_id)

    def identify(state: Any, key: Key) -> None:
        assert binding.identify is not None
        binding.identify(state, binding.key(generic.actor_id(key[1:])))

    bridge = generic._replace(key=key, identify=identify if binding.identify else None)
    return binding._replace(in_generic=bridge)


def generic_binding(name: str, layout: Layout, codec: StateCodec) -> Binding:
    """Bind a type to the generic table: the key is its name and the id's canonical text."""

    def key(actor_id: ActorId) -> Key:
        return name, canonical(check_id(name, actor_id), isinstance(actor_id, tuple))

    return Binding(name, layout, key, _generic_id, codec, is_generic=True)


def _generic_id(key: Key) -> ActorId:
    """Return the id of a row, and none of a text that no id has."""
    text = str(key[0])
    try:
        actor_id = parse_canonical(text)
        if canonical(check_id("", actor_id), isinstance(actor_id, tuple)) == text:
            return actor_id
    except (ValueError, InvalidId):
        pass
    raise CodecError("$", f"{text[:40]!r} is no actor id's text form")


def _typed_id(is_tuple: bool) -> Callable[[Key], ActorId]:
    return (lambda key: key) if is_tuple else (lambda key: key[0])


def derived_binding(
    name: str,
    table: str,
    metadata: sa.MetaData,
    shape: Shape,
    id_type: type[Any] | tuple[type[Any], ...],
    columns: Mapping[str, str],
    renamed: Mapping[str, str],
) -> Binding:
    """Bind a type to a table that is derived from its state and added to ``metadata``."""
    state = state_columns(shape.fields, columns, name)
    codecs = _codecs(name, shape, dict(zip(_names(shape), state, strict=True)), renamed)
    id_types = id_type if isinstance(id_type, tuple) else (id_type,)
    layout = derived_layout(table, metadata, id_types, state)
    is_tuple = isinstance(id_type, tuple)
    key = _typed_key(name, layout, id_types, is_tuple)
    return Binding(name, layout, key, _typed_id(is_tuple), RowCodec(shape, codecs))


def _names(shape: Shape) -> list[str]:
    return [field.name for field in shape.fields]


def _codecs(
    name: str, shape: Shape, columns: Mapping[str, sa.Column[Any]], renamed: Mapping[str, str]
) -> list[ColumnCodec]:
    """Return the codec of each field, after the migrations' hints were noted in its column."""
    note_renamed(columns, renamed, name)
    codecs = []
    for field in shape.fields:
        codec = column_codec(field, columns[field.name], name)
        note_default(field, columns[field.name], codec)
        codecs.append(codec)
    return codecs


def model_binding(
    name: str, model: Any, state: Any, columns: Mapping[str, str], renamed: Mapping[str, str]
) -> Binding:
    """Bind a type to a mapped class: its fields are columns, or its instances are the states."""
    try:
        mapper: Mapper[Any] = sa.inspect(model)
    except sa.exc.NoInspectionAvailable:
        called = getattr(model, "__name__", f"a {type(model).__name__}")
        raise RegistrationError(f"{name}: {called} is not a mapped class") from None
    table = getattr(mapper, "local_table", None)
    if not isinstance(table, sa.Table):
        raise RegistrationError(f"{name}: {model.__name__} is not mapped to a table")
    if state is None:
        shape: Shape = ModelShape(mapper)
        chosen = {field.name: mapper.columns[field.name] for field in shape.fields}
    else:
        shape = shape_of(state, name)
        chosen = {f.name: _column(mapper, f, columns, name) for f in shape.fields}
    layout = model_layout(table, list(chosen.values()), name)
    codecs = _codecs(name, shape, chosen, renamed)
    if isinstance(shape, ModelShape):
        codecs = [_as_loaded(codec, chosen[codec.key]) for codec in codecs]
    id_types = [_id_type(column, name) for column in layout.keys]
    is_tuple = len(id_types) > 1
    key = _typed_key(name, layout, id_types, is_tuple)
    identify = shape.identify if isinstance(shape, ModelShape) else None
    codec = RowCodec(shape, codecs)
    return Binding(name, layout, key, _typed_id(is_tuple), codec, model, identify)


def _column(
    mapper: Mapper[Any], field: Field, columns: Mapping[str, str], name: str
) -> sa.Column[Any]:
    wanted = columns.get(field.name, field.name)
    column: Any = mapper.columns.get(wanted)
    if column is None:
        column = mapper.local_table.columns.get(wanted)
    if not isinstance(column, sa.Column):
        raise RegistrationError(
            f"{name}.{field.name}: {mapper.class_.__name__} has no column {wanted!r}"
        )
    if column.primary_key or column.name in BOOKKEEPING:
        raise RegistrationError(f"{name}.{field.name}: column {column.name!r} is not for state")
    return column


def _as_loaded(codec: ColumnCodec, column: sa.Column[Any]) -> ColumnCodec:
    """Give a mapped instance what its column type loads, and not its plain form."""
    type_ = without_domain(column.type)
    if isinstance(type_, (sa.JSON, Document)):
        return codec
    return codec._replace(decode=attach_utc if is_aware(type_) else same)


def _id_type(column: sa.Column[Any], name: str) -> type[Any]:
    type_: Any = column.type
    try:
        kind = (type_.impl if isinstance(type_, TypeDecorator) else type_).python_type
    except NotImplementedError:
        kind = object
    if kind not in (str, int, UUID, bytes):
        raise RegistrationError(f"{name}: the key column {column.name!r} is not an id's type")
    return kind


def _typed_key(
    name: str, layout: Layout, id_types: Sequence[type[Any]], is_tuple: bool
) -> Callable[[ActorId], Key]:
    checks = [check_for(column.type) for column in layout.keys]
    wanted = " and ".join(kind.__name__ for kind in id_types)

    def key(actor_id: ActorId) -> Key:
        parts = check_id(name, actor_id)
        if isinstance(actor_id, tuple) is not is_tuple or len(parts) != len(id_types):
            raise InvalidId(name, actor_id, f"the id has to be {wanted}; nothing was sent")
        for part, kind, check in zip(parts, id_types, checks, strict=True):
            if type(part) is not kind:
                raise InvalidId(name, actor_id, f"the id has to be {wanted}; nothing was sent")
            try:
                check(part)
            except CodecError as error:
                raise InvalidId(name, actor_id, f"{error.reason}; nothing was sent") from None
        return parts

    return key
