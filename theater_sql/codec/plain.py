"""Untyped states as JSON: what JSON has no word for is tagged, and comes back exactly.

A tagged value is an object with one key, such as ``{"$tuple": [1, 2]}``. A dict of the
caller's that looks like one gets another ``$`` before its key.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from theater_sql.codec.limits import (
    MAX_DEPTH,
    CodecError,
    check_aware,
    check_finite,
    check_size,
)

_SCALARS: Final = frozenset({str, int, bool, type(None)})


class PlainCodec:
    """Encode any mix of JSON values, tuple, set, bytes, dates, timedelta, Decimal and UUID."""

    def encode(self, state: Any) -> str:
        """Return the JSON text of a state, or raise ``CodecError`` naming the path."""
        try:
            data = msgspec.json.encode(_Tagger().tagged(state, "$", 0))
        except (UnicodeEncodeError, ValueError) as error:
            if isinstance(error, CodecError):
                raise
            raise CodecError("$", "text with a lone surrogate, or a number too long") from None
        check_size("$", len(data))
        return data.decode()

    def decode(self, text: str) -> Any:
        """Return the state whose JSON text this is, or raise ``CodecError``."""
        try:
            return _untagged(msgspec.json.decode(text), "$")
        except (msgspec.DecodeError, RecursionError):
            raise CodecError("$", "not valid JSON") from None


class _Tagger:
    """Tags one state. It counts what its text will have at least: a tree whose branches are one
    object many times over has no end otherwise.
    """

    __slots__ = ("_size",)

    def __init__(self) -> None:
        self._size = 0

    def tagged(self, value: Any, path: str, depth: int) -> Any:
        kind = type(value)
        if kind in _SCALARS:
            return value
        if depth > MAX_DEPTH:
            raise CodecError(path, f"nested deeper than {MAX_DEPTH}")
        if kind is float:
            check_finite(path, value)
            return value
        if kind is list:
            return self._items(value, path, depth)
        if kind is dict:
            return self._dict(value, path, depth)
        if kind in _CONTAINERS:
            return {f"${kind.__name__}": self._items(value, path, depth)}
        encode = _ENCODERS.get(kind)
        if encode is None:
            raise CodecError(path, f"a {kind.__name__} can't be stored without a state type")
        return {f"${kind.__name__.lower()}": encode(value, path)}

    def _items(self, value: Any, path: str, depth: int) -> list[Any]:
        self._count(path, value)
        return [self.tagged(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]

    def _dict(self, value: dict[Any, Any], path: str, depth: int) -> dict[str, Any]:
        self._count(path, value)
        for key in value:
            if type(key) is not str:
                raise CodecError(path, f"a key that is a {type(key).__name__}, not a str")
        items = {key: self.tagged(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
        if len(items) == 1:
            key, item = next(iter(items.items()))
            if key.startswith("$"):
                return {f"${key}": item}
        return items

    def _count(self, path: str, value: Any) -> None:
        self._size += 2 + len(value)
        check_size(path, self._size)


def _untagged(value: Any, path: str) -> Any:
    kind = type(value)
    if kind is list:
        return [_untagged(item, f"{path}[{i}]") for i, item in enumerate(value)]
    if kind is not dict:
        return value
    if len(value) == 1:
        tag, body = next(iter(value.items()))
        if tag.startswith("$$"):
            return {tag[1:]: _untagged(body, f"{path}.{tag[1:]}")}
        if tag.startswith("$"):
            return _decode_tag(tag, body, path)
    return {key: _untagged(item, f"{path}.{key}") for key, item in value.items()}


def _decode_tag(tag: str, body: Any, path: str) -> Any:
    decode = _DECODERS.get(tag)
    if decode is None:
        raise CodecError(path, f"unknown tag {tag[:20]}")
    try:
        return decode(_untagged(body, path))
    except CodecError:
        raise
    except (ArithmeticError, AttributeError, TypeError, ValueError):
        raise CodecError(path, f"bad {tag} value") from None


def _encode_datetime(value: datetime, path: str) -> str:
    check_aware(path, value)
    try:
        return value.astimezone(UTC).isoformat()
    except OverflowError:
        raise CodecError(path, "datetime outside the years 1 to 9999 in UTC") from None


def _encode_time(value: time, path: str) -> str:
    if value.tzinfo is not None:
        raise CodecError(path, "time with a zone")
    if value.fold:
        raise CodecError(path, "time with a fold")
    return value.isoformat()


def _encode_decimal(value: Decimal, path: str) -> str:
    if not value.is_finite():
        raise CodecError(path, "NaN or infinity")
    return str(value)


def _decode_datetime(body: Any) -> datetime:
    moment = datetime.fromisoformat(body)
    check_aware("$", moment)
    return moment


def _decode_timedelta(body: Any) -> timedelta:
    days, seconds, microseconds = _list(body)
    return timedelta(days, seconds, microseconds)


def _list(body: Any) -> list[Any]:
    if type(body) is not list:
        raise ValueError
    return body


_CONTAINERS: Final = frozenset({tuple, set, frozenset})
_ENCODERS: Final[dict[type, Callable[[Any, str], Any]]] = {
    bytes: lambda value, _: base64.b64encode(value).decode(),
    datetime: _encode_datetime,
    date: lambda value, _: value.isoformat(),
    time: _encode_time,
    timedelta: lambda value, _: [value.days, value.seconds, value.microseconds],
    Decimal: _encode_decimal,
    UUID: lambda value, _: str(value),
}
_DECODERS: Final[dict[str, Callable[[Any], Any]]] = {
    "$tuple": lambda body: tuple(_list(body)),
    "$set": lambda body: set(_list(body)),
    "$frozenset": lambda body: frozenset(_list(body)),
    "$bytes": lambda body: base64.b64decode(body, validate=True),
    "$datetime": _decode_datetime,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$timedelta": _decode_timedelta,
    "$decimal": Decimal,
    "$uuid": UUID,
}
