"""Dapr actors for the tests. As a program: one call, in a process and a runtime of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from dapr.actor import Actor, ActorInterface, actormethod
from dapr.actor.runtime.runtime import ActorRuntime
from dapr.clients.exceptions import DaprInternalError
from typing_extensions import TypedDict

from tests.adapters.conftest import wait_for_start
from theater_sql import ActorRegistry, AsyncSQLStorage
from theater_sql.adapters.dapr import stored_in


@dataclass
class Item:
    name: str
    price: Decimal


class CartState(TypedDict, total=False):
    count: int
    items: list[Item]
    total: Decimal
    placed_at: datetime
    digest: bytes


EXACT: dict[str, dict[str, Any]] = {
    "Cart": {
        "count": 0,
        "items": [Item("tea", Decimal("4.20"))],
        "total": Decimal("4.20"),
        "placed_at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "digest": b"\x00\xff",
    },
    "Basket": {
        "text like a date": "2026-01-02 is no date",
        "empty": "",
        "zero": 0,
        "tuple": (1, (2,)),
        "set": {1, 2},
        "bytes": b"\x00\xff",
        "date": date(2026, 1, 2),
        "datetime": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "timedelta": timedelta(microseconds=1),
        "decimal": Decimal("4.20"),
        "uuid": UUID(int=7),
        "nested": {"a": [None, {"$tuple": 1}]},
        'a "quoted" name': 1.5,
    },
}


class Calls(ActorInterface):
    @actormethod(name="add")
    async def add(self, amount: int) -> Any: ...

    @actormethod(name="fill")
    async def fill(self) -> None: ...

    @actormethod(name="names")
    async def names(self) -> Any: ...

    @actormethod(name="differences")
    async def differences(self) -> Any: ...

    @actormethod(name="remove")
    async def remove(self, names: list[str]) -> None: ...

    @actormethod(name="put")
    async def put(self, named: dict[str, Any]) -> None: ...

    @actormethod(name="expire")
    async def expire(self) -> None: ...

    @actormethod(name="mutate")
    async def mutate(self) -> None: ...

    @actormethod(name="swallow")
    async def swallow(self, amount: int) -> Any: ...

    @actormethod(name="unstorable")
    async def unstorable(self) -> None: ...

    @actormethod(name="remind")
    async def remind(self) -> None: ...


class Basket(Actor, Calls):
    """Not registered: its values go to the generic table."""

    kind = "Basket"

    async def _on_deactivate(self) -> None:
        await self._state_manager.contains_state("count")

    async def add(self, amount: int) -> int:
        has_count, count = await self._state_manager.try_get_state("count")
        count = (count if has_count else 0) + amount
        await self._state_manager.set_state("count", count)
        return int(count)

    async def fill(self) -> None:
        for name, value in EXACT[self.kind].items():
            await self._state_manager.set_state(name, value)

    async def names(self) -> list[str]:
        known = dict.fromkeys([*EXACT[self.kind], "count"])
        return [name for name in known if await self._state_manager.contains_state(name)]

    async def differences(self) -> list[str]:
        different = []
        for name, value in EXACT[self.kind].items():
            stored = await self._state_manager.get_state(name)
            if stored != value or repr(stored) != repr(value):
                different.append(f"{name}: {stored!r}")
        return different

    async def remove(self, names: list[str]) -> None:
        for name in names:
            await self._state_manager.remove_state(name)

    async def put(self, named: dict[str, Any]) -> None:
        for name, value in named.items():
            await self._state_manager.set_state(name, value)

    async def expire(self) -> None:
        await self._state_manager.set_state_ttl("count", 1, 60)

    async def mutate(self) -> None:
        """Change a value in place, which stores nothing, and then store another one."""
        (await self._state_manager.get_state("items")).clear()
        await self._state_manager.set_state("count", 1)

    async def swallow(self, amount: int) -> str:
        """Save in the middle of the turn, and go on as if nothing had gone wrong."""
        await self.add(amount)
        try:
            await self._state_manager.save_state()
        except DaprInternalError as error:
            await self.add(amount)
            return str(error.error_code)
        return "saved"

    async def unstorable(self) -> None:
        await self._state_manager.set_state("count", deque([1]))

    async def remind(self) -> None:
        await self.register_reminder("pay", b"", timedelta(1))


class Cart(Basket):
    """Registered: a table with a column for each name."""

    kind = "Cart"


ACTORS = ActorRegistry()
ACTORS.register(Cart, state=CartState)
CLASSES: dict[str, type[Basket]] = {"Cart": Cart, "Basket": Basket}


async def register(storage: AsyncSQLStorage) -> None:
    for cls in CLASSES.values():
        await ActorRuntime.register_actor(cls, actor_factory=stored_in(storage))


async def call(kind: str, actor_id: str, method: str, argument: Any = None) -> Any:
    """Call an actor as Dapr's web frameworks do."""
    body = json.dumps(argument).encode()
    return json.loads(await ActorRuntime.dispatch(kind, actor_id, method, body))


def in_runtime(url: str, work: Callable[[AsyncSQLStorage], Awaitable[None]]) -> None:
    """Run with the actors registered anew, as when a process starts."""

    async def run() -> None:
        async with AsyncSQLStorage(url, ACTORS) as storage:
            await storage.create_all()
            await register(storage)
            await work(storage)

    asyncio.run(run())


async def main(url: str, kind: str, actor_id: str, method: str, argument: str, times: str) -> Any:
    """Return the last reply and the number of conflicts that were retried."""
    reply, conflicts = None, 0
    async with AsyncSQLStorage(url, ACTORS) as storage:
        await register(storage)
        await call(kind, "nobody", "names")  # which connects
        wait_for_start()
        for _ in range(int(times)):
            while True:
                try:
                    reply = await call(kind, actor_id, method, json.loads(argument))
                    break
                except DaprInternalError as error:
                    if error.error_code != "Conflict":
                        raise
                    conflicts += 1
    return {"reply": reply, "conflicts": conflicts}


if __name__ == "__main__":
    from tests.adapters import carts  # the classes under the name that they have for the tests

    print(json.dumps(asyncio.run(carts.main(*sys.argv[1:]))))
