"""Checks of JSON values: what ``jsonb`` changes that ``json`` keeps."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from sqlalchemy.dialects.postgresql import JSONB

from theater_sql.checks.plain import Check, comes_back, signed_zero
from theater_sql.codec import CodecError
from theater_sql.codec.limits import check_text

_SUSPECT: Final = re.compile(r"\de|-0\.0|\\u0000")


def check_jsonb(text: str) -> str:
    """Refuse JSON text with numbers that ``jsonb`` changes, or characters it can't hold.

    It keeps digits: a float without decimal places among them becomes a whole number, and
    zero has no sign.
    """
    if _SUSPECT.search(text):
        _check_parts(json.loads(text))
    return text


def _check_parts(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _check_parts(item)
    elif isinstance(value, dict):
        _check_parts([*value, *value.values()])
    elif isinstance(value, str):
        check_text("$", value)
    elif isinstance(value, float):
        signed_zero(value)
        if abs(value) >= 1e16:
            raise CodecError("$", "a float of 1e16 or more, which jsonb makes a whole number")


def document(type_: Any) -> Check:
    """Take plain JSON values, where they are part of something else: an array, say."""
    is_binary = isinstance(type_, JSONB)

    def check(value: Any) -> Any:
        try:
            text = json.dumps(value, allow_nan=False)
            is_same = comes_back(json.loads(text), value)
        except (TypeError, ValueError, RecursionError):
            raise CodecError("$", "a value that JSON can't hold") from None
        if not is_same:
            raise CodecError("$", "a value that JSON would change")
        if is_binary:
            check_jsonb(text)
        return value

    return check
