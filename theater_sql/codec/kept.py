"""Whether a state came back in the same Python types: equality does not tell, nor does JSON.

``Colour.RED`` of a StrEnum equals ``"red"``, ``True`` equals 1, and a bytearray equals bytes.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

_LEAVES: Final = frozenset(
    {str, int, float, bool, type(None), bytes, datetime, date, time, timedelta, Decimal, UUID}
)
_SETS: Final = (set, frozenset)
_getters: dict[type, Callable[[Any], Iterable[Any]]] = {}


def types_kept(state: Any, back: Any) -> bool:
    """Tell whether each part of an equal state is of the type it was; an int may be a float now."""
    kind = type(state)
    if kind is not type(back):
        return kind is int and type(back) is float
    if kind in _LEAVES:
        return True
    if kind is dict:
        return _all_kept(state, back) and _all_kept(state.values(), back.values())
    if isinstance(state, (list, tuple)):
        return _all_kept(state, back)
    if isinstance(state, _SETS):
        return set(map(type, state)) == set(map(type, back))
    parts = _getters.get(kind)
    if parts is None:
        parts = _getters[kind] = _parts_of(kind)
    return _all_kept(parts(state), parts(back))


def _all_kept(states: Iterable[Any], backs: Iterable[Any]) -> bool:
    """Go through items that stand side by side; the common case is fast."""
    kinds = list(map(type, states))
    if kinds == list(map(type, backs)) and _LEAVES.issuperset(kinds):
        return True
    return all(map(types_kept, states, backs))


def _parts_of(kind: Any) -> Callable[[Any], Iterable[Any]]:
    """Return what gives the attributes of a state class's instances; none of any other's."""
    if issubclass(kind, enum.Enum):
        return lambda state: ()
    if hasattr(kind, "__pydantic_validator__"):
        return lambda state: vars(state).values()
    names = [
        *getattr(kind, "__struct_fields__", ()),
        *getattr(kind, "__dataclass_fields__", ()),
        *(field.name for field in getattr(kind, "__attrs_attrs__", ())),
    ]
    get = attrgetter(*names) if names else None
    if get is None:
        return lambda state: ()
    return get if len(names) > 1 else lambda state: (get(state),)
