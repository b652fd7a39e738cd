"""Whether a state came back in the same Python types: equality does not tell, nor does JSON.

``Colour.RED`` of a StrEnum equals ``"red"``, ``True`` equals 1, and a bytearray equals bytes.
This runs for every put of JSON, so it calls itself only for parts that have parts.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

_LEAVES: Final = frozenset(
    {str, int, float, bool, type(None), bytes, datetime, date, time, timedelta, Decimal, UUID}
)
_SETS: Final = (set, frozenset)
_getters: dict[type, Callable[[Any], Sequence[Any]]] = {}
"""For each type what gives the parts of a value of it."""


def types_kept(state: Any, back: Any) -> bool:
    """Tell whether each part of an equal state is of the type it was; an int may be a float now."""
    kind = type(state)
    if kind is not type(back):
        return kind is int and type(back) is float
    if kind in _LEAVES:
        return True
    if kind in _SETS:  # which have no order to go by
        return Counter(map(type, state)) == Counter(map(type, back))
    get = _getters.get(kind)
    if get is None:
        get = _getters[kind] = _getter(kind)
    parts, others = get(state), get(back)
    kinds = [*map(type, parts)]
    if kinds != [*map(type, others)]:
        return len(parts) == len(others) and all(map(types_kept, parts, others))
    if _LEAVES.issuperset(kinds):
        return True
    for part, other in zip(parts, others, strict=True):
        if type(part) not in _LEAVES and not types_kept(part, other):
            return False
    return True


def _getter(kind: Any) -> Callable[[Any], Sequence[Any]]:
    """Return what gives items, keys and values, or attributes; none of any other type."""
    if issubclass(kind, dict):
        return lambda state: (*state, *state.values())
    if issubclass(kind, (list, tuple)):
        return lambda state: state
    if issubclass(kind, enum.Enum):
        return lambda state: ()
    if hasattr(kind, "__pydantic_validator__"):
        return lambda state: tuple(vars(state).values())
    names = [
        *getattr(kind, "__struct_fields__", ()),
        *getattr(kind, "__dataclass_fields__", ()),
        *(field.name for field in getattr(kind, "__attrs_attrs__", ())),
    ]
    if not names:
        return lambda state: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda state: (get(state),)
