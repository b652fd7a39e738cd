"""Sessions of the Agent Framework. As a program: one run of an agent, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterable, Awaitable, Mapping, Sequence
from typing import Any

from agent_framework import (
    Agent,
    AgentSession,
    BaseChatClient,
    ChatResponse,
    InMemoryHistoryProvider,
    Message,
    register_state_type,
)
from pydantic import BaseModel

from tests.adapters.conftest import wait_for_start
from theater_sql import GENERIC, ActorRegistry, AsyncSQLStorage
from theater_sql.adapters.agent_framework import SessionConflict, SQLSessionStore, StoredSession


class Preferences(BaseModel):
    language: str
    limits: list[int]


register_state_type(Preferences, type_id="tests.Preferences")

OWN_TABLE = ActorRegistry()
OWN_TABLE.register("AgentSession", state=StoredSession)
SHARED = ActorRegistry()
TYPED = ActorRegistry()
TYPED.register("AgentSession", state=StoredSession, table=GENERIC)
REGISTRIES = {"own table": OWN_TABLE, "generic table": SHARED, "typed, generic table": TYPED}


class Echo(BaseChatClient[Any]):
    """A model that says how many messages it was given."""

    def _inner_get_response(
        self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **_: Any
    ) -> Awaitable[ChatResponse[Any]] | AsyncIterable[Any]:
        async def respond() -> ChatResponse[Any]:
            return ChatResponse(messages=Message("assistant", [f"{len(messages)} so far"]))

        return respond()  # type: ignore[return-value,unused-ignore]


def agent() -> Agent[Any]:
    return Agent(Echo(), context_providers=[InMemoryHistoryProvider("history")])


def full_session(session_id: str) -> AgentSession:
    """Return a session with all that one can hold."""
    session = AgentSession(session_id=session_id, service_session_id={"conversation": "c-1"})
    session.state = {
        "message": Message("user", ["Grüße \u0000"], message_id="m-1"),
        "preferences": Preferences(language="de", limits=[1, 2]),
        "plain": [None, True, 1, 1.5, "text", {"$tuple": [1]}, {}],
    }
    return session


async def say(store: SQLSessionStore, session_id: str, text: str) -> str:
    """Go on with a stored session, as a host of agents does."""
    session = await store.get(session_id) or AgentSession(session_id=session_id)
    reply = await agent().run(text, session=session)
    await store.set(session_id, session)
    return str(reply)


async def main(url: str, registry: str, session_id: str, times: str) -> Any:
    """Return the last reply and the number of conflicts that were retried."""
    reply, conflicts = "", 0
    async with AsyncSQLStorage(url, REGISTRIES[registry]) as storage:
        store = SQLSessionStore(storage)
        wait_for_start()
        for _ in range(int(times)):
            while True:
                try:
                    reply = await say(store, session_id, "hello")
                    break
                except SessionConflict:
                    conflicts += 1
    return {"reply": reply, "conflicts": conflicts}


async def differences(url: str, registry: str, session_id: str) -> list[str]:
    """Return where a stored session is not the full one."""
    async with AsyncSQLStorage(url, REGISTRIES[registry]) as storage:
        session = await SQLSessionStore(storage).get(session_id)
    assert session is not None
    wanted = full_session(session_id)
    parts = {
        "session_id": (session.session_id, wanted.session_id),
        "service_session_id": (session.service_session_id, wanted.service_session_id),
        "state": (session.to_dict(), wanted.to_dict()),
        "types": (kinds(session.state), kinds(wanted.state)),
        "preferences": (session.state["preferences"], wanted.state["preferences"]),
    }
    return [f"{name}: {got!r}" for name, (got, want) in parts.items() if got != want]


def kinds(value: Any) -> Any:
    """Return the types of a value and of all in it."""
    if isinstance(value, dict):
        return {key: kinds(item) for key, item in value.items()}
    return [kinds(item) for item in value] if isinstance(value, list) else type(value)


if __name__ == "__main__":
    work: Any = {"say": main, "differences": differences}[sys.argv[1]]
    print(json.dumps(asyncio.run(work(*sys.argv[2:]))))
