"""The actor types that one Theater runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from theater_sql.errors import RegistrationError
from theater_sql.host.actor import Actor
from theater_sql.host.handles import OpenHandle
from theater_sql.identity import type_name

if TYPE_CHECKING:
    from theater_sql.host.theater import Theater


class Role(NamedTuple):
    """An actor type as one Theater runs it."""

    name: str
    actor: Actor[Any]
    open_handle: OpenHandle


class Roles(dict[type[Actor[Any]], Role]):
    """The roles so far; a type gets its own with its first message."""

    def __init__(self, open_handle: OpenHandle) -> None:
        super().__init__()
        self._open_handle = open_handle

    def add(self, actor: Any, theater: Theater) -> Role:
        """Make the one instance of an actor type."""
        if not (isinstance(actor, type) and issubclass(actor, Actor)):
            raise TypeError(f"messages go to subclasses of Actor, not to {actor!r:.80}")
        name = type_name(actor)
        if any(role.name == name for role in self.values()):
            raise RegistrationError(f"two classes claim the name {name}: set __actor_name__ on one")
        instance = actor()
        instance.theater = theater
        role = self[actor] = Role(name, instance, self._open_handle)
        return role
