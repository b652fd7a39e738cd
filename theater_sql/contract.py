"""What a storage is: Theater's three callbacks, and the words of their arguments and results."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, Final, Generic, Literal, NamedTuple, NewType, TypeAlias
from uuid import UUID

from typing_extensions import TypeVar

from theater_sql.errors import StorageError

S = TypeVar("S", default=Any)
"""The state type of an actor type; ``Any`` where the caller's types don't tell."""

T = TypeVar("T")

IdPart: TypeAlias = str | int | UUID | bytes
ActorId: TypeAlias = IdPart | tuple[IdPart, ...]
"""What identifies an actor within its type. ``1``, ``"1"`` and ``b"1"`` are three actors."""

Etag = NewType("Etag", UUID)
"""Opaque; changes with every write and never repeats, not even over delete and re-create."""


class Expect(enum.Enum):
    """What a write requires to be there, where that is not one etag."""

    ABSENT = "absent"
    OVERWRITE = "overwrite"

    def __repr__(self) -> str:
        return self.name


ABSENT: Final = Expect.ABSENT
"""Expect nothing there: the write creates the actor or fails."""
OVERWRITE: Final = Expect.OVERWRITE
"""Expect anything: the last write wins."""


class ActorType(Generic[S]):
    """The name under which an actor type is stored; ``S`` is the type of its states."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: Final = name

    def __repr__(self) -> str:
        return f"ActorType({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActorType) and other.name == self.name

    def __hash__(self) -> int:
        return hash((ActorType, self.name))


class Stateful(Generic[S]):
    """Base of classes that say by their type argument which state they have."""


TypedActor: TypeAlias = ActorType[S] | type[Stateful[S]]
"""An actor type that tells a type checker its state type."""
UntypedActor: TypeAlias = type[Any] | str
"""An actor type that does not."""
ActorTypeLike: TypeAlias = TypedActor[S] | UntypedActor
"""An actor type, by registration, by class or by stable name."""


class Found(NamedTuple, Generic[S]):
    """A stored state. Always true.

    ``version`` counts the writes since the actor was created, from 1; ``updated_at`` is the
    database's clock in UTC.
    """

    state: S
    etag: Etag
    version: int
    updated_at: datetime


class NotPresent:
    """Nothing is stored: Theater's ``:not_present``. Always false; ``etag`` is ``ABSENT``."""

    __slots__ = ()
    etag: Final[Literal[Expect.ABSENT]] = ABSENT

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "NOT_PRESENT"

    def __reduce__(self) -> str:
        return "NOT_PRESENT"


NOT_PRESENT: Final = NotPresent()


class Put(NamedTuple):
    """One item of ``put_many``; a plain tuple of these is taken as well."""

    actor_type: ActorTypeLike[Any]
    actor_id: ActorId
    state: Any
    expect: Etag | Expect = OVERWRITE
    etag: Etag | None = None


class Delete(NamedTuple):
    """One item of ``delete_many``; a plain tuple of these is taken as well."""

    actor_type: ActorTypeLike[Any]
    actor_id: ActorId
    expect: Etag | Expect = OVERWRITE


PutLike: TypeAlias = (
    Put
    | tuple[ActorTypeLike[Any], ActorId, Any]
    | tuple[ActorTypeLike[Any], ActorId, Any, Etag | Expect]
    | tuple[ActorTypeLike[Any], ActorId, Any, Etag | Expect, Etag | None]
)
"""An item of ``put_many``."""
DeleteLike: TypeAlias = (
    Delete | tuple[ActorTypeLike[Any], ActorId] | tuple[ActorTypeLike[Any], ActorId, Etag | Expect]
)
"""An item of ``delete_many``."""


class Results(list[T | StorageError], Generic[T]):
    """What became of each item, in their order: its result, or the error it would have raised."""

    @property
    def errors(self) -> list[StorageError]:
        """The errors, in the order of their items."""
        return [result for result in self if isinstance(result, StorageError)]

    def raise_errors(self) -> list[T]:
        """Return the results where all is well; else raise the error, or an ``ExceptionGroup``."""
        errors = self.errors
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup(f"{len(errors)} of {len(self)} failed", errors)
        return [result for result in self if not isinstance(result, StorageError)]


class Storage(ABC):
    """Theater's storage behaviour. Errors are raised as ``StorageError``, never returned."""

    @abstractmethod
    def get(self, actor_type: ActorTypeLike[S], actor_id: ActorId) -> Found[S] | NotPresent:
        """Return the stored state, or ``NOT_PRESENT``."""

    @abstractmethod
    def put(self, actor_type: ActorTypeLike[S], actor_id: ActorId, state: S) -> object:
        """Store the state; when this returns it is durable."""

    @abstractmethod
    def delete(self, actor_type: ActorTypeLike[Any], actor_id: ActorId) -> object:
        """Remove the actor; that it is not there is a success."""


class AsyncStorage(ABC):
    """``Storage``, awaited."""

    @abstractmethod
    async def get(self, actor_type: ActorTypeLike[S], actor_id: ActorId) -> Found[S] | NotPresent:
        """See ``Storage.get``."""

    @abstractmethod
    async def put(self, actor_type: ActorTypeLike[S], actor_id: ActorId, state: S) -> object:
        """See ``Storage.put``."""

    @abstractmethod
    async def delete(self, actor_type: ActorTypeLike[Any], actor_id: ActorId) -> object:
        """See ``Storage.delete``."""
