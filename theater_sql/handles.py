"""One actor's get, put and delete with the etag remembered between them: the steps of a handle."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from theater_sql.calls import Steps
from theater_sql.contract import (
    OVERWRITE,
    ActorId,
    ActorTypeLike,
    Etag,
    Expect,
    Found,
    NotPresent,
    S,
)
from theater_sql.core import Core
from theater_sql.errors import StorageError
from theater_sql.options import check_timeout

T = TypeVar("T")


class HandleSteps(Generic[S]):
    """The steps of one actor's handle, and the etag it remembers between them."""

    __slots__ = ("_actor", "_core", "_etag", "_lost", "_timeout")

    def __init__(
        self, core: Core, actor_type: ActorTypeLike[S], actor_id: ActorId, timeout: float | None
    ) -> None:
        if timeout is not None:
            check_timeout(timeout)
        self._core = core
        self._actor = (actor_type, actor_id)
        self._timeout = timeout
        self._etag: Etag | Expect | None = None
        self._lost: str | None = None

    def get(self) -> Steps[Found[Any] | NotPresent]:
        """Read the actor; this makes a handle usable that failed before."""
        self._lost = None
        return self._remembering(self._get())

    def put(self, state: S) -> Steps[Etag]:
        """Write the state where the last seen etag still holds."""
        return self._remembering(self._put(state))

    def delete(self) -> Steps[None]:
        """Remove the actor where the last seen etag still holds, or whatever is there."""
        return self._remembering(self._delete())

    def _get(self) -> Steps[Found[Any] | NotPresent]:
        found = yield from self._core.get(*self._actor, self._timeout)
        self._etag = found.etag
        return found

    def _put(self, state: S) -> Steps[Etag]:
        expect = self._etag
        if expect is None:
            expect = (yield from self._get()).etag
        put = self._core.put(*self._actor, state, expect, None, False, self._timeout)
        self._etag = etag = yield from put
        return etag

    def _delete(self) -> Steps[None]:
        expect = self._etag if self._etag is not None else OVERWRITE
        yield from self._core.delete(*self._actor, expect, self._timeout)
        self._etag = Expect.ABSENT

    def _remembering(self, steps: Steps[T]) -> Steps[T]:
        """Refuse to go on from an error: what is stored then is not known."""
        if self._lost is not None:
            name = self._core._actors.match(self._actor[0]).name
            raise StorageError(
                name, self._actor[1], f"this handle failed before ({self._lost}): get() first"
            )
        try:
            return (yield from steps)
        except BaseException as error:
            self._lost, self._etag = type(error).__name__, None
            raise
