"""A state as the values of a row's columns, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from theater_sql.codec.limits import CodecError
from theater_sql.codec.shapes import Shape
from theater_sql.codec.typed import Codec


class ColumnCodec(NamedTuple):
    """One state column: which field it holds, and how; ``None`` never reaches the functions.

    ``optional`` marks a field that may be left out, which the row holds as NULL.
    """

    column: str
    key: str
    nullable: bool
    optional: bool
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


class StateCodec(Protocol):
    """State to the values of the state columns and back; both raise ``CodecError``."""

    def encode(self, state: Any) -> tuple[Any, ...]: ...
    def decode(self, values: Sequence[Any]) -> Any: ...


class RowCodec:
    """A state with a column for each field. What is encoded is decoded before it is stored."""

    def __init__(self, shape: Shape, columns: Sequence[ColumnCodec]) -> None:
        self._shape = shape
        self._columns = tuple(columns)

    def encode(self, state: Any) -> tuple[Any, ...]:
        """Return the column values of a state, after it was built from them once."""
        pairs = zip(self._columns, self._shape.read(state), strict=True)
        values = tuple([_encode(column, value) for column, value in pairs])
        self._shape.check_back(state, self.decode(values))
        return values

    def decode(self, values: Sequence[Any]) -> Any:
        """Return the state that these column values hold."""
        raw = {}
        for column, value in zip(self._columns, values, strict=True):
            if value is not None:
                raw[column.key] = _decode(column, value)
            elif not column.optional:
                raw[column.key] = None
        return self._shape.build(raw)


class DocumentCodec:
    """A state in one JSON column."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def encode(self, state: Any) -> tuple[Any, ...]:
        """Return the JSON text of a state, as the only column value."""
        return (self._codec.encode(state),)

    def decode(self, values: Sequence[Any]) -> Any:
        """Return the state of the only column value."""
        if values[0] is None:
            raise CodecError("$", "the row holds no state")
        return self._codec.decode(values[0])


def _encode(column: ColumnCodec, value: Any) -> Any:
    if value is None:
        if not column.nullable:
            raise CodecError(f"$.{column.key}", "None, but its column is NOT NULL")
        return None
    if value is msgspec.UNSET:
        return None
    try:
        return column.encode(value)
    except CodecError as error:
        raise _inside(column, error) from None


def _decode(column: ColumnCodec, value: Any) -> Any:
    try:
        return column.decode(value)
    except CodecError as error:
        raise _inside(column, error) from None


def _inside(column: ColumnCodec, error: CodecError) -> CodecError:
    return CodecError(f"$.{column.key}{error.path.removeprefix('$')}", error.reason)
