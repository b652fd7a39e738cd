"""What no stored value may hold, whatever its type, and the error that says where it does."""

from __future__ import annotations

import math
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

MAX_DEPTH: Final = 100
MAX_BYTES: Final = 16 * 2**20
_MAX_PATH: Final = 200


class CodecError(ValueError):
    """A value does not fit: ``path`` says where, ``reason`` why, neither quotes the value."""

    def __init__(self, path: str, reason: str) -> None:
        if len(path) > _MAX_PATH:
            path = f"{path[:_MAX_PATH]}..."
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} at {self.path}"


def check_text(path: str, text: str) -> None:
    """Refuse what PostgreSQL's text can't hold, on every database alike."""
    size = len(text) if text.isascii() else _encoded_size(path, text)
    if size > MAX_BYTES:
        check_size(path, size)
    if "\0" in text:
        raise CodecError(path, "NUL character")


def _encoded_size(path: str, text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise CodecError(path, "lone surrogate") from None


def check_size(path: str, size: int) -> None:
    """Refuse a value of more than ``MAX_BYTES`` bytes."""
    if size > MAX_BYTES:
        raise CodecError(path, f"more than {MAX_BYTES} bytes")


def check_finite(path: str, number: float) -> None:
    """Refuse NaN and the infinities: JSON writes them as ``null`` and can't read them back."""
    if not math.isfinite(number):
        raise CodecError(path, "NaN or infinity")


def check_aware(path: str, moment: datetime) -> None:
    """Refuse a datetime that does not say which instant it is."""
    if moment.utcoffset() is None:
        raise CodecError(path, "naive datetime: give it a zone")


def check_tree(value: Any, path: str = "$", depth: int = 0) -> None:
    """Walk plain containers and refuse what their JSON would lose or could not be read again."""
    kind = type(value)
    if depth > MAX_DEPTH:
        raise CodecError(path, f"nested deeper than {MAX_DEPTH}")
    if kind is dict:
        for key, item in value.items():
            check_tree(item, f"{path}.{key}", depth + 1)
    elif kind in (list, tuple, set, frozenset):
        for index, item in enumerate(value):
            check_tree(item, f"{path}[{index}]", depth + 1)
    elif kind is float:
        check_finite(path, value)
    elif kind is Decimal and not value.is_finite():
        raise CodecError(path, "NaN or infinity")
    elif kind is datetime:
        check_aware(path, value)
        if value.utcoffset() % timedelta(minutes=1):
            raise CodecError(path, "a zone whose offset has seconds, which JSON would cut")
    elif kind is time and (value.tzinfo is not None or value.fold):
        raise CodecError(path, "time with a zone, or a fold")
