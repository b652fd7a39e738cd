"""The kinds of state class: which fields each has, how they are read, and how it is built."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import inspect

from theater_sql.codec.kept import types_kept
from theater_sql.codec.limits import CodecError
from theater_sql.codec.typed import (
    Info,
    convert,
    inspect_type,
    is_pydantic,
    pydantic_error,
    scalar_info,
)
from theater_sql.errors import RegistrationError


class Field(NamedTuple):
    """One field of a state class.

    ``key`` is its name in JSON, ``type`` what was annotated, ``info`` msgspec's view of it,
    ``optional`` whether it may be left out altogether. What is built without it has
    ``default``, or what ``factory`` makes.
    """

    name: str
    key: str
    type: Any
    info: Info
    optional: bool = False
    default: Any = msgspec.NODEFAULT
    factory: Any = msgspec.NODEFAULT


class Shape(Protocol):
    """A kind of state class; ``is_plain`` if building one runs no code of the user's."""

    fields: tuple[Field, ...]
    is_plain: bool

    def read(self, state: Any) -> tuple[Any, ...]:
        """Return the fields' values in order; ``msgspec.UNSET`` for one that is left out."""

    def build(self, raw: Mapping[str, Any]) -> Any:
        """Return the state with these values, by ``key``."""

    def check_back(self, state: Any, back: Any) -> None:
        """Raise ``CodecError`` if what was built of a state differs by the class's own doing."""


def shape_of(state: Any, name: str) -> Shape:
    """Return the shape of a state class, or raise ``RegistrationError``."""
    if is_pydantic(state) and hasattr(state, "model_fields"):
        return PydanticShape(state)
    info = inspect_type(state, name)
    if isinstance(info, inspect.StructType) and info.array_like:
        raise RegistrationError(f"{name}: an array_like Struct has no columns: use table=GENERIC")
    if isinstance(info, inspect.TypedDictType):
        return TypedDictShape(state, info)
    if isinstance(info, inspect.NamedTupleType):
        return NamedTupleShape(state, info)
    if isinstance(info, (inspect.DataclassType, inspect.StructType)):
        return ObjectShape(state, info)
    raise RegistrationError(
        f"{name}: {state!r} has no fields to make columns of: register a dataclass, attrs class, "
        "NamedTuple, TypedDict, msgspec.Struct or pydantic model, or use table=GENERIC"
    )


def _fields(state: Any, info: Any) -> tuple[Field, ...]:
    hints = {name: _bare(hint) for name, hint in _hints(state).items()}
    return tuple(
        Field(
            f.name,
            f.encode_name,
            hints[f.name],
            f.type,
            _may_be_unset(hints[f.name], f),
            f.default,
            f.default_factory,
        )
        for f in info.fields
    )


def _hints(state: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(state, include_extras=True)
    except TypeError:
        raise RegistrationError(
            f"{state!r}: a generic alias has no columns of its own: subclass it, or use "
            "table=GENERIC"
        ) from None


def _bare(hint: Any) -> Any:
    """Take off what only tells a TypedDict whether a key may be left out."""
    while typing.get_origin(hint) in (typing.NotRequired, typing.Required):
        hint = typing.get_args(hint)[0]
    return hint


def _may_be_unset(hint: Any, field: Any) -> bool:
    # What is left out comes back as the default; msgspec shows UNSET as none.
    defaults = (field.default, field.default_factory)
    is_unset = not field.required and all(value is msgspec.NODEFAULT for value in defaults)
    return is_unset and msgspec.UnsetType in typing.get_args(hint)


def _getter(fields: tuple[Field, ...]) -> Callable[[Any], tuple[Any, ...]]:
    names = [field.name for field in fields]
    if not names:
        return lambda state: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda state: (get(state),)


class ObjectShape:
    """Dataclass, attrs class or msgspec Struct: attributes in, keys out."""

    def __init__(self, state: Any, info: Any) -> None:
        self._state = state
        self.fields = _fields(state, info)
        self._get = _getter(self.fields)
        self.is_plain = not _runs_code(state)

    def read(self, state: Any) -> tuple[Any, ...]:
        if type(state) is not self._state:
            raise _wrong_class(self._state, state)
        try:
            return self._get(state)
        except AttributeError:
            raise CodecError("$", "an attribute is not set") from None

    def build(self, raw: Mapping[str, Any]) -> Any:
        return convert(raw, self._state)

    def check_back(self, state: Any, back: Any) -> None:
        if not self.is_plain and self._get(back) != self._get(state):
            raise CodecError("$", "its own code (__post_init__, say) changes what was stored")


def _runs_code(state: Any) -> bool:
    """Tell whether building a state runs what its author wrote."""
    hooks = ("__post_init__", "__attrs_pre_init__", "__attrs_post_init__")
    fields = getattr(state, "__attrs_attrs__", ())
    return any(hasattr(state, hook) for hook in hooks) or any(
        field.validator or field.converter for field in fields
    )


class NamedTupleShape(ObjectShape):
    """NamedTuple: built from its values in order."""

    def build(self, raw: Mapping[str, Any]) -> Any:
        for field, key in zip(self.fields, raw, strict=False):
            if field.key != key:
                raise CodecError(f"$.{field.key}", "missing")
        return convert(list(raw.values()), self._state)


class TypedDictShape:
    """TypedDict: a dict with known keys, some of which may be left out."""

    is_plain = True

    def __init__(self, state: Any, info: Any) -> None:
        self._state = state
        optional = {field.name for field in info.fields if not field.required}
        self.fields = tuple(
            field._replace(optional=field.name in optional) for field in _fields(state, info)
        )
        self._keys = frozenset(field.name for field in self.fields)
        self._required = self._keys - optional

    def read(self, state: Any) -> tuple[Any, ...]:
        if type(state) is not dict:
            raise _wrong_class(dict, state)
        if not state.keys() <= self._keys:
            raise CodecError("$", "a key that the TypedDict does not have")
        for key in self._required - state.keys():
            raise CodecError(f"$.{key}", "missing")
        return tuple([state.get(field.name, msgspec.UNSET) for field in self.fields])

    def build(self, raw: Mapping[str, Any]) -> Any:
        return convert(raw, self._state)

    def check_back(self, state: Any, back: Any) -> None:
        """A dict has no code of its own."""


class PydanticShape:
    """Pydantic model: attributes where a column holds them, its own dump for the rest."""

    is_plain = False

    def __init__(self, model: Any) -> None:
        self._model = model
        self.fields = tuple(
            _pydantic_field(name, field) for name, field in model.model_fields.items()
        )
        self._dumped = {field.name for field in self.fields if field.type is Any}

    def read(self, state: Any) -> tuple[Any, ...]:
        if type(state) is not self._model:
            raise _wrong_class(self._model, state)
        if getattr(state, "model_extra", None):
            raise CodecError("$", "extra fields have no columns")
        try:
            dumped = state.model_dump(mode="json", include=self._dumped, warnings=False)
        except (ValueError, TypeError, RecursionError):
            raise CodecError("$", "the model can't be dumped as JSON") from None
        return tuple(
            [dumped[f.name] if f.type is Any else getattr(state, f.name) for f in self.fields]
        )

    def build(self, raw: Mapping[str, Any]) -> Any:
        try:
            return self._model.model_validate(dict(raw), strict=False, by_name=True, by_alias=False)
        except ValueError as error:
            raise pydantic_error(error) from None

    def check_back(self, state: Any, back: Any) -> None:
        if back != state or not types_kept(state, back):
            raise CodecError("$", "the model does not come back equal")


def _pydantic_field(name: str, field: Any) -> Field:
    """Take a field that is a scalar as it is, any other as the JSON that the model dumps."""
    try:
        info = inspect.type_info(field.annotation)
    except (TypeError, NameError):
        info = inspect.AnyType()
    if scalar_info(info)[0] is None:
        made = Field(name, name, Any, inspect.AnyType())
    else:
        made = Field(name, name, field.annotation, info)
    if field.is_required():
        return made
    if field.default_factory is None and made.type is not Any:
        return made._replace(default=field.default)
    return made._replace(factory=lambda: _pydantic_default(field, made.type is Any))


def _pydantic_default(field: Any, is_json: bool) -> Any:
    from pydantic_core import to_jsonable_python

    value = field.get_default(call_default_factory=True)
    return to_jsonable_python(value) if is_json else value


def _wrong_class(expected: type[Any], state: Any) -> CodecError:
    return CodecError("$", f"expected {expected.__name__}, got {type(state).__name__}")
