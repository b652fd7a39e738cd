"""The kinds of state class, each made with one field ``value`` of a given type."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

import attrs
import msgspec
import pydantic
import typing_extensions


class Kind(NamedTuple):
    """How a class is made of a name and a field's type, and a state of it of a value."""

    make: Callable[[str, Any], Any]
    wrap: Callable[[Any, Any], Any] = lambda cls, value: cls(value=value)
    unwrap: Callable[[Any], Any] = lambda state: state.value


def _dataclass(**options: Any) -> Callable[[str, Any], Any]:
    return lambda name, type_: dataclasses.make_dataclass(name, [("value", type_)], **options)


def _inherited(name: str, type_: Any) -> Any:
    base = dataclasses.make_dataclass(f"{name}Base", [("value", type_)])
    return dataclasses.make_dataclass(
        name, [("more", int, dataclasses.field(default=7))], bases=(base,)
    )


def _attrs(**options: Any) -> Callable[[str, Any], Any]:
    return lambda name, type_: attrs.make_class(name, {"value": attrs.field(type=type_)}, **options)


def _struct(**options: Any) -> Callable[[str, Any], Any]:
    return lambda name, type_: msgspec.defstruct(name, [("value", type_)], **options)


def _named_tuple(name: str, type_: Any) -> Any:
    return typing.NamedTuple(name, [("value", type_)])


def _typed_dict(*, total: bool = True) -> Callable[[str, Any], Any]:
    def make(name: str, type_: Any) -> Any:
        typed_dict: Any = typing_extensions.TypedDict
        return typed_dict(name, {"value": type_}, total=total)

    return make


def _pydantic(**config: Any) -> Callable[[str, Any], Any]:
    options: Any = {"arbitrary_types_allowed": True, **config}

    def make(name: str, type_: Any) -> Any:
        return pydantic.create_model(name, __config__=options, value=(type_, ...))

    return make


def _as_dict(cls: Any, value: Any) -> Any:
    return {"value": value}


def _of_dict(state: Any) -> Any:
    return state["value"]


KINDS: dict[str, Kind] = {
    "dataclass": Kind(_dataclass()),
    "frozen dataclass": Kind(_dataclass(frozen=True)),
    "slots dataclass": Kind(_dataclass(slots=True)),
    "kw_only dataclass": Kind(_dataclass(kw_only=True)),
    "inherited dataclass": Kind(_inherited),
    "attrs": Kind(_attrs()),
    "frozen attrs": Kind(_attrs(frozen=True, slots=True)),
    "NamedTuple": Kind(_named_tuple),
    "TypedDict": Kind(_typed_dict(), _as_dict, _of_dict),
    "TypedDict, not total": Kind(_typed_dict(total=False), _as_dict, _of_dict),
    "Struct": Kind(_struct()),
    "frozen Struct": Kind(_struct(frozen=True)),
    "kw_only Struct": Kind(_struct(kw_only=True)),
    "tagged Struct": Kind(_struct(tag=True)),
    "renamed Struct": Kind(_struct(rename="camel")),
    "array Struct": Kind(_struct(array_like=True)),
    "pydantic": Kind(_pydantic()),
    "frozen pydantic": Kind(_pydantic(frozen=True)),
}
