"""The error tree: every failure a caller can see, the same on every database.

A message has three parts after the actor: what happened, whether anything was
written, and what to do. It never holds a state, a column value or a password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from theater_sql.contract import ActorId, Etag, Expect

ConflictKind = Literal["exists", "stale", "gone"]


class TheaterSQLError(Exception):
    """Anything that theater_sql raises on purpose."""


class RegistrationError(TheaterSQLError):
    """An actor type can't be stored as it was registered. Raised at registration, by name."""


class ConfigurationError(TheaterSQLError, ValueError):
    """A URL, an engine or an option that can't work. Raised before anything is opened."""


class StorageError(TheaterSQLError):
    """A get, put or delete failed.

    Attributes:
        actor_type: stable name of the actor type; ``None`` where no actor is concerned.
        actor_id: id of the actor; ``None`` where no single actor is concerned.
        reason: what happened, whether anything was written, what to do.
    """

    def __init__(
        self, actor_type: str | None, actor_id: ActorId | None, reason: str, **details: Any
    ) -> None:
        super().__init__(actor_type, actor_id, reason)
        self.actor_type = actor_type
        self.actor_id = actor_id
        self.reason = reason
        for name, value in details.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        if self.actor_type is None:
            return self.reason
        if self.actor_id is None:
            return f"{self.actor_type}: {self.reason}"
        try:
            shown = repr(self.actor_id)
        except Exception:  # what is no id may be anything
            shown = f"<{type(self.actor_id).__name__}>"
        return f"{self.actor_type}[{shown}]: {self.reason}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.__dict__.copy())

    @classmethod
    def _revive(cls, attributes: dict[str, Any]) -> Self:
        known = ("actor_type", "actor_id", "reason")
        details = {name: value for name, value in attributes.items() if name not in known}
        return cls(*(attributes[name] for name in known), **details)


def _revive(cls: type[StorageError], attributes: dict[str, Any]) -> StorageError:
    return cls._revive(attributes)


class Conflict(StorageError):
    """The row is not what the write expected; nothing was written. Get again, then decide.

    Attributes:
        kind: ``"exists"`` (expected nothing), ``"stale"`` (another etag is there) or
            ``"gone"`` (nothing is there).
        expected: what the write expected.
        actual: the etag found afterwards; ``None`` where nothing was found.
    """

    kind: ConflictKind
    expected: Etag | Expect
    actual: Etag | None


class BatchConflict(Conflict):
    """Some rows of a batch that is all or nothing are not what was expected; none was written.

    The actor, ``kind``, ``expected`` and ``actual`` are those of the first.

    Attributes:
        conflicts: all of them, in the order of the batch.
    """

    conflicts: tuple[Conflict, ...]


class ConstraintViolation(StorageError):
    """A constraint of your own table refused the row; nothing was written.

    Attributes:
        constraint: its name; ``None`` where the database does not tell.
        columns: its columns, as far as the database or the model tells.
    """

    constraint: str | None
    columns: tuple[str, ...]


class CorruptState(StorageError):
    """The stored row can't be decoded. Its bytes stay; ``put`` is refused.

    Attributes:
        path: where decoding failed, such as ``$.items[0].qty``.
    """

    path: str


class StateTooNew(StorageError):
    """The row was written under a higher ``schema_version`` than this process registered.

    Attributes:
        stored: the row's schema version.
        registered: the highest that this process knows.
    """

    stored: int
    registered: int


class InvalidState(StorageError):
    """The state can't be stored, or would not come back as it is; nothing was written.

    Attributes:
        path: the part that is wrong, such as ``$.items[0].qty``.
    """

    path: str


class InvalidId(StorageError):
    """No actor can have this id or this type name, or a batch has it twice; nothing was sent."""


class InvalidEtag(StorageError, ValueError):
    """``expect`` or ``etag`` is not an etag, or both are the same one; nothing was sent."""


class Unavailable(StorageError):
    """The database did not serve the call before its deadline; nothing was written."""


class OutcomeUnknown(StorageError):
    """The write was sent, and whether it was applied can't be told. Get, then decide.

    Attributes:
        etag: what the row carries if the write was applied; ``None`` for a delete.
    """

    etag: Etag | None


class SchemaMismatch(StorageError):
    """A table or column is missing or different, or the type has moved; nothing was written."""


class ActorMoved(SchemaMismatch):
    """The type's rows moved to a table that this process does not know; nothing was written."""


class TransactionAborted(StorageError):
    """The caller's transaction was lost, and is rolled back: run its block again."""


class StorageFull(StorageError):
    """No space (disk or memory) is left for a write; nothing was written. Reads may go on."""


class StorageCorrupt(StorageError):
    """The database itself reports damage. Never retried."""


class NotPermitted(StorageError):
    """The database role or file mode does not allow this; nothing was written."""


class StorageClosed(StorageError):
    """The storage was closed; nothing was sent."""
