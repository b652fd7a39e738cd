"""A storage that keeps an actor's last replies beside its state, in one commit."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any, Final

from theater_sql import (
    ABSENT,
    NOT_PRESENT,
    ActorId,
    ActorRegistry,
    AsyncSQLStorage,
    AsyncStorage,
    Conflict,
    Etag,
    Found,
    NotPresent,
    OutcomeUnknown,
    Put,
    StorageError,
    Unavailable,
)
from theater_sql.adapters.ray.lease import Lease, LeaseLost
from theater_sql.adapters.ray.once import Once, Remembered, without_last
from theater_sql.etags import new_etag

MOST: Final = 256
"""How many actors are written in one commit."""
CLAIM_AGAIN: Final = 0.2
"""Seconds until somebody else's claim is looked at again."""
GIVEN_UP: Final = 5.0
"""Seconds in which nobody waits anew for an actor that somebody has waited for in vain."""
LINGER: Final = 1.0
"""Seconds after which the next commit begins though the one before it is under way."""
TOGETHER: Final = 2.0
"""Seconds that actors wait for each other: somebody's lock may hold up one of them."""
PARTS: Final = 16
"""How many parts a commit that failed is divided into, until the actor to blame stands alone."""
NOTHING: Final[dict[str, Any]] = {"ring": [], "deletes": None, "holder": None}
"""The replies of an actor that has none."""


class WithOperations(AsyncStorage):
    """Wraps a storage for actors that are ``Once``.

    The replies of an actor are a generic row of the actor type ``<name>+operations`` and of the
    actor's own id. A handle expects the etags of both rows, so neither gets past the other.

    Attributes:
        lease: if there is one, an actor is read only by the one whose lease it names.
        waits: until when to wait for actors that others have.
    """

    def __init__(self, storage: AsyncSQLStorage, actors: ActorRegistry) -> None:
        self.storage = storage
        self.commits = Commits(storage)
        self.lease: Lease | None = None
        self.waits: dict[tuple[str, ActorId], float] = {}
        self._actors = actors

    def handle(self, actor_type: Any, actor_id: ActorId) -> Handle:
        """Return the handle of an actor and of its replies."""
        wrapped = actor_type.wrapped if issubclass(actor_type, Once) else actor_type
        return Handle(self, wrapped, self._actors.match(wrapped).name, actor_id)

    async def get(self, actor_type: Any, actor_id: ActorId) -> Found[Any] | NotPresent:
        return await self.handle(actor_type, actor_id).get()

    async def put(self, actor_type: Any, actor_id: ActorId, state: Any) -> None:
        handle = self.handle(actor_type, actor_id)
        await handle.get()
        await handle.put(state)

    async def delete(self, actor_type: Any, actor_id: ActorId) -> None:
        handle = self.handle(actor_type, actor_id)
        await handle.get()
        await handle.delete()


class Handle:
    """One actor and its replies; after an error only ``get`` makes it usable again."""

    __slots__ = ("_actor", "_etag", "_name", "_replies", "_replies_etag", "_storage")

    def __init__(
        self, storage: WithOperations, actor_type: Any, name: str, actor_id: ActorId
    ) -> None:
        self._storage = storage
        self._name = name
        self._actor = (actor_type, actor_id)
        self._replies = (f"{name}+operations", actor_id)
        self._etag: Any = ABSENT
        self._replies_etag: Any = ABSENT

    async def get(self) -> Found[Any] | NotPresent:
        """Read both rows, finish a delete that was begun, and claim the actor for a lease.

        While another host has it this waits, with the messages behind it: so their order holds.
        """
        while True:
            holder, found = await self._read()
            if await self._claim(holder, found.state if found else Remembered(NOT_PRESENT, {})):
                self._storage.waits.pop(self._replies, None)
                return found
            self._check_patience()
            await asyncio.sleep(CLAIM_AGAIN)

    def _check_patience(self) -> None:
        """Give up what waited for long, and at once what waits behind it."""
        lease, waits, now = self._storage.lease, self._storage.waits, time.monotonic()
        if lease is None or now < (until := waits.get(self._replies, -math.inf)):
            return
        if now > until + GIVEN_UP:
            waits[self._replies] = now + lease.patience
            return
        reason = "another host has it in memory, and renews its lease; nothing was written"
        raise Unavailable(self._name, self._actor[1], reason)

    async def _read(self) -> tuple[str | None, Found[Any] | NotPresent]:
        """Return who has the actor in memory, and what is stored."""
        results = await self._storage.storage.get_many([self._actor, self._replies])
        for error in results.errors:
            raise error
        actor, replies = results.raise_errors()
        self._etag, self._replies_etag = actor.etag, replies.etag
        known: dict[str, Any] = replies.state if replies else NOTHING
        if actor and actor.etag == known["deletes"]:
            try:
                await self.delete()
            except Conflict:  # another host has finished it
                return await self._read()
            actor = NOT_PRESENT
        ring = {client: (since, kept, when) for client, since, kept, when in known["ring"]}
        remembered = Remembered(actor.state if actor else NOT_PRESENT, ring)
        row = actor or replies
        return known["holder"], row._replace(state=remembered) if row else NOT_PRESENT

    async def _claim(self, holder: str | None, remembered: Remembered) -> bool:
        """Tell whether the actor may be in memory here."""
        lease = self._storage.lease
        if lease is None or holder == lease.holder:
            return True
        if not lease.is_live:
            raise LeaseLost(f"{self._name}[{self._actor[1]!r}]: its host has lost its lease")
        if holder is not None and not await lease.is_over(holder):
            return False
        replies = self._put_of_replies(remembered, None)
        try:
            await self._storage.commits.put([replies])
        except (Conflict, OutcomeUnknown):
            return False
        self._replies_etag = replies.etag
        # The holder's last write may have come between the looks at the one row and the other.
        actor = await self._storage.storage.get(*self._actor)
        return bool(actor.etag == self._etag)

    async def put(self, remembered: Remembered) -> None:
        """Write both rows, or with ``NOT_PRESENT`` for the state: remove the actor."""
        if remembered.state is NOT_PRESENT:
            await self._put_nothing(remembered)
        else:
            await self._put(remembered)

    async def delete(self) -> None:
        """Remove the actor; its replies stay."""
        await self._storage.storage.delete(*self._actor, expect=self._etag)
        self._etag = ABSENT

    async def _put(self, remembered: Remembered) -> None:
        actor = Put(*self._actor, remembered.state, self._etag, new_etag())
        await self._commit(self._put_of_replies(remembered, None), actor)
        self._etag = actor.etag

    async def _put_nothing(self, remembered: Remembered) -> None:
        # The replies say which row goes before it does: whoever reads both finishes it.
        deletes = None if self._etag is ABSENT else self._etag
        await self._commit(self._put_of_replies(remembered, deletes))
        if deletes is None:
            return
        try:
            await self._finish_delete()
        except Conflict as error:
            # Somebody has written it since: the message has to go on that.
            if error.kind == "stale":
                await self._commit(self._put_of_replies(without_last(remembered), None))
            raise

    async def _commit(self, replies: Put, *others: Put) -> None:
        try:
            await self._storage.commits.put([*others, replies])
        except OutcomeUnknown as error:
            await self._settle(replies, error)
        self._replies_etag = replies.etag

    async def _settle(self, replies: Put, error: OutcomeUnknown) -> None:
        """Find out whether a commit came through; to process the message again would not do.

        If it can't be read either that would be told, as if nothing had been written.
        """
        try:
            found = await self._storage.storage.get(*self._replies)
        except StorageError:
            raise error from None
        if found.etag != replies.etag:
            actual = found.etag if found else None
            told = {"kind": "stale", "expected": self._replies_etag, "actual": actual}
            raise Conflict(self._name, self._actor[1], error.reason, **told) from None

    async def _finish_delete(self) -> None:
        try:
            await self.delete()
        except Conflict:
            raise
        except StorageError as error:
            reason = f"its delete was begun, and is finished when it is read next: {error.reason}"
            raise OutcomeUnknown(self._name, self._actor[1], reason, etag=None) from None

    def _put_of_replies(self, remembered: Remembered, deletes: Etag | None) -> Put:
        ring = [[client, *entry] for client, entry in remembered.ring.items()]
        lease = self._storage.lease
        holder = lease.holder if lease is not None else None
        state = {"ring": ring, "deletes": deletes, "holder": holder}
        return Put(*self._replies, state, self._replies_etag, new_etag())


class Commits:
    """Writes that pile up while others are under way go out as one commit."""

    def __init__(self, storage: AsyncSQLStorage) -> None:
        self._storage = storage
        self._waiting: list[tuple[list[Put], asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def put(self, puts: list[Put]) -> None:
        """Write all of ``puts``, which belong to one actor, or none."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((puts, done))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        await done

    async def settle(self) -> None:
        """Wait until nothing is under way, also of callers that have gone."""
        while tasks := self._under_way | ({self._task} if self._task is not None else set()):
            await asyncio.wait(tasks)

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            write = asyncio.create_task(self._write(batch))
            self._under_way.add(write)
            write.add_done_callback(self._under_way.discard)
            await asyncio.wait({write}, timeout=LINGER)
        self._task = None

    async def _write(self, batch: list[tuple[list[Put], asyncio.Future[None]]]) -> None:
        puts = [put for actor, _ in batch for put in actor]
        try:
            await self._storage.put_many(puts, atomic=True, timeout=TOGETHER if batch[1:] else None)
        except Exception as error:
            if len(batch) > 1:  # what is wrong with one is not the others' fault
                size = max(1, len(batch) // PARTS)
                parts = [batch[at : at + size] for at in range(0, len(batch), size)]
                await asyncio.gather(*map(self._write, parts))
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
        else:
            for _, done in batch:
                if not done.done():
                    done.set_result(None)
