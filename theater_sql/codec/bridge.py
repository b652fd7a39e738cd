"""A state with a column for each field, while its rows still are in the generic table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from theater_sql.codec.limits import CodecError
from theater_sql.codec.plain import PlainCodec
from theater_sql.codec.rows import RowCodec

_KEPT: Final = (bytes, date, datetime, time, timedelta, Decimal, UUID)


class BridgeCodec:
    """Read and write the JSON that code without the state class reads and writes.

    What it writes would fit the columns. A field of the JSON that the state has not is
    refused, since writing the state back would lose it.
    """

    def __init__(self, rows: RowCodec) -> None:
        self._rows = rows
        self._plain = PlainCodec()
        self._keys = {field.key for field in rows.shape.fields}

    def encode(self, state: Any) -> tuple[Any, ...]:
        """Return the JSON text of a state, as the only column value."""
        values = self._rows.encode(state)
        read = zip(self._rows.shape.fields, self._rows.shape.read(state), strict=True)
        fields = {f.key: _builtin(value) for f, value in read if value is not msgspec.UNSET}
        text = self._plain.encode(fields)
        if self._rows.encode(self.decode((text,))) != values:
            raise CodecError("$", "a value that JSON would change")
        return (text,)

    def decode(self, values: Sequence[Any]) -> Any:
        """Return the state of the only column value."""
        if values[0] is None:
            raise CodecError("$", "the row holds no state")
        fields = self._plain.decode(values[0])
        if type(fields) is not dict:
            raise CodecError("$", f"expected an object, got a {type(fields).__name__}")
        for key in fields.keys() - self._keys:
            raise CodecError(f"$.{key}", "the state has no such field")
        return self._rows.build(fields)


def _builtin(value: Any) -> Any:
    """Return a value of a field as plain containers and scalars."""
    try:
        return msgspec.to_builtins(value, builtin_types=_KEPT, str_keys=True)
    except (TypeError, ValueError, RecursionError):
        raise CodecError("$", "a value that JSON can't hold") from None
