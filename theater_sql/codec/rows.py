"""A state as the values of a row's columns, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from theater_sql.codec.limits import CodecError
from theater_sql.codec.shapes import Shape
from theater_sql.codec.typed import Codec


def same(value: Any) -> Any:
    """Return the value: it comes back as it is."""
    return value


class ColumnCodec(NamedTuple):
    """One state column: which field it holds, and how; ``None`` never reaches the functions.

    ``optional`` marks a field that may be left out, which the row holds as NULL. ``decode``
    is ``same`` where there is nothing to do, ``certain`` tells that what ``encode`` accepts
    comes back without fail.
    """

    column: str
    key: str
    nullable: bool
    optional: bool
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    certain: bool = False


class StateCodec(Protocol):
    """State to the values of the state columns and back; both raise ``CodecError``."""

    def encode(self, state: Any) -> tuple[Any, ...]: ...
    def decode(self, values: Sequence[Any]) -> Any: ...


class RowCodec:
    """A state with a column for each field. What is encoded is decoded before it is stored,
    unless that can't fail.

    This runs for every put, so it makes no call that a column does not need.
    """

    def __init__(self, shape: Shape, columns: Sequence[ColumnCodec]) -> None:
        self.shape = shape
        self._columns = tuple(columns)
        self._keys = tuple(column.key for column in columns)
        self._decoded = tuple(column for column in columns if column.decode is not same)
        self._optional = tuple(column.key for column in columns if column.optional)
        self._is_certain = shape.is_plain and all(column.certain for column in columns)

    def encode(self, state: Any) -> tuple[Any, ...]:
        """Return the column values of a state, after it was built from them once."""
        values: list[Any] = []
        for column, value in zip(self._columns, self.shape.read(state), strict=True):
            try:
                if value is None or value is msgspec.UNSET:
                    _check_nothing(column, value)
                    values.append(None)
                else:
                    values.append(column.encode(value))
            except CodecError as error:
                raise _inside(column, error) from None
        if not self._is_certain:
            self.shape.check_back(state, self.decode(values))
        return tuple(values)

    def decode(self, values: Sequence[Any]) -> Any:
        """Return the state that these column values hold."""
        raw = dict(zip(self._keys, values, strict=True))
        for column in self._decoded:
            value = raw[column.key]
            if value is not None:
                try:
                    raw[column.key] = column.decode(value)
                except CodecError as error:
                    raise _inside(column, error) from None
        for key in self._optional:
            if raw[key] is None:
                del raw[key]
        return self.shape.build(raw)

    def build(self, fields: dict[str, Any]) -> Any:
        """Return the state with these values of fields, where some may be missing."""
        if any(field.type is not Any for field in self.shape.fields):
            return self.shape.build({key: fields[key] for key in self._keys if key in fields})
        values = []  # its columns know more of a field than the state does
        for column in self._columns:
            value = fields.get(column.key)
            try:
                if value is None:
                    _check_nothing(column, value)
                values.append(None if value is None else column.encode(value))
            except CodecError as error:
                raise _inside(column, error) from None
        return self.decode(values)


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


def _check_nothing(column: ColumnCodec, value: Any) -> None:
    if value is msgspec.UNSET and not column.optional:
        raise CodecError("$", "UNSET, but the field may not be left out")
    if value is None and not column.nullable:
        raise CodecError("$", "None, but its column is NOT NULL")


def _inside(column: ColumnCodec, error: CodecError) -> CodecError:
    return CodecError(f"$.{column.key}{error.path.removeprefix('$')}", error.reason)
