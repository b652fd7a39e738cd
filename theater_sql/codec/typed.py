"""Values of one Python type as JSON text, through msgspec or a pydantic model's own methods."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, time
from decimal import Decimal
from typing import Any, Final, Protocol, get_type_hints

import msgspec
from msgspec import inspect

from theater_sql.codec.kept import types_kept
from theater_sql.codec.limits import CodecError, check_size, check_tree
from theater_sql.errors import RegistrationError

Info = inspect.Type
_OBJECTS: Final = (
    inspect.DataclassType,
    inspect.StructType,
    inspect.TypedDictType,
    inspect.NamedTupleType,
)
_SCALARS: Final = (
    inspect.BoolType,
    inspect.BytesType,
    inspect.DateTimeType,
    inspect.DateType,
    inspect.DecimalType,
    inspect.EnumType,
    inspect.FloatType,
    inspect.IntType,
    inspect.StrType,
    inspect.TimeDeltaType,
    inspect.TimeType,
    inspect.UUIDType,
)
_LOOSE: Final = (
    inspect.AnyType,
    inspect.DateTimeType,
    inspect.DecimalType,
    inspect.FloatType,
    inspect.TimeType,
)
"""Types with values that JSON takes and does not give back."""
_KEPT: Final = (datetime, time, Decimal)
_REFUSED: Final = (inspect.CustomType, inspect.RawType, inspect.ExtType)


class Codec(Protocol):
    """State to JSON text and back; both raise ``CodecError`` naming the path."""

    def encode(self, state: Any) -> str: ...
    def decode(self, text: str) -> Any: ...


def is_pydantic(type_: Any) -> bool:
    """Tell a pydantic model by its validator, without importing pydantic."""
    return isinstance(type_, type) and hasattr(type_, "__pydantic_validator__")


def json_codec(type_: Any, name: str) -> Codec:
    """Return the codec of one type; ``RegistrationError`` starts with ``name`` if it has none."""
    if is_pydantic(type_) and hasattr(type_, "model_validate_json"):
        return PydanticCodec(type_)
    return TypedCodec(type_, name)


def inspect_type(type_: Any, name: str) -> Info:
    """Return msgspec's view of a type, refusing by name what would not come back."""
    try:
        info = inspect.type_info(type_)
    except (TypeError, NameError) as error:
        raise RegistrationError(f"{_culprit(type_, name)}: {error}") from error
    except Exception as error:  # what is no type may raise anything
        raise RegistrationError(f"{name}: a {type(type_).__name__} is no type") from error
    refuse_unstorable(info, name)
    return info


def _culprit(type_: Any, name: str) -> str:
    """Name the field that msgspec can't take, which its message does not say."""
    with suppress(Exception):  # a name that can't be resolved, which the message does say
        for field, annotation in get_type_hints(type_, include_extras=True).items():
            try:
                inspect.type_info(annotation)
            except Exception:
                return f"{name}.{field}"
    return name


def refuse_unstorable(info: Info, name: str) -> None:
    """Raise ``RegistrationError`` naming the first part that msgspec would lose or can't read."""
    for path, part in _walk(info, name):
        if isinstance(part, _REFUSED):
            what = getattr(part, "cls", type(part))
            raise RegistrationError(f"{path}: a {what.__name__} can't be stored as JSON")
        if isinstance(getattr(part, "key_type", None), inspect.UnionType):
            raise RegistrationError(f"{path}: keys of several types are one as JSON")
        for field in getattr(part, "fields", ()):
            if field.name.startswith("_"):
                raise RegistrationError(f"{path}.{field.name}: private fields are not stored")


def _walk(info: Any, path: str, seen: frozenset[int] = frozenset()) -> Iterator[tuple[str, Info]]:
    """Yield every type inside a type with its path; ends at types already on the path."""
    if id(info) in seen:
        return
    yield path, info
    seen |= {id(info)}
    for field in getattr(info, "fields", ()):
        yield from _walk(field.type, f"{path}.{field.name}", seen)
    for attribute in ("item_type", "key_type", "value_type"):
        if (inner := getattr(info, attribute, None)) is not None:
            yield from _walk(inner, f"{path}[]", seen)
    for attribute in ("types", "item_types"):
        for inner in getattr(info, attribute, ()):
            yield from _walk(inner, path, seen)


def _is_recursive(info: Any, above: frozenset[int] = frozenset()) -> bool:
    if id(info) in above:
        return True
    above |= {id(info)}
    inner = [field.type for field in getattr(info, "fields", ())]
    inner += [getattr(info, name, None) for name in ("item_type", "key_type", "value_type")]
    inner += [*getattr(info, "types", ()), *getattr(info, "item_types", ())]
    return any(_is_recursive(part, above) for part in inner if part is not None)


def scalar_info(info: Info) -> tuple[Info | None, bool]:
    """Return the one scalar type that a column can hold, if it is one, and whether or None."""
    if isinstance(info, inspect.UnionType):
        rest = [part for part in info.types if not isinstance(part, inspect.NoneType)]
        scalar = scalar_info(rest[0])[0] if len(rest) == 1 else None
        return scalar, len(rest) < len(info.types)
    if isinstance(info, inspect.LiteralType):
        return info, None in info.values
    if isinstance(info, inspect.AnyType):
        return None, True
    return (info, False) if isinstance(info, _SCALARS) else (None, False)


def _plain(state: Any) -> Any:
    """Return a state as plain containers whose order says nothing."""
    return msgspec.to_builtins(state, order="deterministic", str_keys=True)


class TypedCodec:
    """JSON of any type that msgspec decodes. What is encoded is decoded before it is stored."""

    def __init__(self, type_: Any, name: str) -> None:
        info = inspect_type(type_, name)
        parts = [part for _, part in _walk(info, name)]
        self._encoder = msgspec.json.Encoder()
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(type_)
        self._walks = _is_recursive(info) or any(isinstance(part, _LOOSE) for part in parts)
        self._compares = any(isinstance(part, inspect.AnyType) for part in parts)
        self._encodes_twice = any(isinstance(part, (*_OBJECTS, inspect.DictType)) for part in parts)

    def encode(self, state: Any) -> str:
        """Return the JSON text, after it was decoded and found to be the same state again."""
        try:
            data = self._encoder.encode(state)
            check_size("$", len(data))
            if self._walks or b"null" in data:  # which is what JSON makes of NaN
                check_tree(msgspec.to_builtins(state, builtin_types=_KEPT, str_keys=True))
            self._check_back(state, data)
        except msgspec.ValidationError as error:
            raise _located(error) from None
        except RecursionError:
            raise CodecError("$", "nested too deep, or in a circle") from None
        except (TypeError, ValueError, OverflowError) as error:
            if isinstance(error, CodecError):
                raise
            raise CodecError("$", "a value that JSON can't hold") from None
        return data.decode()

    def _check_back(self, state: Any, data: bytes) -> None:
        """Refuse a state that its JSON would not give back."""
        back = self._decoder.decode(data)
        if (self._compares or type(back) is not type(state)) and back != state:
            raise CodecError("$", "a value that JSON would change")
        again = self._encoder.encode(back) if self._encodes_twice else data
        if (again != data and _plain(back) != _plain(state)) or not types_kept(state, back):
            raise CodecError("$", "its type drops or changes a part of it")

    def decode(self, text: str) -> Any:
        """Return the state whose JSON text this is."""
        try:
            return self._decoder.decode(text)
        except msgspec.ValidationError as error:
            raise _located(error) from None
        except (msgspec.DecodeError, RecursionError, ValueError):
            raise CodecError("$", "not valid JSON") from None


class PydanticCodec:
    """JSON of a pydantic model, by the model's own dump and validation."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def encode(self, state: Any) -> str:
        """Return the JSON text, after it was validated and found to be an equal model."""
        if type(state) is not self._model:
            raise CodecError("$", f"expected {self._model.__name__}, got {type(state).__name__}")
        try:
            check_tree(state.model_dump(warnings=False))
            text = str(state.model_dump_json(by_alias=False, warnings=False))
        except (ValueError, TypeError, RecursionError) as error:
            if isinstance(error, CodecError):
                raise
            raise CodecError("$", "the model can't be dumped as JSON") from None
        check_size("$", len(text.encode()))
        back = self.decode(text)
        if back != state or not types_kept(state, back):
            raise CodecError("$", "the model's JSON does not validate to an equal model")
        return text

    def decode(self, text: str) -> Any:
        """Return the model whose JSON text this is."""
        try:
            return self._model.model_validate_json(text, by_name=True, by_alias=False)
        except ValueError as error:
            raise pydantic_error(error) from None


def pydantic_error(error: ValueError) -> CodecError:
    """Name the first place that a pydantic validation complains of, without its input."""
    details: list[dict[str, Any]] = getattr(error, "errors", list)()
    if not details:
        return CodecError("$", "validation failed")
    path = "".join(f".{part}" for part in details[0]["loc"])
    return CodecError(f"${path}", f"validation failed ({details[0]['type']})")


def convert(raw: Any, type_: Any) -> Any:
    """Build a value of ``type_`` from plain containers and scalars."""
    try:
        return msgspec.convert(raw, type_, str_keys=True)
    except msgspec.ValidationError as error:
        raise _located(error) from None
    except (ValueError, TypeError, RecursionError):
        raise CodecError("$", "the state's own checks refuse it") from None


def _located(error: msgspec.ValidationError) -> CodecError:
    """Take path and reason from msgspec's text, leaving out what may quote the state."""
    reason, _, path = str(error).partition(" - at `")
    if reason.startswith("Invalid enum value"):
        reason = "invalid enum value"
    elif not reason.startswith(("Expected `", "Object missing required field")):
        reason = "failed validation"
    return CodecError(path.removesuffix("`") or "$", reason)
