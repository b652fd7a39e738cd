"""Mapped classes of the user's: their instances as states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from msgspec import inspect
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.attributes import set_committed_value

from theater_sql.codec import CodecError, Field
from theater_sql.tables import BOOKKEEPING, default_source


class ModelShape:
    """A mapped class whose transient instances are the states."""

    is_plain = False

    def __init__(self, mapper: Mapper[Any]) -> None:
        self._model = mapper.class_
        self._manager = mapper.class_manager
        self._keys = [mapper.get_property_by_column(c).key for c in mapper.primary_key]
        attributes = {
            attribute.key: attribute.columns[0]
            for attribute in mapper.column_attrs
            if isinstance(attribute.columns[0], sa.Column)
        }
        chosen = {
            key: column
            for key, column in attributes.items()
            if not column.primary_key and column.name not in BOOKKEEPING and column.computed is None
        }
        self.fields = tuple(Field(key, key, Any, inspect.AnyType()) for key in chosen)
        self._defaults = {
            key: default_source(column.default)
            for key, column in chosen.items()
            if column.default is not None and not column.default.is_clause_element
        }

    def read(self, state: Any) -> tuple[Any, ...]:
        if type(state) is not self._model:
            raise CodecError("$", f"expected {self._model.__name__}, got {type(state).__name__}")
        return tuple([self._value(state, field.key) for field in self.fields])

    def _value(self, state: Any, key: str) -> Any:
        if key in self._defaults and key not in sa.inspect(state).dict:
            return self._defaults[key]()
        return getattr(state, key)

    def identify(self, state: Any, key: tuple[Any, ...]) -> None:
        """Write the actor's id into a state."""
        for attribute, value in zip(self._keys, key, strict=True):
            set_committed_value(state, attribute, value)

    def check_back(self, state: Any, back: Any) -> None:
        """What a mapped class does to its attributes is its own business."""

    def build(self, raw: Mapping[str, Any]) -> Any:
        state = self._manager.new_instance()
        for key, value in raw.items():
            set_committed_value(state, key, value)
        return state
