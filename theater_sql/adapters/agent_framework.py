"""The sessions of Microsoft's Agent Framework: one row each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from typing_extensions import TypedDict

try:
    from agent_framework import AgentSession, SessionStore
    from agent_framework.exceptions import IntegrationException
except ImportError as error:
    raise ImportError(
        "this adapter needs the Agent Framework: pip install 'theater-sql[agent-framework]'"
    ) from error

from theater_sql import ABSENT, AsyncSQLStorage, Conflict, Etag, StorageError


class StoredSession(TypedDict):
    """What is stored of a session; as a registered state it has a column for each part."""

    session_id: str
    service_session_id: str | dict[str, Any] | None
    state: dict[str, Any]


class SessionConflict(IntegrationException):
    """The stored session is not the one that was got; nothing was written. Get it again."""


class _Seen:
    """What a session is known to be stored as, by id; two that set it at once take turns."""

    def __init__(self, etags: dict[str, Etag]) -> None:
        self.etags = etags
        self.turn = asyncio.Lock()


class SQLSessionStore(SessionStore):
    """A session store in SQL.

    A session remembers under which id it was got from or set in this store, and ``set`` requires
    that nobody has written there since. Any other session, a copy too, must be the first one
    under its id. What else goes wrong is an ``IntegrationException``; a session that can't be
    restored is never ``None``.
    """

    def __init__(self, storage: AsyncSQLStorage, actor_type: str = "AgentSession") -> None:
        super().__init__()
        self._storage = storage
        self._actor_type = actor_type
        self._seen: WeakKeyDictionary[AgentSession, _Seen] = WeakKeyDictionary()

    async def get(self, session_id: str) -> AgentSession | None:
        """Return the stored session, or None where there is none."""
        self.validate_session_id(session_id)
        with _raising_framework_errors():
            found = await self._storage.get(self._actor_type, session_id)
        if not found:
            return None
        session = _restored(found.state)
        self._seen[session] = _Seen({session_id: found.etag})
        return session

    async def set(self, session_id: str, session: AgentSession) -> None:
        """Store the session, or raise ``SessionConflict``."""
        self.validate_session_id(session_id)
        stored = _stored(session)
        seen = self._seen.setdefault(session, _Seen({}))
        async with seen.turn:
            expect = seen.etags.get(session_id, ABSENT)
            with _raising_framework_errors():
                seen.etags[session_id] = await self._storage.put(
                    self._actor_type, session_id, stored, expect=expect
                )

    async def delete(self, session_id: str) -> None:
        """Delete whatever is stored under the id; to set a session got before is a conflict."""
        self.validate_session_id(session_id)
        with _raising_framework_errors():
            await self._storage.delete(self._actor_type, session_id)


def _stored(session: AgentSession) -> StoredSession:
    if type(session) is not AgentSession:
        raise TypeError(f"a {type(session).__name__} would come back as an AgentSession")
    service_id = session.service_session_id
    return {
        "session_id": session.session_id,
        "service_session_id": dict(service_id) if isinstance(service_id, Mapping) else service_id,
        "state": session.to_dict()["state"],
    }


def _restored(stored: Any) -> AgentSession:
    try:
        return AgentSession.from_dict(stored)
    except Exception as error:  # of the framework, or of a decoder that was registered with it
        kind = type(error.__cause__ or error).__name__
    # Out here, since an exception keeps the one it was raised in, whose text may quote the state.
    raise IntegrationException(f"the stored row can't be restored as a session: {kind}")


@contextmanager
def _raising_framework_errors() -> Iterator[None]:
    try:
        yield
    except Conflict as error:
        raise SessionConflict(str(error)) from error
    except StorageError as error:
        raise IntegrationException(str(error)) from error
