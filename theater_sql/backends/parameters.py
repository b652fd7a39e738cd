"""How values become parameters: bound as their wires say, each error with the place it is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from theater_sql.backends.base import Wire
from theater_sql.codec import CodecError
from theater_sql.tables import GENERIC_TABLE, Layout


def binder(
    wires: Sequence[Wire], paths: Sequence[str] = ()
) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return a function that makes parameters of values, touching those that need it.

    Where ``paths`` are given, all it raises is a ``CodecError`` with one of them.
    """
    binds = [(position, bind) for position, bind in enumerate(map(_checked, wires)) if bind]
    if not binds:
        return tuple

    def bind(values: Sequence[Any]) -> tuple[Any, ...]:
        bound = list(values)
        position = 0
        try:
            for position, function in binds:
                if bound[position] is not None:
                    bound[position] = function(bound[position])
        except Exception as error:  # a check's, or a column type's own code's
            if not paths:
                raise
            raise _located(error, paths[position]) from None
        return tuple(bound)

    return bind


def _checked(wire: Wire) -> Callable[[Any], Any] | None:
    check, bind = wire.check, wire.bind
    if check is None or bind is None:
        return check or bind
    return lambda value: bind(check(value))


def _located(error: Exception, path: str) -> CodecError:
    """Name the column; the text of an error that isn't ours may quote the value."""
    if isinstance(error, CodecError):
        return CodecError(path + error.path.removeprefix("$"), error.reason)
    return CodecError(path, f"its column type raised {type(error).__name__}")


def state_paths(layout: Layout) -> list[str]:
    """Return where in a state each column's value stands; the generic table's holds it all."""
    generic = layout.table.name == GENERIC_TABLE
    return ["$" if generic else f"$.{column.key}" for column in layout.state]
